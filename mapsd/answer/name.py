"""One name of one process, asked and answered: which file it opens, and what that hides."""

from mapsd.answer.reading import ATTEMPTS, Reading, demand_alive, demand_root, facts, read, scene, skipped
from mapsd.errors import AccessDenied, UsageError
from mapsd.light import TYPE_CHECKING, Callable
from mapsd.model import Absent, Backing, Evidence, FileFacts, Found, Mount, Refused
from mapsd.model.layers import Descent, Way, Which, Winner
from mapsd.parse.overlay_xattrs import OVERLAY_FID
from mapsd.ports import InRoot
from mapsd.resolve.hostpath import host_path
from mapsd.resolve.layout import root_mount
from mapsd.resolve.mounts import inside, join
from mapsd.resolve.opened import missing, opened
from mapsd.resolve.overlays import OVERLAY, Overlay
from mapsd.resolve.scene import Place, Scene
from mapsd.resolve.vma import STACKED

if TYPE_CHECKING:
    from mapsd.sources import Observed, Source

_UNSTEADY = "the file, its name or the process's mounts changed each time they were read"


def which(pid: int, path: bytes, thread: int | None, source: "Source") -> Which:
    """Return which file an absolute *path* opens inside a process's root, as its leader or *thread* would open it.

    Raises UsageError (a path that is not absolute), ProcessGone, AccessDenied, NoHost, ParseError.
    """
    if not path.startswith(b"/"):
        raise UsageError("a path begins with /: it is looked up from the process's root")
    seen = source(pid, thread)
    try:
        return _which(seen, path)
    finally:
        seen.close()


def _which(seen: "Observed", path: bytes) -> Which:
    process = seen.process
    before = read(process)
    for _ in range(ATTEMPTS):
        demand_alive(process, before)
        found = _answer(seen, before, path)
        after, again = read(process), seen.walk(path)
        same = after == before and leads_alike(found.way, again)
        if same and is_steady(found.way, again, found.winner):
            return found
        before = after
    if same and (found.winner is None or found.winner.proof == "none"):
        return found
    winner = None if found.winner is None else Winner(None, "none", (), _UNSTEADY)
    return found._replace(winner=winner, descents=(), host_path=None, openable_path=None)


def leads_alike(one: Way, other: Way) -> bool:
    """Return whether a name that was followed twice led to one file, or ended alike."""
    if isinstance(one.found, FileFacts) and isinstance(other.found, FileFacts):
        return one.path == other.path and _known_by(one.found) == _known_by(other.found)
    return one == other


def is_steady(way: Way, again: Way, winner: Winner | None) -> bool:
    """Return whether no copy-up came in between: a lower file has another time once it is copied up."""
    one, other = way.found, again.found
    if not isinstance(one, FileFacts) or not isinstance(other, FileFacts):
        return True
    return _may_be_written(winner) or one.changed == other.changed


def _may_be_written(winner: Winner | None) -> bool:
    """Return whether another time makes no difference: the file is no layer's below an upper one."""
    return winner is not None and winner.backing is not None and winner.backing.layer_role in {"upper", None}


def _known_by(seen: FileFacts) -> tuple[object, ...]:
    return seen.kind, seen.st_dev, seen.inode, seen.mount_id, seen.handle


def _answer(observed: "Observed", reading: Reading, path: bytes) -> Which:
    attempt = observed.attempt()
    try:
        seen = scene(observed, reading, attempt.machine)
        way = _followed(observed, reading, path)
        mount, inner = lies_on(way, seen)
        here, openable = _names(way, mount, inner, seen)
        winner, descents = decided(way, mount, inner, here, seen)
    finally:
        attempt.close()
    return Which(facts(observed, reading), observed.release(), observed.now(), path, way, mount, here, openable,
                 winner, descents, skipped(reading))


