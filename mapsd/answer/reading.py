"""One process as it is read: what must not change while it is asked about, and what the rules know of it."""

import os
import time

from mapsd.errors import ParseError, ProcessGone
from mapsd.light import TYPE_CHECKING, NamedTuple, Sequence
from mapsd.linux.bpf.iterator import VmFileIterator
from mapsd.linux.machine import LiveMachine
from mapsd.linux.procfs import ProcFs
from mapsd.model import HERE, FileFacts, Host, ProcessFacts, Skipped, Vma
from mapsd.parse import maps, mountinfo, stat
from mapsd.resolve.mounts import MountTable
from mapsd.resolve.scene import Scene

if TYPE_CHECKING:
    from mapsd.answer.kept import Kept, Text

ATTEMPTS = 5
_EXITING = 0x4  # PF_EXITING, include/linux/sched.h


class Asking(NamedTuple):
    """What may be asked beyond names (one of PROOFS), what is loaded once for it, and of which machine.

    *kept* are answers of before, which are used where they still hold; None: every answer is asked for anew. Evidence
    names page frames where they are *numbered*.
    """

    proof: str
    iterator: VmFileIterator
    host: Host = HERE
    kept: "Kept | None" = None
    numbered: bool = True


class Reading(NamedTuple):
    """What must be the same before and after the questions."""

    start_time: int
    mountinfo: bytes
    root: bytes | None
    namespace: bytes | None
    exe: bytes | None


def read(process: ProcFs) -> Reading:
    """Return what a process is now. Raises ProcessGone, AccessDenied, ParseError."""
    return Reading(process.stat().start_time, process.mountinfo(), process.target("root"), process.target("ns/mnt"),
                   process.target("exe"))


def demand_alive(process: ProcFs, reading: Reading) -> None:
    """Raise ProcessGone where a process that has memory is dying."""
    if not reading.mountinfo and process.stat().flags & _EXITING:
        # A dying process leaves its mount namespace before its memory is gone; a chrooted one may see no mount.
        raise ProcessGone(process.pid, seen=True)


def scene(process: ProcFs, reading: Reading, machine: LiveMachine, *, mapped: bool = True) -> Scene:
    """Return what the rules know of a process; its root is only looked at where something is *mapped*."""
    top = process.named(b"/") if mapped else None
    return Scene(process.path, process, machine, MountTable(mountinfo.parse(reading.mountinfo)),
                 MountTable(machine.mounts()), reading.root, top.mount_id if isinstance(top, FileFacts) else None,
                 _started(reading.start_time), _namespace(reading.namespace))


def facts(process: ProcFs, line: stat.Stat, reading: Reading) -> ProcessFacts:
    """Return who the process is. Raises ProcessGone, AccessDenied."""
    return ProcessFacts(process.pid, line.start_time, line.name, stat.real_uid(process.text("status")), reading.exe,
                        _namespace(reading.namespace), reading.root)


def skipped(reading: Reading) -> tuple[Skipped, ...]:
    """Return what could not be read of a process."""
    return (Skipped("root", "permission denied", "CAP_SYS_PTRACE"),) if reading.root is None else ()


def _started(ticks: int) -> int:
    """Return a start time of stat as nanoseconds since the epoch (clock ticks since boot, proc_pid_stat(5))."""
    boot = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return boot + ticks * 10**9 // os.sysconf("SC_CLK_TCK")


def _namespace(link: bytes | None) -> int | None:
    return int(link[5:-1]) if link is not None and link.startswith(b"mnt:[") else None


class Memory:
    """The maps of one program that a process runs: an open maps stays with the memory that the process had then.

    So two readings are of one program, even where the process executes others in between and comes back to the first.
    """

    def __init__(self, process: ProcFs, addresses: Sequence[int] | None = None, before: "Text | None" = None) -> None:
        """Open the maps of a process, of which only what holds *addresses* is wanted (None: all).

        *before* is a text that was read before, with its mappings: it need not be parsed again. Raises ProcessGone,
        AccessDenied.
        """
        self._process, self._addresses, self._had, self.gone = process, addresses, False, False
        self._fd = process.opened_maps()
        self.text: Text = before if before is not None and addresses is None else (b"", [])

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    def renew(self) -> None:
        """Turn to the memory that the process has now."""
        renewed = self._process.opened_maps()
        os.close(self._fd)
        self._fd, self._had, self.gone = renewed, False, False

    def vmas(self) -> list[Vma]:
        """Return the wanted mappings, none where the memory is *gone* or the process has none."""
        for _ in range(ATTEMPTS):
            text = self._process.reread(self._fd)
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
