"""The iterator that only tells one file from another: what a comparison asks."""

from mapsd.linux.bpf.program import OTHERWISE, PAGE, Program, printed
from mapsd.linux.ownoverlay import Own
from mapsd.model import Refused, Vma
from mapsd.parse import same
from mapsd.parse.same import Identity


class Identities:
    """What one reading of a process gave. Raises ParseError."""

    def __init__(self, data: bytes) -> None:
        """Index the records."""
        self._records = {record[0]: record for record in same.records(data)}

    def at(self, start: int) -> Identity | None:
        """Return which file the mapping that starts at this address holds, None where no file is mapped there."""
        record = self._records.get(start)
        return same.identity(record, PAGE) if record is not None else None

    def mark(self, vma: Vma) -> tuple[int, ...] | None:
        """Return what at() makes an Identity of, to be compared only, None where it is of another line of maps."""
        record = self._records.get(vma.start)
        return record if record is not None and same.is_of(record, vma, PAGE) else None


class SameProgram(Program):
    """The program of same.bpf.c."""

    name = "same"

    def of(self, pid: int) -> Identities | Refused:
        """Return which file every file mapping of a process holds; raises as text() does."""
        data = self.text(pid)
        return data if isinstance(data, Refused) else Identities(data)

    def _records(self, data: bytes) -> Identities:
        return Identities(data)

    def _wrong(self, own: Own, data: bytes) -> str:
        seen = Identities(data)
        before, after, lower, upper = (seen.at(address) for address in own)
        if before is None or after is None or lower is None or upper is None:
            return "mappings of an overlay are missing"
        if any((one.device, one.inode) != (one.user_device, one.user_inode) for one in (lower, upper)):
            return "it does not tell an overlay's files from others"
        if (before[3:6], after[3:6]) != (lower[3:6], upper[3:6]) or lower.key == upper.key:
            return "it names other files than an overlay of our own holds"
        lines = printed(*(b"%08x-" % address for address in own))
        named = [(one.user_device, one.user_inode) for one in (before, after, lower, upper)]
        return "" if named == [lines[address][4:6] for address in own if address in lines] else OTHERWISE
