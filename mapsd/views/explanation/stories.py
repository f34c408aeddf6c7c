"""Which mappings are meant by an address or a path, and which of them have one answer together."""

from mapsd.light import Iterator, Sequence
from mapsd.model import Answer, ProcessAnswer
from mapsd.parse.escape import DELETED, readings
from mapsd.views.explanation.words import Words, plural, say, shown
from mapsd.views.selection import files

LISTED = 8  # address ranges of one story


def is_meant(mapping: Answer, wanted: int | bytes) -> bool:
    """Return whether a mapping holds an address, or has a path: the user's, the kernel's or the backing file's.

    The kernel's mark of a deleted name may be left out where the user path is not known.
    """
    if isinstance(wanted, int):
        return mapping.vma.start <= wanted < mapping.vma.end
    known = mapping.backing.path if mapping.backing is not None else None
    return wanted in {mapping.user_path, known, *_texts(mapping)}


def _texts(mapping: Answer) -> Iterator[bytes]:
    yield mapping.vma.name
    yield from readings(mapping.vma.name)
    if mapping.kind == "file" and mapping.user_path is None:
        yield from readings(mapping.vma.name.removesuffix(DELETED))


def stories(mappings: Sequence[Answer]) -> list[tuple[Answer, ...]]:
    """Return the mappings of one file that have one answer together, in the order of their first addresses."""
    others = [(mapping,) for mapping in mappings if mapping.state is None]
    return sorted([*files(mappings), *others], key=lambda story: story[0].vma.start)


def heading(answer: ProcessAnswer, story: Sequence[Answer]) -> Iterator[Words]:
    """Yield which mappings a story is about."""
    process, first = answer.process, story[0].vma
    yield say("Mapping {range} of process {pid} {name}", range=f"{first.start:x}-{first.end:x}", pid=str(process.pid),
              name=f"({shown(process.name)})")
    others = [f"{one.vma.start:x}-{one.vma.end:x}" for one in story[1:]]
    if others:
        rest = f" and {len(others) - LISTED} more" if len(others) > LISTED else ""
        yield say(f"{plural(len(others), 'other mapping')} of the file with the same answer: "
                  f"{', '.join(others[:LISTED])}{rest}")
