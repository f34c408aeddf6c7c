"""One process of a live machine, with all that answers ask about it."""

import os
import time

from mapsd.light import TYPE_CHECKING
from mapsd.linux.bpf.iterator import VmFileIterator
from mapsd.linux.buildid import LiveBuildIds
from mapsd.linux.machine import LiveMachine
from mapsd.linux.pageframes import LivePageFrames
from mapsd.linux.procfs import ProcFs
from mapsd.linux.threads import answering
from mapsd.linux.vmfiles import LiveVmFiles
from mapsd.model import HERE, Host

if TYPE_CHECKING:
    from mapsd.linux.beside import LiveBeside
    from mapsd.linux.descriptors import Descriptors
    from mapsd.linux.remapped import OpenMachine
    from mapsd.linux.tree import Files
    from mapsd.model import Absent, ProcessFacts, Refused, Vma
    from mapsd.model.layers import Way


class Live:
    """Opens processes of a machine."""

    def __init__(self, host: Host = HERE, *, numbered: bool = True) -> None:
        """Ask about the processes of *host*; evidence names page frames where they are *numbered*."""
        self.host, self.iterator, self.numbered = host, VmFileIterator(), numbered

    def is_beside_us(self, process: "ProcessFacts") -> bool:
        """Return whether a process, or the thread that answered, has our own root, mount and pid namespace."""
        if self.host != HERE or process.root != b"/":
            return False
        try:
            # A thread may have a mount namespace of its own, which its process's link does not name.
            return os.readlink("/proc/self/ns/mnt") == f"mnt:[{process.mount_namespace}]" and (
                os.readlink("/proc/self/ns/pid") == os.readlink(f"/proc/{process.pid}/ns/pid"))
        except OSError:
            return False

    def __call__(self, pid: int, thread: int | None = None) -> "LiveProcess":
        """Return a process, or *thread* of it. Raises ProcessGone, AccessDenied, NoHost, ParseError."""
        return LiveProcess(pid, thread, self)

    def beside(self) -> "LiveBeside":
        """Return what is asked of the machine, not of a process; close() it. Raises NoHost."""
        from mapsd.linux.beside import LiveBeside  # noqa: PLC0415  (a lookup needs none)
        return LiveBeside(self.host)


class LiveProcess:
    """One process; close() gives every descriptor back."""

    def __init__(self, pid: int, thread: int | None, machine: Live) -> None:
        """Open its directory in /proc. Raises ProcessGone, AccessDenied, NoHost, ParseError."""
        self.process, self.line = answering(pid, thread, machine.host)
        self._iterator, self._numbered = machine.iterator, machine.numbered
        self._open: Descriptors | None = None

    def close(self) -> None:
        """Give the descriptors back."""
        if self._open is not None:
            self._open.release()
        self.process.close()

    def maps(self) -> "LiveMaps":
        """Return its maps. Raises ProcessGone, AccessDenied."""
        return LiveMaps(self.process)

    def attempt(self) -> "LiveAttempt":
        """Return what is asked about its mappings. Raises ProcessGone, NoHost."""
        return LiveAttempt(self.process, self._iterator, numbered=self._numbered)

    def open(self) -> "Descriptors":
        """Return what it has open."""
        if self._open is None:
            from mapsd.linux.descriptors import Descriptors  # noqa: PLC0415  (a lookup needs none)
            self._open = Descriptors(self.process)
        return self._open

    def open_attempt(self) -> "LiveOpenAttempt":
        """Return what is asked about what open() holds. Raises ProcessGone, NoHost."""
        from mapsd.linux.remapped import OpenMachine  # noqa: PLC0415  (a lookup needs none)
        return LiveOpenAttempt(OpenMachine(self.process, self.open()), self._iterator, numbered=self._numbered)

    def walk(self, path: bytes) -> "Way":
        """Return where an absolute name leads inside its root. Raises ProcessGone, AccessDenied."""
        from mapsd.linux.walk import walk  # noqa: PLC0415  (a lookup needs none)
        return walk(self.process, path)

    def root(self, *, ours: bool, alone: bool) -> "Files | Absent | Refused":
        """Return the files below its root, or on its mount *alone*; *ours* says that it is our own root.

        Raises ProcessGone, AccessDenied, NoHost, ParseError.
        """
        from mapsd.linux.processroot import root  # noqa: PLC0415  (a lookup needs none)
        return root(self.process, ours=ours, alone=alone)

    def release(self) -> str:
        """Return the kernel's release."""
        return os.uname().release

    def now(self) -> float:
        """Return the time in seconds since the epoch."""
        return time.time()


class LiveMaps:
    """The maps of one program that a process runs."""

    def __init__(self, process: ProcFs) -> None:
        """Open them. Raises ProcessGone, AccessDenied."""
        self._process, self._fd = process, process.opened_maps()

    def read(self) -> bytes:
        """Return the text, empty where that memory is gone. Raises ProcessGone, AccessDenied."""
        return self._process.reread(self._fd)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)


class LiveAttempt:
    """What the rules ask about mappings, for one reading of the process."""

    def __init__(self, process: ProcFs, iterator: VmFileIterator, *, numbered: bool) -> None:
        """Look at the machine that *process* runs on. Raises ProcessGone, NoHost."""
        self.machine = LiveMachine(process)
        self.vm_files = LiveVmFiles(self.machine, iterator)
        self.build_ids = LiveBuildIds(self.machine, process.open_maps)
        self.frames = LivePageFrames(self.machine, keep=True, numbered=numbered)
        self._beside: LiveBeside | None = None

    def beside(self) -> "LiveBeside":
        """Return what is asked of the machine beside the process."""
        if self._beside is None:
            from mapsd.linux.beside import LiveBeside  # noqa: PLC0415  (a lookup needs none)
            self._beside = LiveBeside(self.machine.process.host)
        return self._beside

    def close(self) -> None:
        """Give the descriptors back."""
        if self._beside is not None:
            self._beside.close()
        self.frames.close()
        self.build_ids.close()
        self.machine.close()


class LiveOpenAttempt:
    """What the rules ask about what is held, for one reading of the process."""

    def __init__(self, machine: "OpenMachine", iterator: VmFileIterator, *, numbered: bool) -> None:
        """Ask about what *machine* holds, and close it in the end."""
        from mapsd.linux.remapped import Remapped, RemappedVmFiles  # noqa: PLC0415  (a lookup needs none)
        self.machine = machine
        self.frames = Remapped(machine, iterator, numbered=numbered)
        self.vm_files = RemappedVmFiles(self.frames)

    def printed(self) -> "Vma | Refused":
        """Return what our own maps say of a mapping of what is held."""
        return self.frames.printed()

    def forget(self) -> None:
        """Remove the mapping: something else is held from now on."""
        self.frames.forget()

    def close(self) -> None:
        """Give everything back."""
        self.frames.close()
        self.machine.close()
