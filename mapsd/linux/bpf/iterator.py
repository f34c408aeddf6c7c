"""The iterator over vm_file: loaded when the first question comes, and tested before it is believed."""

import errno
import os

from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING, Iterator
from mapsd.linux import capabilities
from mapsd.linux.files import opened, unless_exhausted
from mapsd.model import Held, Refused
from mapsd.parse import held, maps

if TYPE_CHECKING:
    from mapsd.linux.ownoverlay import Own

PAGE = os.sysconf("SC_PAGE_SIZE")
BYTES_READ = 1 << 28


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


class VmFileIterator:
    """The loaded program; close() gives it back."""

    def __init__(self) -> None:
        """Load nothing yet."""
        self._program: int | None = None
        self.refused: Refused | None = None

    def close(self) -> None:
        """Give the program back."""
        if self._program is not None:
            os.close(self._program)
            self._program = None

    def of(self, pid: int) -> "Records | Refused":
        """Return what every file mapping of a process holds.

        Raises OSError where the process is gone, and ParseError.
        """
        if self._program is None and self.refused is None:
            self._load()
        return self.refused or self._read(pid)

    def _load(self) -> None:
        from mapsd.linux.bpf import skeleton  # noqa: PLC0415  (most lookups load nothing)
        try:
            self._program = skeleton.load(skeleton.read("held"))
        except OSError as error:
            unless_exhausted(error)
            # Without CAP_PERFMON the verifier knows no helper that reads kernel memory, and says EINVAL.
            needs = ",".join(capabilities.own().lacks("CAP_BPF", "CAP_PERFMON"))
            self.refused = Refused(f"the BPF iterator cannot be loaded: {error.strerror}", needs)
            return
        reason = _own_pid_is_wrong() or self._fails()
        if reason:
            self.close()
            self.refused = Refused(f"the BPF iterator failed its test: {reason}")

    def _read(self, pid: int) -> "Records":
        if self._program is None:
            return Records(b"")
        from mapsd.linux.bpf import bpf  # noqa: PLC0415
        with opened(bpf.link_create(self._program, pid)) as link, opened(bpf.iter_create(link)) as fd:
            return Records(b"".join(_chunks(fd)))

    def _fails(self) -> str:
        """Return what is wrong with the program on this kernel: on an overlay of our own, else on our own mappings."""
        from mapsd.linux import ownoverlay  # noqa: PLC0415
        try:
            own = ownoverlay.made()
        except OSError:
            return self._fails_on_known()
        try:
            return _wrong(own, self._read(os.getpid()))
        except ParseError as error:
            return error.reason
        finally:
            ownoverlay.forget(own)

    def _fails_on_known(self) -> str:
        with open("/proc/self/maps", "rb") as file:
            known = {vma.start: vma for vma in maps.parse(file.read()) if maps.kind_of(vma) == "file"}
        records = self._read(os.getpid())
        seen = [one for one in map(records.at, known) if one is not None]
        wrong = [one for one in seen if (one.user_device, one.user_inode) != known[one.start][4:6]]
        return "" if seen and not wrong else "it names other files than maps does"


def _chunks(fd: int) -> Iterator[bytes]:
    left = BYTES_READ
    while left > 0:
        try:
            chunk = os.read(fd, 1 << 17)
        except BlockingIOError:
            # The kernel stops after a million mappings without output, and goes on when asked again.
            continue
        if not chunk:
            return
        left -= len(chunk)
        yield chunk
    raise OSError(errno.EFBIG, "the iterator does not end")


def _own_pid_is_wrong() -> str:
    try:
        same = os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        same = False
    return "" if same else "/proc numbers processes in another pid namespace than ours"


def _wrong(own: "Own", seen: Records) -> str:
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
