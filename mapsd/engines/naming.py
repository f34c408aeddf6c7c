"""Which container a word means: its name, or the beginning of its id."""

from mapsd.light import Sequence
from mapsd.model.containers import Running


def named(word: str, running: Sequence[Running]) -> list[Running]:
    """Return the containers that a word names: those with that very name or id, else those whose ids begin with it.

    More than one has the name where several engines, or users, run one.
    """
    exact = [one for one in running if word in {one.container.name, one.container.id}]
    return exact or [one for one in running if one.container.id is not None and one.container.id.startswith(word)]
