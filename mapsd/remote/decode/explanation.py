"""How answers were reached: docs/schema/explain.json."""

from mapsd.light import NamedTuple
from mapsd.model import ProcessAnswer
from mapsd.remote.decode.fields import Fields
from mapsd.remote.decode.mappings import process_answer
from mapsd.views.explanation import Step
from mapsd.views.render import printable


class Explained(NamedTuple):
    """Mappings, and how the answer about each was reached."""

    answer: ProcessAnswer
    steps: tuple[tuple[Step, ...], ...]


def explained(answer: Fields) -> Explained:
    """Return mappings with their explanations. Raises Malformed."""
    return Explained(process_answer(answer), tuple(
        tuple(map(_step, mapping.parts("explanation"))) for mapping in answer.parts("mappings")))


def _step(one: Fields) -> Step:
    paragraphs = one.lists("paragraphs")
    if not all(paragraphs):
        raise one.wrong("paragraphs", "one without a word")
    # Nobody but this daemon says that a word is harmless to a terminal.
    return Step(one.text("step"), printable(one.text("title")),
                tuple(tuple(map(printable, words)) for words in paragraphs))
