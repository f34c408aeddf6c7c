"""The overlays that a process sees: read, decide, read again, until nothing changed in between."""

from mapsd.answer.reading import Reading, facts, scene, skipped, steadily
from mapsd.light import TYPE_CHECKING
from mapsd.model import Skipped
from mapsd.model.layers import ProcessLayers
from mapsd.parse import mountinfo
from mapsd.resolve.layout import Asking, overlays

if TYPE_CHECKING:
    from mapsd.sources import Observed, Source

# Servers that merge directories outside the kernel, as mountinfo names their type.
UNIONS = (b"fuse.fuse-overlayfs", b"fuse.mergerfs", b"fuse.unionfs", b"fuse.unionfs-fuse", b"fuse.mhddfs")
_UNSTEADY = Skipped("mounts", "the process's mounts or root changed each time they were read", "")


def layers(pid: int, thread: int | None, source: "Source") -> ProcessLayers:
    """Return the overlays that a process sees, as its leader or *thread* sees them, and their layers.

    Raises ProcessGone, AccessDenied, NoHost, ParseError.
    """
    seen = source(pid, thread)
    try:
        return _layers(seen)
    finally:
        seen.close()


def _layers(seen: "Observed") -> ProcessLayers:
    found, steady = steadily(seen.process, lambda reading: _answer(seen, reading))
    return found if steady else found._replace(skipped=(*found.skipped, _UNSTEADY))


def _answer(seen: "Observed", reading: Reading) -> ProcessLayers:
    attempt = seen.attempt()
    try:
        machine = attempt.machine
        found = overlays(scene(seen, reading, machine), Asking(machine.listed, machine.parameters()))
    finally:
        attempt.close()
    unions = tuple(mount for mount in mountinfo.parse(reading.mountinfo) if mount.fs_type in UNIONS)
    return ProcessLayers(facts(seen, reading), seen.release(), seen.now(), found, unions, skipped(reading))
