"""How answers were reached: docs/schema/explain.json."""

from mapsd.light import NamedTuple, Sequence
from mapsd.model import Answer, ProcessAnswer
from mapsd.remote.decode.fields import Fields
from mapsd.remote.decode.mappings import process_answer
from mapsd.views.explanation import Step
from mapsd.views.explanation.object import Explain
from mapsd.views.render import printable


class Explained(NamedTuple):
    """Mappings, and what says how the answer about one of them was reached, as mapsd.explain does."""

    answer: ProcessAnswer
    explain: Explain


def explained(answer: Fields) -> Explained:
    """Return mappings with their explanations. Raises Malformed."""
    found = process_answer(answer)
    steps = {mapping.address("start"): tuple(map(_step, mapping.parts("explanation")))
             for mapping in answer.parts("mappings")}

    def explain(_: ProcessAnswer, mapping: Answer) -> Sequence[Step]:
        return steps[mapping.vma.start]
    return Explained(found, explain)


def _step(one: Fields) -> Step:
    paragraphs = one.lists("paragraphs")
    if not all(paragraphs):
        raise one.wrong("paragraphs", "one without a word")
    # Nobody but this daemon says that a word is harmless to a terminal.
    return Step(one.text("step"), printable(one.text("title")),
                tuple(tuple(map(printable, words)) for words in paragraphs))
