"""A BPF iterator over the mappings of a process: tested before it is believed."""

import errno
import os

from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING, Iterator
from mapsd.linux import ownoverlay
from mapsd.linux.bpf import bpf, skeleton
from mapsd.linux.elsewhere.pidnamespace import numbers_as_ours
from mapsd.linux.files import opened, unless_exhausted
from mapsd.linux.ownoverlay import Own
from mapsd.model import Refused, Vma
from mapsd.parse import maps

if TYPE_CHECKING:
    from mapsd.linux.bpf.held import Records
    from mapsd.linux.bpf.same import Identities

PAGE = os.sysconf("SC_PAGE_SIZE")
BYTES_READ = 1 << 28
OTHERWISE = "it names other files than maps does"


class Program:
    """One program, loaded when the first question comes; close() gives it back."""

    name = ""

    def __init__(self) -> None:
        """Load nothing yet."""
        self._fd: int | None = None
        self.refused: Refused | None = None

    @property
    def loaded(self) -> bool:
        """Return whether it is loaded, and passed its test."""
        return self._fd is not None

    def close(self) -> None:
        """Give it back."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def text(self, pid: int) -> bytes | Refused:
        """Return what it writes of a process. Raises OSError where the process is gone, and ParseError."""
        if self._fd is None and self.refused is None:
            self._load()
        return self.refused or self._read(pid)

    def _wrong(self, own: Own, data: bytes) -> str:
        """Return what is wrong with the records of an overlay of our own. Raises ParseError."""
        raise NotImplementedError

    def _records(self, data: bytes) -> "Records | Identities":
        """Return the records by their mappings. Raises ParseError."""
        raise NotImplementedError

    def _load(self) -> None:
        try:
            self._fd = skeleton.load(skeleton.read(self.name))
        except OSError as error:
            unless_exhausted(error)
            from mapsd.linux import capabilities  # noqa: PLC0415  (only to say why)
            # Without CAP_PERFMON the verifier knows no helper that reads kernel memory, and says EINVAL.
            needs = ",".join(capabilities.own().lacks("CAP_BPF", "CAP_PERFMON"))
            self.refused = Refused(f"the BPF iterator cannot be loaded: {error.strerror}", needs)
            return
        try:
            reason = _own_pid_is_wrong() or self._fails()
        except BaseException:
            self.close()
            raise
        if reason:
            self.close()
            self.refused = Refused(f"the BPF iterator failed its test: {reason}")

    def _read(self, pid: int) -> bytes:
        if self._fd is None:
            return b""
        with opened(bpf.link_create(self._fd, pid)) as link, opened(bpf.iter_create(link)) as fd:
            return b"".join(_chunks(fd))

    def _fails(self) -> str:
        """Return what is wrong with the program on this kernel: on an overlay of our own, else on our own mappings."""
        try:
            own = ownoverlay.made()
        except OSError:
            return self._fails_on_known()
        try:
            return self._wrong(own, self._read(os.getpid()))
        except ParseError as error:
            return error.reason
        finally:
            ownoverlay.forget(own)

    def _fails_on_known(self) -> str:
        known = {start: vma for start, vma in printed(b"").items() if maps.kind_of(vma) == "file"}
        records = self._records(self._read(os.getpid()))
        seen = [one for one in map(records.at, known) if one is not None]
        wrong = [one for one in seen if (one.user_device, one.user_inode) != known[one.start][4:6]]
        return OTHERWISE if wrong or not seen else ""


def printed(*starts: bytes) -> dict[int, Vma]:
    """Return the lines of our own maps that start with one of *starts*, by their first addresses."""
    with open("/proc/self/maps", "rb") as file:
        lines = [line + b"\n" for line in file.read().split(b"\n") if line and line.startswith(starts)]
    return {vma.start: vma for vma in maps.parse(b"".join(lines))}


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
    same = numbers_as_ours(b"/proc")
    return "" if same else "/proc numbers processes in another pid namespace than ours"
