"""One process, asked and answered: read, decide, read again, until nothing changed in between."""

import os
import time

from mapsd.errors import AccessDenied, MapsdError, ParseError, ProcessGone
from mapsd.light import NamedTuple
from mapsd.linux.machine import LiveMachine
from mapsd.linux.pageframes import LivePageFrames
from mapsd.linux.procfs import ProcFs
from mapsd.model import Answer, FileFacts, ProcessAnswer, ProcessFacts, Skipped, Vma
from mapsd.parse import maps, mountinfo, stat
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


def lookup(pid: int) -> ProcessAnswer:
    """Return every mapping of a process: user path, backing file, state and proof.

    Raises ProcessGone (no such process, or it exited meanwhile), AccessDenied (maps may not be
    read; *needs* names the capability) and ParseError (a text in a form nobody knows).
    """
    process = ProcFs(pid)
    try:
        line = process.stat()
        answering = _living_thread(process, line)
        if answering is not None:
            process.close()
            process = ProcFs(pid, answering)
        return _observe(process, line)
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


def _observe(process: ProcFs, line: stat.Stat) -> ProcessAnswer:
    known: dict[Vma, Answer] = {}
    before, vmas = _read(process), _maps(process)
    if vmas and not before.mountinfo and process.stat().flags & _EXITING:
        # A dying process leaves its mount namespace before its memory is gone; a chrooted one may see no mount either.
        raise ProcessGone(process.pid, seen=True)
    for _ in range(ATTEMPTS):
        known.update(_answers(process, before, [vma for vma in vmas if vma not in known]))
        after, again = _read(process), _maps(process)
        if after == before and all(vma in known for vma in again if maps.kind_of(vma) == "file"):
            return _answer(process, line, before, tuple(known.get(vma) or Answer(vma, maps.kind_of(vma))
                                                        for vma in again))
        if after != before:
            known.clear()
        before, vmas = after, again
    return _answer(process, line, before, tuple(known.get(vma) or _unsteady(vma) for vma in vmas))


def _maps(process: ProcFs) -> list[Vma]:
    for _ in range(ATTEMPTS):
        try:
            return maps.parse(process.text("maps"))
        except ParseError as error:
            torn = error
    raise torn


def _unsteady(vma: Vma) -> Answer:
    kind = maps.kind_of(vma)
    return Answer(vma, kind, state="unknown", reason=_UNSTEADY) if kind == "file" else Answer(vma, kind)


def _answers(process: ProcFs, reading: _Reading, vmas: list[Vma]) -> dict[Vma, Answer]:
    machine = LiveMachine(process)
    try:
        top = process.named(b"/") if vmas else None
        scene = Scene(process.path, process, machine, MountTable(mountinfo.parse(reading.mountinfo)),
                      MountTable(machine.mounts()), reading.root, top.mount_id if isinstance(top, FileFacts) else None,
                      _started(reading.start_time))
        resolver = Resolver(scene, LivePageFrames(machine))
        answers = ((vma, resolver.answer(vma)) for vma in vmas)
        return {vma: answer for vma, answer in answers if answer is not None}
    finally:
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


__all__ = ["AccessDenied", "MapsdError", "ProcessGone", "lookup"]
