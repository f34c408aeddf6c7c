"""One extraction, asked and done: where the bytes are is decided, they are copied, and everything is asked again."""

from mapsd.copying import Copied, Output, Wish, from_file, from_memory, own_of
from mapsd.errors import NotExtracted, NothingHeld, ProcessGone
from mapsd.light import NamedTuple, Sequence
from mapsd.linux.backingfile import BackingFile, open_backing
from mapsd.linux.memory import Memory
from mapsd.linux.outfile import OutFile
from mapsd.linux.outstream import OutStream
from mapsd.linux.views import SERVED
from mapsd.model import Answer, ProcessAnswer, Refused, Vma
from mapsd.once import lookup
from mapsd.resolve.source import FromFile, FromMemory, Group, Source, grouped, mapping_at, may_fault, source, steady

MAX_SIZE = 4 << 30  # bytes


class Extraction(NamedTuple):
    """What was extracted, and from where.

    *answer* is what was known of the mapping before, *copied* what was written, *left_out* the mappings that look
    like it and are not known to hold the same. The process's own pages (*copied.own*) are part of the output where
    memory was read, and not where the file was.
    """

    answer: ProcessAnswer
    mapping: Answer
    source: Source
    copied: Copied
    left_out: tuple[Vma, ...]


class _Asked(NamedTuple):
    address: int
    before: ProcessAnswer
    chosen: Answer
    group: Group
    memory: Memory
    output: Output
    wish: Wish

    @property
    def what(self) -> str:
        return f"{self.memory.pid}: {self.address:#x}"


def extract(pid: int, address: int, to: bytes | int, *, replace: bool = False, max_size: int = MAX_SIZE,
            fault: str = "auto") -> Extraction:
    """Write what the mapping at *address* really holds, and return what was done and where the bytes came from.

    *to* is the path of a new file, which appears when it is whole (*replace*: also over a regular file), or a
    descriptor, which keeps what was written. *max_size* is in bytes; *fault* says whether pages of a file may be
    brought into memory for the process: "never", "always", or "auto", not from a filesystem with a server. Raises
    NothingHeld, NotExtracted and NotWritten, and what lookup() raises.
    """
    output = _taking(to) if isinstance(to, int) else OutFile(to, replace=replace)
    try:
        return extracted(pid, address, output, Wish(max_size, fault))
    finally:
        output.close()


def _taking(fd: int) -> OutStream:
    return OutStream(fd, b"stdout" if fd == 1 else b"descriptor %d" % fd)


def extracted(pid: int, address: int, output: Output, wish: Wish) -> Extraction:
    """Write what the mapping at *address* holds to *output*, commit it, and return what was done.

    Raises NothingHeld, NotExtracted and NotWritten, and what lookup() raises; nothing is committed then.
    """
    before = lookup(pid)
    chosen = mapping_at(before.mappings, address)
    if chosen is None:
        raise NothingHeld(pid, f"no mapping holds {address:#x}")
    try:
        found = _extracted(before, chosen, address, output, wish)
    except ProcessGone as error:
        raise ProcessGone(pid, seen=True) from error
    output.commit()
    return found


def _extracted(before: ProcessAnswer, chosen: Answer, address: int, output: Output, wish: Wish) -> Extraction:
    memory = Memory(before.process.pid)
    try:
        group = grouped(chosen, before.mappings, memory)
        return _copied(_Asked(address, before, chosen, group, memory, output, wish))
    finally:
        memory.close()


def _copied(asked: _Asked) -> Extraction:
    wanted = source(asked.chosen)
    if isinstance(wanted, FromFile):
        file = open_backing(wanted.backing, wanted.path)
        if isinstance(file, BackingFile):
            try:
                return _of_file(asked, wanted, file)
            finally:
                file.close()
        wanted = _instead(wanted, file)
    return _of_memory(asked, wanted)


def _instead(wanted: FromFile, refused: Refused) -> FromMemory:
    return FromMemory(f"the backing file is not read: {refused.reason}", wanted.path)


def _of_file(asked: _Asked, wanted: FromFile, file: BackingFile) -> Extraction:
    copied = from_file(file, asked.output, asked.wish, asked.what)
    vmas = [one.vma for one in asked.group.same]
    own = own_of(asked.memory, vmas, copied.size, asked.wish, asked.what)
    now = _asked_again(asked, (asked.chosen.vma,))
    path = wanted.path if now.backing is None else now.backing.path
    if path is None or not file.is_at(path):
        raise _changed(asked)
    return Extraction(asked.before, asked.chosen, wanted, copied._replace(own=own), ())


def _of_memory(asked: _Asked, wanted: FromMemory) -> Extraction:
    vmas = [asked.chosen.vma, *(one.vma for one in asked.group.same if one is not asked.chosen)]
    fault = asked.wish.fault == "always" or (asked.wish.fault == "auto" and may_fault(asked.chosen, SERVED))
    copied = from_memory(asked.memory, vmas, asked.chosen.kind, asked.output, asked.wish, fault=fault)
    _asked_again(asked, copied.read)
    return Extraction(asked.before, asked.chosen, wanted, copied, tuple(one.vma for one in asked.group.left_out))


def _asked_again(asked: _Asked, read: Sequence[Vma]) -> Answer:
    """Return the mapping as it is now. Raises NotExtracted where it may have held something else meanwhile."""
    after = lookup(asked.memory.pid)
    if not after.mappings:
        raise ProcessGone(asked.memory.pid, seen=True)
    now = mapping_at(after.mappings, asked.address)
    same = after.process.start_time == asked.before.process.start_time
    if now is None or not same or not steady(read, asked.chosen, after.mappings, asked.address, asked.memory):
        raise _changed(asked)
    return now


def _changed(asked: _Asked) -> NotExtracted:
    return NotExtracted(asked.what, "the mapping or its file changed while it was read: ask again")
