"""One process, asked and answered: read, decide, read again, until nothing changed in between."""

import os
import time

from mapsd.errors import AccessDenied, MapsdError, ParseError, ProcessGone, UsageError
from mapsd.light import NamedTuple
from mapsd.linux.bpf.iterator import VmFileIterator
from mapsd.linux.buildid import LiveBuildIds
from mapsd.linux.machine import LiveMachine
from mapsd.linux.pageframes import LivePageFrames
from mapsd.linux.procfs import ProcFs
from mapsd.linux.vmfiles import LiveVmFiles
from mapsd.model import Answer, FileFacts, ProcessAnswer, ProcessFacts, Skipped, Vma
from mapsd.parse import maps, mountinfo, stat
from mapsd.resolve.means import PROOFS, Means
from mapsd.resolve.mounts import MountTable
from mapsd.resolve.scene import Scene
from mapsd.resolve.vma import Resolver

ATTEMPTS = 5
_EXITING = 0x4  # PF_EXITING, include/linux/sched.h
_UNSTEADY = "the process's mappings, mounts or root changed each time they were read"


class _Reading(NamedTuple):
    """What must be the same before and after the questions."""

    start_time: int
    mountinfo: bytes
    root: bytes | None
    namespace: bytes | None
    exe: bytes | None


def lookup(pid: int, proof: str = "auto") -> ProcessAnswer:
    """Return every mapping of a process: user path, backing file, state and proof.

    *proof* is one of PROOFS: "auto" asks the cheapest means that is sufficient, "lookup" none, and the name of a
    means asks that one wherever it applies. Raises ProcessGone (no such process, or it exited meanwhile), AccessDenied
    (maps may not be read; *needs* names the capability), ParseError (a text in a form nobody knows) and UsageError (no
    such proof).
    """
    if proof not in PROOFS:
        raise UsageError(f"no such proof: {proof!r} (one of {', '.join(PROOFS)})")
    iterator = VmFileIterator()
    try:
        return _lookup(pid, _Asking(proof, iterator))
    finally:
        iterator.close()


class _Asking(NamedTuple):
    """What may be asked beyond names, and what is loaded once for it."""

    proof: str
    iterator: VmFileIterator


def _lookup(pid: int, asking: _Asking) -> ProcessAnswer:
    process = ProcFs(pid)
    try:
        line = process.stat()
        answering = _living_thread(process, line)
        if answering is not None:
            process.close()
            process = ProcFs(pid, answering)
        return _observe(process, line, asking)
    finally:
        process.close()


def _living_thread(process: ProcFs, line: stat.Stat) -> int | None:
    """Return a thread to ask where the leader has exited, None where the leader answers."""
    if line.state not in "ZX":
        return None
    for thread in process.threads():
        if thread == process.pid:
            continue
        try:
            if stat.parse(process.text(f"task/{thread}/stat")).state not in "ZX":
                return thread
        except ProcessGone:
            continue
    return None


def _read(process: ProcFs) -> _Reading:
    return _Reading(process.stat().start_time, process.mountinfo(), process.target("root"), process.target("ns/mnt"),
                    process.target("exe"))


def _observe(process: ProcFs, line: stat.Stat, asking: _Asking) -> ProcessAnswer:
    known: dict[Vma, Answer] = {}
    memory = _Memory(process)
    try:
        before, vmas = _read(process), memory.vmas()
        if vmas and not before.mountinfo and process.stat().flags & _EXITING:
            # A dying process leaves its mount namespace before its memory is gone; a chrooted one may see no mount.
            raise ProcessGone(process.pid, seen=True)
        for _ in range(ATTEMPTS):
            known.update(_answers(process, before, [vma for vma in vmas if vma not in known], asking))
            after, again = _read(process), memory.vmas()
            if memory.gone:
                known.clear()
                memory.renew()
                before, vmas = _read(process), memory.vmas()
                continue
            if after == before and all(vma in known for vma in again if maps.kind_of(vma) == "file"):
                return _answer(process, line, before, tuple(known.get(vma) or Answer(vma, maps.kind_of(vma))
                                                            for vma in again))
            if after != before:
                known.clear()
            before, vmas = after, again
        return _answer(process, line, before, tuple(known.get(vma) or _unsteady(vma) for vma in vmas))
    finally:
        memory.close()


