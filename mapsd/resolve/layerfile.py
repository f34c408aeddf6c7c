"""A file of a layer as an answer's backing file, and as a candidate that can be opened."""

from mapsd.light import NamedTuple
from mapsd.model import Backing, DeviceId, FileFacts, Layer
from mapsd.ports import FileRef, InLayer
from mapsd.resolve.lookup import Ask, Piece
from mapsd.resolve.overlays import Overlay, ask_in
from mapsd.resolve.scene import Scene
from mapsd.resolve.times import is_before, is_exact

WHOLE_SECONDS = "its time of change, in whole seconds, may be that of another file of its name as well"


class Candidate(NamedTuple):
    """A file that the mapping may hold, and how to open it (None: it cannot be)."""

    backing: Backing
    ref: FileRef | None


def in_layer(piece: Piece, scene: Scene) -> Candidate:
    """Return a layer's file as a candidate."""
    directory = piece.layer.dir
    ref = InLayer(directory, piece.path) if directory is not None else None
    return Candidate(backing_of(piece.facts, piece.layer, scene), ref)


def asker(overlay: Overlay, scene: Scene) -> Ask:
    """Return the question that a lookup in this overlay's layers asks."""
    return lambda layer, path: ask_in(overlay, scene, layer, path)


def backing_of(found: FileFacts, layer: Layer | None, scene: Scene) -> Backing:
    """Return a file of a layer as a backing, its path only where a name of it is left."""
    device, fs_type = filesystem_of(found, scene)
    named = found.path if found.nlink and found.path.startswith(b"/") else None
    role = layer.role if layer else "lower"
    index = layer.position if layer and layer.certain else None
    return Backing(named, device, found.inode, fs_type, True, role, index, path_of(layer))


def filesystem_of(found: FileFacts, scene: Scene) -> tuple[DeviceId, bytes | None]:
    """Return the device and type of the filesystem that a file is on, as mountinfo has them."""
    mount = scene.mount(found.mount_id)
    return (mount.device, mount.fs_type) if mount else (found.st_dev, None)


def path_of(layer: Layer | None) -> bytes | None:
    """Return the path of a layer's directory, None where it could not be opened."""
    return layer.dir.path if layer is not None and layer.dir is not None else None


def shows(seen: FileFacts, real: FileFacts) -> bool:
    """Return whether an overlay's file shows the times and the size of a layer's (ovl_getattr, fs/overlayfs/inode.c).

    A file that is renamed over another one has its time of change, but not its birth.
    """
    if None not in {seen.born, real.born} and seen.born != real.born:
        return False
    return (seen.kind, seen.changed, seen.size) == (real.kind, real.changed, real.size)


def shows_alone(seen: FileFacts, real: FileFacts) -> bool:
    """Return whether an overlay's file shows what another file than this one has by chance only."""
    return shows(seen, real) and is_exact(seen.changed)


def is_uncopied(seen: FileFacts, lower: FileFacts, overlay: Overlay) -> bool:
    """Return whether an overlay's file shows the time of change that its lower file has, and no copy of that can have.

    A copy is made after the mount, and has the time of that.
    """
    exact = is_exact(lower.changed) or (overlay.upper is not None and is_exact(overlay.upper.facts.changed))
    old = overlay.born is not None and is_before(lower.changed, overlay.born)
    return seen.changed == lower.changed and (exact or old)
