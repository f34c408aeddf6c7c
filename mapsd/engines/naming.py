"""Which container a word means: its name, or the beginning of its id; and which image."""

from mapsd.light import Sequence
from mapsd.model.containers import Running
from mapsd.model.disks import Image

# What engines put before a name, or after it, that users leave out.
_PREFIXES = ("docker.io/library/", "docker.io/", "localhost/")
_TAG = ":latest"


def named(word: str, running: Sequence[Running]) -> list[Running]:
    """Return the containers that a word names: those with that very name or id, else those whose ids begin with it.

    More than one has the name where several engines, or users, run one.
    """
    exact = [one for one in running if word in {one.container.name, one.container.id}]
    return exact or [one for one in running if one.container.id is not None and one.container.id.startswith(word)]


def images_named(word: str, known: Sequence[Image]) -> list[Image]:
    """Return the images that a word names: by a whole name, id or digest, else by a short name, else by their ids.

    More than one has the name where several stores have one.
    """
    exact = [one for one in known if word in {*one.names, one.id, one.digest}]
    short = exact or [one for one in known if any(word in _short(name) for name in one.names)]
    begin = word.removeprefix("sha256:")
    return short or [one for one in known if begin and one.id is not None and one.id[7:].startswith(begin)]


def _short(name: str) -> set[str]:
    names = {name, *(name.removeprefix(prefix) for prefix in _PREFIXES)}
    return names | {one.removesuffix(_TAG) for one in names}