class _Memory:
    """The maps of one program that a process runs: an open maps stays with the memory that the process had then.

    So two readings are of one program, even where the process executes others in between and comes back to the first.
    """

    def __init__(self, process: ProcFs) -> None:
        self._process, self._had, self.gone = process, False, False
        self._fd = process.opened_maps()

    def close(self) -> None:
        os.close(self._fd)

    def renew(self) -> None:
        """Turn to the memory that the process has now."""
        renewed = self._process.opened_maps()
        os.close(self._fd)
        self._fd, self._had, self.gone = renewed, False, False

    def vmas(self) -> list[Vma]:
        """Return the mappings, none where the memory is *gone* or the process has none."""
        for _ in range(ATTEMPTS):
            text = self._process.reread(self._fd)
            self.gone = self._had and not text
            self._had = self._had or bool(text)
            try:
                return maps.parse(text)
            except ParseError as error:
                torn = error
        raise torn


def _unsteady(vma: Vma) -> Answer:
    kind = maps.kind_of(vma)
    return Answer(vma, kind, state="unknown", reason=_UNSTEADY) if kind == "file" else Answer(vma, kind)


def _answers(process: ProcFs, reading: _Reading, vmas: list[Vma], asking: _Asking) -> dict[Vma, Answer]:
    machine = LiveMachine(process)
    build_ids = LiveBuildIds(machine, process.open_maps)
    try:
        top = process.named(b"/") if vmas else None
        scene = Scene(process.path, process, machine, MountTable(mountinfo.parse(reading.mountinfo)),
                      MountTable(machine.mounts()), reading.root, top.mount_id if isinstance(top, FileFacts) else None,
                      _started(reading.start_time), _namespace(reading.namespace))
        means = Means(LivePageFrames(machine), build_ids, LiveVmFiles(machine, asking.iterator), asking.proof)
        resolver = Resolver(scene, means)
        answers = ((vma, resolver.answer(vma)) for vma in vmas)
        return {vma: answer for vma, answer in answers if answer is not None}
    finally:
        build_ids.close()
        machine.close()


def _started(ticks: int) -> int:
    """Return a start time of stat as nanoseconds since the epoch (clock ticks since boot, proc_pid_stat(5))."""
    boot = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return boot + ticks * 10**9 // os.sysconf("SC_CLK_TCK")


def _answer(process: ProcFs, line: stat.Stat, reading: _Reading, answers: tuple[Answer, ...]) -> ProcessAnswer:
    skipped = []
    if answers and reading.root is None:
        skipped.append(Skipped("root", "permission denied", "CAP_SYS_PTRACE"))
    facts = ProcessFacts(process.pid, line.start_time, line.name, stat.real_uid(process.text("status")), reading.exe,
                         _namespace(reading.namespace), reading.root)
    return ProcessAnswer(facts, os.uname().release, _shows(answers), time.time(), answers, tuple(skipped))


def _namespace(link: bytes | None) -> int | None:
    return int(link[5:-1]) if link is not None and link.startswith(b"mnt:[") else None


def _shows(answers: tuple[Answer, ...]) -> str | None:
    """Return what the kernel's device and inode mean for an overlay, from the mappings at hand."""
    overlaid = [answer for answer in answers if answer.mount is not None and answer.mount.fs_type == b"overlay"]
    if any(answer.mount is not None and answer.vma.device == answer.mount.device for answer in overlaid):
        return "overlay-inode"
    # A nested overlay's file may show the inner overlay's device, which says nothing here.
    return "backing-inode" if any(answer.proof == "kernel-inode" for answer in overlaid) else None


__all__ = ["PROOFS", "AccessDenied", "MapsdError", "ProcessGone", "lookup"]
