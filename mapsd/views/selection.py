"""Which mappings of an answer are wanted, and which of them are of one file."""

from mapsd.light import Callable, Iterator, Sequence
from mapsd.model import Answer

STATES = ("current", "copied-up", "replaced", "deleted", "covered", "detached", "unreachable", "unknown")
Wanted = Callable[[Answer], bool]
_OVERLAY = b"overlay"


def overlaid(mapping: Answer) -> bool:
    """Return whether a mapping is of an overlay's file, or may be: its mount is not known, nor what it holds."""
    if mapping.state is None:
        return False
    if mapping.mount is None and mapping.backing is None:
        return True
    return (mapping.mount is not None and mapping.mount.fs_type == _OVERLAY) or (
        mapping.backing is not None and mapping.backing.overlaid)


def holding(addresses: Sequence[int]) -> Wanted:
    """Return whether a mapping holds one of these addresses."""
    return lambda mapping: any(mapping.vma.start <= one < mapping.vma.end for one in addresses)


def stories(mappings: Sequence[Answer]) -> Iterator[bool]:
    """Yield of each mapping whether it is of the same file as the one before it, with the same answer."""
    before = None
    for mapping in mappings:
        of = None if mapping.state is None else _file(mapping)
        yield of is not None and of == before
        before = of


def files(mappings: Sequence[Answer]) -> list[tuple[Answer, ...]]:
    """Return the mappings of files, those of one file with one answer together, in the order of their first."""
    found: dict[object, list[Answer]] = {}
    for mapping in mappings:
        if mapping.state is not None:
            found.setdefault(_file(mapping), []).append(mapping)
    return [tuple(each) for each in found.values()]


def _file(mapping: Answer) -> object:
    """Return what mappings of one file with one answer have in common."""
    vma = mapping.vma
    return (vma.name, vma.device, vma.inode, mapping.user_path, mapping.host_path, mapping.openable_path, mapping.mount,
            mapping.backing, mapping.state, mapping.proof, mapping.reason, mapping.needs, mapping.package)
