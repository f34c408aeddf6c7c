"""How an answer was reached, in sentences that a newcomer understands: values in, words out."""

from mapsd.light import Iterator, NamedTuple, Sequence
from mapsd.model import Answer, ProcessAnswer
from mapsd.views.explanation.stories import heading, is_meant, stories
from mapsd.views.explanation.verdict import answered, other
from mapsd.views.explanation.words import Words, filled

__all__ = ["Step", "explain", "filled", "heading", "is_meant", "lines", "stories"]
INDENT = 3  # columns of the sentences below their title


class Step(NamedTuple):
    """One step of an explanation.

    *name* is its key: shown, doubt, mount, name, candidates, proof or verdict, and kind for a mapping that is no
    file's. *paragraphs* are words between which a line may be broken: a path is one word, and where the first word is
    "-" the paragraph is an item of a list. No word holds a control byte.
    """

    name: str
    title: str
    paragraphs: tuple[Words, ...]

    @property
    def text(self) -> str:
        """Return the paragraphs as one line."""
        return " ".join(word for paragraph in self.paragraphs for word in paragraph)


def explain(answer: ProcessAnswer, mapping: Answer) -> tuple[Step, ...]:
    """Return how the answer about one *mapping* of a process was reached, step by step.

    Nothing is asked of the machine: what mapsd.lookup() returned is put into words. Devices are major:minor in
    decimal, addresses hexadecimal, pages numbers from the start of the file; see docs/states.md and docs/proofs.md.
    """
    steps = answered(answer, mapping) if mapping.kind == "file" else other(answer, mapping)
    return tuple(Step(name, title, tuple(paragraphs)) for name, title, paragraphs in steps)


def lines(steps: Sequence[Step], width: int) -> Iterator[str]:
    """Yield the readable form: numbered titles, and below them their sentences in lines of at most *width* columns.

    A word that is longer, as a path may be, is never cut.
    """
    for place, step in enumerate(steps, 1):
        yield f"{place}. {step.title}"
        for paragraph in step.paragraphs:
            yield from filled(paragraph, width, INDENT)
        yield ""
