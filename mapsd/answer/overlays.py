"""The overlays that a process sees: read, decide, read again, until nothing changed in between."""

import os
import time

from mapsd.answer.reading import ATTEMPTS, Reading, demand_alive, facts, read, scene, skipped
from mapsd.linux.machine import LiveMachine
from mapsd.linux.overlaymodule import defaults, lister
from mapsd.linux.procfs import ProcFs
from mapsd.linux.threads import answering
from mapsd.model import HERE, Host, Skipped
from mapsd.model.layers import ProcessLayers
from mapsd.parse import mountinfo, stat
from mapsd.resolve.layout import Asking, overlays

# Servers that merge directories outside the kernel, as mountinfo names their type.
UNIONS = (b"fuse.fuse-overlayfs", b"fuse.mergerfs", b"fuse.unionfs", b"fuse.unionfs-fuse", b"fuse.mhddfs")
_UNSTEADY = Skipped("mounts", "the process's mounts or root changed each time they were read", "")


def layers(pid: int, thread: int | None = None, host: Host = HERE) -> ProcessLayers:
    """Return the overlays that a process sees, as its leader or *thread* sees them, and their layers.

    Raises ProcessGone, AccessDenied, NoHost, ParseError.
    """
    process, line = answering(pid, thread, host)
    try:
        return _layers(process, line)
    finally:
        process.close()


def _layers(process: ProcFs, line: stat.Stat) -> ProcessLayers:
    before = read(process)
    for _ in range(ATTEMPTS):
        demand_alive(process, before)
        found = _answer(process, line, before)
        after = read(process)
        if after == before:
            return found
        before = after
    return found._replace(skipped=(*found.skipped, _UNSTEADY))


def _answer(process: ProcFs, line: stat.Stat, reading: Reading) -> ProcessLayers:
    machine = LiveMachine(process)
    try:
        seen = scene(process, reading, machine)
        found = overlays(seen, Asking(lister(machine), defaults(machine)))
    finally:
        machine.close()
    unions = tuple(mount for mount in mountinfo.parse(reading.mountinfo) if mount.fs_type in UNIONS)
    return ProcessLayers(facts(process, line, reading), os.uname().release, time.time(), found, unions,
                         skipped(reading))
