"""Addresses of one process, each found in its mapping: what a profiler asks, many at once."""

from bisect import bisect

from mapsd.light import Iterator, NamedTuple, Sequence
from mapsd.model import Answer, Vma


class Located(NamedTuple):
    """One address: the mapping that holds it (None: none does), and where it lies in the mapping's file.

    *offset* is in bytes from the file's start, None for what is no file's.
    """

    address: int
    mapping: Answer | None
    offset: int | None


def holding(vmas: Sequence[Vma], addresses: Sequence[int]) -> list[Vma]:
    """Return the mappings that hold one of the addresses; *vmas* ascend, as in maps."""
    found = set(_places(vmas, addresses)) - {-1}
    return [vmas[place] for place in sorted(found)]


def located(mappings: Sequence[Answer], addresses: Sequence[int]) -> tuple[Located, ...]:
    """Return each address, in the order given, with the mapping of *mappings* (they ascend) that holds it."""
    vmas = [mapping.vma for mapping in mappings]
    # What leads from an address to the offset in the mapping's file.
    shifts = [one.vma.offset - one.vma.start if one.kind == "file" else None for one in mappings]
    return tuple([Located(address, None, None) if place < 0 else
                  Located(address, mappings[place], None if (shift := shifts[place]) is None else address + shift)
                  for address, place in zip(addresses, _places(vmas, addresses), strict=True)])


def _places(vmas: Sequence[Vma], addresses: Sequence[int]) -> Iterator[int]:
    """Yield for each address the index of the mapping that holds it, -1 where none does."""
    starts, ends = [vma.start for vma in vmas], [vma.end for vma in vmas]
    for address in addresses:
        place = bisect(starts, address) - 1
        yield place if place >= 0 and address < ends[place] else -1
