"""The iterator that says all that the kernel knows of a mapping's file: its layer and its names."""

from mapsd.linux.bpf.program import PAGE, Program
from mapsd.linux.ownoverlay import Own
from mapsd.model import Refused, Vma
from mapsd.model.held import Held
from mapsd.parse import held, same


class Records:
    """What one reading of a process gave; a record is decoded when it is asked for. Raises ParseError."""

    def __init__(self, data: bytes) -> None:
        """Index the records."""
        self._data = data
        self._places = {start: (first, end) for start, first, end in held.records(data)}

    def at(self, start: int) -> Held | None:
        """Return what the mapping that starts at this address holds, None where no file is mapped there."""
        if start not in self._places:
            return None
        first, end = self._places[start]
        return held.parse(self._data[first:end], PAGE)

    def mark(self, vma: Vma) -> Held | None:
        """Return what at() returns, None where it is of another line of maps."""
        one = self.at(vma.start)
        return one if one is not None and same.is_at(one, vma) else None


class HeldProgram(Program):
    """The program of held.bpf.c."""

    name = "held"

    def of(self, pid: int) -> Records | Refused:
        """Return what every file mapping of a process holds; raises as text() does."""
        data = self.text(pid)
        return data if isinstance(data, Refused) else Records(data)

    def _records(self, data: bytes) -> Records:
        return Records(data)

    def _wrong(self, own: Own, data: bytes) -> str:
        seen = Records(data)
        before, after, lower, upper = (seen.at(address) for address in own)
        if before is None or after is None or lower is None or upper is None:
            return "mappings of an overlay are missing"
        if lower.layer or upper.layer or before.layer is None or after.layer is None:
            return "it does not tell an overlay's files from others"
        if (before.key, after.key) != (lower.key, upper.key) or lower.key == upper.key or before.inode != lower.inode:
            return "it names other files than an overlay of our own holds"
        layers = before.layer, after.layer
        if [(layer.file.path, layer.read_only) for layer in layers] != [(b"/file", True), (b"/file", False)]:
            return "it names other paths than an overlay of our own has"
        if {layer.position for layer in layers} != {None} and [layer.position for layer in layers] != [1, 0]:
            return "it numbers the layers of an overlay of our own otherwise"
        return ""
