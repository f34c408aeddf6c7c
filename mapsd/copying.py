"""Bytes on their way to an output: in order, hashed, and what was not read or is not the file's noted.

Offsets and sizes are in bytes.
"""

import hashlib

from mapsd.errors import NotExtracted, NothingHeld
from mapsd.light import Iterator, NamedTuple, Protocol, Sequence
from mapsd.linux.backingfile import BackingFile
from mapsd.linux.memory import CHUNK, PAGE, Memory
from mapsd.model import Vma
from mapsd.parse import elf
from mapsd.resolve import image
from mapsd.resolve.image import Hole, Mapped, Own, Piece

# VmFlags: memory of a device, which acts when it is read, and huge pages, of which a read takes one.
_DEVICE, _HUGE = frozenset({b"io", b"pf"}), b"ht"
_ZEROS = bytes(CHUNK)


class Output(Protocol):
    """What takes bytes in order, from the first on. Every method may raise NotWritten."""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""

    def skip(self, size: int) -> None:
        """Take as many zeros."""

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes that were taken, at most *size*."""

    def commit(self) -> None:
        """Make what was taken last."""


class Wish(NamedTuple):
    """How far to go: at most *limit* bytes, and whether pages may be faulted into the process.

    *fault* is never, always, or auto: not where a server would have to be waited for.
    """

    limit: int
    fault: str = "auto"

    def unless_more(self, size: int, what: str) -> None:
        """Raise NotExtracted where *size* is above the limit: what a process maps has no bound."""
        if size > self.limit:
            raise NotExtracted(what, f"{size} bytes are more than --max-size={self.limit}")


class Copied(NamedTuple):
    """What was written: *read* are the mappings whose memory it is, *changed* says that the file changed meanwhile."""

    size: int
    sha256: str
    build_id: bytes | None
    read: tuple[Vma, ...] = ()
    holes: tuple[Hole, ...] = ()
    own: tuple[Own, ...] = ()
    changed: bool = False


class _Writer:
    def __init__(self, output: Output) -> None:
        self._output, self._hash, self.size = output, hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        self._output.write(data)
        self._hash.update(data)
        self.size += len(data)

    def skip_to(self, offset: int) -> None:
        gap = offset - self.size
        if gap > 0:
            self._output.skip(gap)
            self.size = offset
        for at in range(0, gap, CHUNK):
            self._hash.update(_ZEROS[:gap - at])

    def copied(self) -> Copied:
        return Copied(self.size, self._hash.hexdigest(), elf.build_id(self._output.read))


def from_file(file: BackingFile, output: Output, wish: Wish, what: str) -> Copied:
    """Copy a whole file, as long as it was at the beginning. Raises NotExtracted, NotWritten."""
    before, writer = file.content(), _Writer(output)
    wish.unless_more(before.size, what)
    for data in file.chunks(before.size):
        writer.write(data)
    changed = file.content() != before or writer.size != before.size
    return writer.copied()._replace(changed=changed)


def own_of(memory: Memory, vmas: Sequence[Vma], size: int, wish: Wish, what: str) -> tuple[Own, ...]:
    """Return the pages of a file of *size* bytes for which private mappings have pages of the process's own."""
    end = -(-size // PAGE) * PAGE
    whole = [image.piece_of(vma) for vma in vmas]
    private = [piece._replace(end=min(piece.end, end)) for piece in whole if piece.private and piece.start < end]
    wish.unless_more(sum(piece.end - piece.start for piece in private), f"{what}: its private mappings")
    return tuple(image.joined([own for piece in private for own in _own(memory, piece)]))


def _own(memory: Memory, piece: Piece) -> list[Own]:
    asked = piece.private and not piece.own
    runs = memory.runs(piece.address, piece.address + piece.end - piece.start) if asked else []
    return image.own_pages(piece, runs, PAGE)


def from_memory(memory: Memory, vmas: Sequence[Vma], kind: str, output: Output, wish: Wish, *, fault: bool) -> Copied:
    """Copy what mappings of one file (or one of no file) have in memory, each byte to its place in the file.

    The first one is the one that was asked for; *fault* says whether pages that are not in memory are read.
    Raises NothingHeld, NotExtracted, NotWritten and ProcessGone.
    """
    what = f"{memory.pid}: {vmas[0].start:#x}"
    whole = [image.piece_of(vma) for vma in vmas]
    wish.unless_more(max(sum(piece.end - piece.start for piece in whole), *(piece.end for piece in whole)), what)
    memory.open_memory()
    parts = list(_parts(memory, vmas, kind, fault=fault))
    read, writer, own = image.pieces(parts, PAGE), _Writer(output), list[Own]()
    holes = image.holes(parts, kind, read)
    for piece in read:
        _copy(memory, piece, writer, holes, own)
    if image.is_zeroed(kind):
        # What was never written to reads as zeros.
        writer.skip_to(max(piece.end for piece in whole))
    if not writer.size:
        raise NothingHeld(memory.pid, f"no page of the mapping at {vmas[0].start:#x} can be read")
    return writer.copied()._replace(read=tuple(part.vma for part in parts), holes=tuple(image.merged(holes)),
                                    own=tuple(image.joined(own)))


def _parts(memory: Memory, vmas: Sequence[Vma], kind: str, *, fault: bool) -> Iterator[Mapped]:
    flags = memory.vm_flags(vmas)
    if vmas[0] not in flags:
        raise NotExtracted(f"{memory.pid}: {vmas[0].start:#x}", "the mapping changed while it was read")
    if not _DEVICE.isdisjoint(flags[vmas[0]]) or kind == "vsyscall":
        raise NothingHeld(memory.pid, f"the mapping at {vmas[0].start:#x} is of a device or of the kernel: not read")
    for vma in vmas:
        if vma in flags and _DEVICE.isdisjoint(flags[vma]):
            yield Mapped(vma, memory.runs(vma.start, vma.end), fault and _HUGE not in flags[vma])


def _copy(memory: Memory, piece: Piece, writer: _Writer, holes: list[Hole], own: list[Own]) -> None:
    """Copy a piece; a page may become the process's own until it is read, so that is asked afterwards."""
    at = piece.start
    while at < piece.end:
        address = piece.address + at - piece.start
        data = memory.read(address, min(CHUNK, piece.end - at))
        if data:
            writer.skip_to(at)
            writer.write(data)
            own += _own(memory, piece._replace(start=at, end=at + len(data), address=address))
        else:
            holes.append(Hole(at, at + PAGE, "unreadable"))
        at += len(data) or PAGE