def _followed(observed: "Observed", reading: Reading, path: bytes) -> Way:
    demand_root(observed.process, reading)
    way = observed.walk(path)
    if isinstance(way.found, Refused) and way.found.needs:
        raise AccessDenied(f"{observed.process.pid}: {_text(way.path)}", "CAP_DAC_READ_SEARCH")
    return way


def _text(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


def lies_on(way: Way, seen: Scene) -> tuple[Mount | None, bytes | None]:
    """Return the mount that a name lies on, or would lie on, and its path inside that filesystem."""
    there: Found = way.found if not isinstance(way.found, Absent) else seen.process.named(way.path)
    if not isinstance(there, FileFacts):
        return None, None
    listed = seen.table.by_id(there.mount_id)
    if listed is not None:
        inner = inside(listed, way.path)
    else:
        # Chrooted below a mount's root: the process's own table lacks it.
        root = root_mount(seen) if there.mount_id == seen.root_mount else None
        listed = root or seen.machine.place_of(there.mount_id, InRoot(way.path)).mount
        inner = inside(root, way.path) if root is not None else (
            inside(listed, there.path) if listed is not None and there.path else None)
    return listed, None if inner is None else join(inner, way.rest)


def decided(way: Way, mount: Mount | None, inner: bytes | None, here: bytes | None, seen: Scene,
            overlays: Callable[[Mount], Overlay] | None = None) -> tuple[Winner | None, tuple[Descent, ...]]:
    """Return the file that a name opens and its way through the layers; *here* is its path for the observer.

    *overlays* gives the overlay of a mount where somebody knows it already.
    """
    if isinstance(way.found, Refused):
        return None, ()
    if isinstance(way.found, Absent):
        known = mount is not None and mount.fs_type == OVERLAY and inner is not None and way.rest
        if not known or mount is None or inner is None:
            return None, ()
        return None, (missing(mount, inner, seen, overlays),)
    if mount is None or inner is None:
        return _unplaced(way.found, mount), ()
    if mount.fs_type == OVERLAY:
        return opened(way.found, mount, inner, seen, overlays=overlays)
    return _itself(way.found, mount, here), ()


def _unplaced(found: FileFacts, mount: Mount | None) -> Winner:
    if mount is not None:
        return Winner(None, "none", (), "where it lies inside its mount is not known")
    overlaid = " (it is an overlay's)" if found.handle is not None and found.handle.type == OVERLAY_FID else ""
    return Winner(None, "none", (), f"its mount is in no mount table that can be read{overlaid}", ("CAP_SYS_ADMIN",))


def _itself(found: FileFacts, mount: Mount, here: bytes | None) -> Winner:
    """Return the file itself, which is on no overlay; *here* is its path for the observer."""
    if mount.fs_type.startswith(STACKED) and mount.fs_type != b"fuseblk":
        return Winner(None, "none", (), f"{_text(mount.fs_type)} is served from other files, which the kernel does not "
                                        "know")
    detail = Evidence("kernel-inode", f"the path opens inode {found.inode} of device {mount.device}, on no overlay")
    backing = Backing(here, mount.device, found.inode, mount.fs_type)
    return Winner(backing, "kernel-inode", (detail,))


def _names(way: Way, mount: Mount | None, inner: bytes | None, seen: Scene) -> tuple[bytes | None, bytes | None]:
    """Return a path of the observer's that opens the same file, and the one through the process's root."""
    if not isinstance(way.found, FileFacts):
        return None, None
    return here_of(way.path, way.found, mount, inner, seen), seen.proc + b"/root" + way.path


def here_of(path: bytes, found: FileFacts, mount: Mount | None, inner: bytes | None, seen: Scene) -> bytes | None:
    """Return a path by which the observer opens what a process's *path* does, None where none is found."""
    for one in (path, found.path):
        there = seen.machine.named(one) if one.startswith(b"/") else Absent()
        if isinstance(there, FileFacts) and (there.kind, there.st_dev, there.inode, there.handle) == (
                found.kind, found.st_dev, found.inode, found.handle):
            return one
    return host_path(Place("live", path, found, mount, inner=inner), seen)
