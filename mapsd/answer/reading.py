"""One process as it is read: what must not change while it is asked about, and what the rules know of it."""

from mapsd.errors import AccessDenied, ParseError, ProcessGone
from mapsd.light import TYPE_CHECKING, NamedTuple, Sequence
from mapsd.model import FileFacts, ProcessFacts, Refused, Skipped, Vma
from mapsd.parse import maps, mountinfo, stat
from mapsd.resolve.mounts import MountTable
from mapsd.resolve.scene import Scene

if TYPE_CHECKING:
    from typing import TypeVar

    from mapsd.answer.kept import Kept, Text
    from mapsd.light import Callable
    from mapsd.ports import Machine, Process
    from mapsd.sources import Observed, Source, Texts

    _Found = TypeVar("_Found")

ATTEMPTS = 5


class Asking(NamedTuple):
    """What may be asked beyond names (one of PROOFS), and whom.

    *kept* are answers of before, which are used where they still hold; None: every answer is asked for anew.
    """

    proof: str
    source: "Source"
    kept: "Kept | None" = None


class Reading(NamedTuple):
    """What must be the same before and after the questions."""

    start_time: int
    mountinfo: bytes
    root: bytes | None
    namespace: bytes | None
    exe: bytes | None


def read(process: "Texts") -> Reading:
    """Return what a process is now. Raises ProcessGone, AccessDenied, ParseError."""
    return Reading(process.stat().start_time, process.mountinfo(), process.target("root"), process.target("ns/mnt"),
                   process.target("exe"))


def demand_alive(process: "Texts", reading: Reading) -> None:
    """Raise ProcessGone where a process that has memory is dying."""
    if not reading.mountinfo and process.stat().exiting:
        # A dying process leaves its mount namespace before its memory is gone; a chrooted one may see no mount.
        raise ProcessGone(process.pid, seen=True)


def demand_root(process: "Texts", reading: Reading) -> None:
    """Raise AccessDenied where the root of a process may not be looked at."""
    root = process.named(b"/")
    if not isinstance(root, Refused):
        return
    served = any(mount.mount_point == b"/" and mount.fs_type.startswith(b"fuse")
                 for mount in mountinfo.parse(reading.mountinfo))
    # No capability helps there: fuse_allow_current_process(), fs/fuse/dir.c.
    needs = "allow_other of its server" if served else root.needs or "CAP_SYS_PTRACE"
    raise AccessDenied(f"{process.pid}: root", needs)


def steadily(process: "Texts", ask: "Callable[[Reading], _Found]") -> "tuple[_Found, bool]":
    """Return what is asked of a process, and whether the process stayed what it was while that was asked.

    It is asked again where it did not, a few times. Raises ProcessGone, AccessDenied, ParseError and what *ask* raises.
    """
    before = read(process)
    for _ in range(ATTEMPTS):
        demand_alive(process, before)
        found = ask(before)
        after = read(process)
        if after == before:
            return found, True
        before = after
    return found, False


def scene(seen: "Observed", reading: Reading, machine: "Machine", port: "Process | None" = None, *,
          mapped: bool = True) -> Scene:
    """Return what the rules know of a process; its root is only looked at where something is *mapped*.

    *port* answers for the process where it does not itself.
    """
    process = seen.process
    top = process.named(b"/") if mapped else None
    return Scene(process.path, port or process, machine, MountTable(mountinfo.parse(reading.mountinfo)),
                 MountTable(machine.mounts()), reading.root, top.mount_id if isinstance(top, FileFacts) else None,
                 _namespace(reading.namespace))


def facts(seen: "Observed", reading: Reading) -> ProcessFacts:
    """Return who the process is. Raises ProcessGone, AccessDenied."""
    process, line = seen.process, seen.line
    return ProcessFacts(process.pid, line.start_time, line.name, stat.real_uid(process.text("status")), reading.exe,
                        _namespace(reading.namespace), reading.root)


def skipped(reading: Reading) -> tuple[Skipped, ...]:
    """Return what could not be read of a process."""
    return (Skipped("root", "permission denied", "CAP_SYS_PTRACE"),) if reading.root is None else ()


def _namespace(link: bytes | None) -> int | None:
    number = link[5:-1] if link is not None and link.startswith(b"mnt:[") else b""
    return int(number) if number.isdigit() else None


class Memory:
    """The maps of one program that a process runs: an open maps stays with the memory that the process had then.

    So two readings are of one program, even where the process executes others in between and comes back to the first.
    """

    def __init__(self, seen: "Observed", addresses: Sequence[int] | None = None, before: "Text | None" = None) -> None:
        """Open the maps of a process, of which only what holds *addresses* is wanted (None: all).

        *before* is a text that was read before, with its mappings: it need not be parsed again. Raises ProcessGone,
        AccessDenied.
        """
        self._seen, self._addresses, self._had, self.gone = seen, addresses, False, False
        self._maps = seen.maps()
        self.text: Text = before if before is not None and addresses is None else (b"", [])

    def close(self) -> None:
        """Give the descriptor back."""
        self._maps.close()

    def renew(self) -> None:
        """Turn to the memory that the process has now."""
        renewed = self._seen.maps()
        self._maps.close()
        self._maps, self._had, self.gone = renewed, False, False

    def vmas(self) -> list[Vma]:
        """Return the wanted mappings, none where the memory is *gone* or the process has none."""
        for _ in range(ATTEMPTS):
            text = self._maps.read()
            self.gone = self._had and not text
            self._had = self._had or bool(text)
            if text == self.text[0]:
                return self.text[1]
            try:
                vmas = maps.parse(text)
            except ParseError as error:
                torn = error
                continue
            self.text = text, vmas if self._addresses is None else _holding(vmas, self._addresses)
            return self.text[1]
        raise torn


def _holding(vmas: list[Vma], addresses: Sequence[int]) -> list[Vma]:
    from mapsd.answer.located import holding  # noqa: PLC0415  (most questions are about every mapping)
    return holding(vmas, addresses)
