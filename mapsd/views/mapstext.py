r"""The text of /proc/PID/maps as the kernel prints it, with the paths that it should name.

fs/proc/task_mmu.c: show_map_vma() pads to a column and prints the path with only a newline escaped, as \012;
fs/d_path.c appends " (deleted)" to a name that is unlinked.
"""

from mapsd.light import Iterator
from mapsd.model import Answer, ProcessAnswer, Vma

_COLUMN = 72  # 25 + sizeof(void *) * 6 - 1 of a 64-bit kernel: one blank more and the name begins
_GONE = frozenset({"deleted", "replaced"})


def lines(answer: ProcessAnswer) -> Iterator[bytes]:
    """Yield the lines of a process's maps, each with its newline, the user path in place of the kernel's path."""
    for mapping in answer.mappings:
        yield line(mapping.vma._replace(name=name(mapping)))


def name(mapping: Answer) -> bytes:
    """Return what the kernel would print for the user path, or what it printed where that is not established.

    The name of a file that is deleted or replaced is marked as the kernel marks it.
    """
    if mapping.user_path is None:
        return mapping.vma.name
    return mapping.user_path.replace(b"\n", rb"\012") + (b" (deleted)" if mapping.state in _GONE else b"")


def line(vma: Vma) -> bytes:
    """Return a VMA as the kernel prints it."""
    numbers = (f"{vma.start:08x}-{vma.end:08x} {vma.perms} {vma.offset:08x} {vma.device.major:02x}:"
               f"{vma.device.minor:02x} {vma.inode} ")
    return (numbers.ljust(_COLUMN) + " " if vma.name else numbers).encode() + vma.name + b"\n"
