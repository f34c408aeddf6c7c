"""Whether a file of a layer is known to have had one name in an overlay: else another, gone by now, may be meant."""

from mapsd.light import TYPE_CHECKING
from mapsd.model import DeviceId, FileFacts, Mount
from mapsd.parse import overlay_options
from mapsd.resolve.layerfile import asker, filesystem_of
from mapsd.resolve.lookup import Hit, Piece, lookup
from mapsd.resolve.mounts import MountTable, is_below
from mapsd.resolve.moved import is_timed
from mapsd.resolve.overlays import OVERLAY, Overlay
from mapsd.resolve.passing import BARE, PASSING
from mapsd.resolve.scene import Scene
from mapsd.resolve.times import is_before

if TYPE_CHECKING:
    from mapsd.light import Iterator
    from mapsd.resolve.vma import Resolver

# Several files may have one inode number there: served by whoever likes, or one of each snapshot.
_ALIKE = (b"fuse", b"bcachefs")


class Alone:
    """Tells files of layers with one name from others."""

    def __init__(self, resolver: "Resolver") -> None:
        """Ask as *resolver* does."""
        self._resolver, self._scene = resolver, resolver.scene
        self._layers: dict[DeviceId, bool] = {}  # whether another overlay may lie on one

    def plain(self, overlay: Overlay, inner: bytes | None) -> Piece | None:
        """Return the file of a layer that a name leads to, and that no other name of overlays can lead to.

        Without its attributes, and by a metacopy, several names may share one file; and what lies on another overlay,
        or below one, may be mapped by that one's names.
        """
        scene = self._scene
        if inner is None or not (overlay.options.userxattr or scene.machine.reads_trusted()):
            return None
        found = lookup(overlay.guessed(), inner, asker(overlay, scene))
        if not isinstance(found, Hit) or found.metadata is not None or found.data.layer.role == "data":
            return None
        directory = found.data.layer.dir
        fs_type = filesystem_of(directory.facts, scene)[1] if directory is not None else None
        if fs_type is None or fs_type == OVERLAY or fs_type in PASSING or self._is_layer(overlay.mount):
            return None
        return found.data

    def is_untouched(self, lower: FileFacts, overlay: Overlay) -> bool:
        """Return whether a lower file was neither renamed nor linked behind the overlay's back since the mount.

        Both change its time of change; the overlay may go on knowing it by another name.
        """
        since = self._scene.machine.booted() if overlay.born is None else overlay.born
        return is_timed(lower, self._scene) and is_before(lower.changed, since)

    def may_collide(self, piece: Piece) -> bool:
        """Return whether another file may have the inode number of a layer's."""
        fs_type = filesystem_of(piece.facts, self._scene)[1]
        return fs_type is None or fs_type.startswith(_ALIKE)

    def _is_layer(self, mount: Mount) -> bool:
        """Return whether another overlay may have a layer on this one."""
        if mount.device not in self._layers:
            table, host = self._scene.table, self._scene.host
            self._layers[mount.device] = any(
                _may_lie(self._resolver.overlay(one), mount, self._scene) for one in _others(table, mount)) or any(
                _is_named(one, mount, host) for one in _others(host, mount))
        return self._layers[mount.device]


def is_alone(overlay: Overlay, piece: Piece, text: bytes, scene: Scene) -> bool:
    """Return whether a file cannot have been mapped by another link than the one that is shown, also not by a dead one.

    An overlay's inode keeps the dentry of the link that was met first, for all of them (struct ovl_inode, Linux 4.13).
    Links that are made copy a lower file up. Those of a lower file have inodes of their own unless they are indexed or
    are never copied up (ovl_hash_bylower(), fs/overlayfs/inode.c).
    """
    if piece.layer.role == "upper":
        return piece.facts.nlink == 1 and overlay.born is not None and is_before(piece.facts.changed, overlay.born)
    own = text != BARE and overlay.has_upper() and not overlay.maybe("index", scene)
    return piece.facts.nlink == 1 or own


def _others(table: MountTable, mount: Mount) -> "Iterator[Mount]":
    """Yield the mounts of the other overlays, one of each."""
    yield from {one.device: one for one in table.all if one.fs_type == OVERLAY and one.device != mount.device}.values()


def _may_lie(overlay: Overlay, mount: Mount, scene: Scene) -> bool:
    """Return whether a layer of an overlay may lie on the superblock of a mount."""
    directories = [layer.dir for layer in overlay.guessed()]
    return any(one is None or filesystem_of(one.facts, scene)[0] == mount.device for one in directories)


def _is_named(other: Mount, mount: Mount, host: MountTable) -> bool:
    """Return whether a layer of an overlay lies on the superblock of a mount by its text: to open them costs more."""
    options = overlay_options.parse(other.options)
    for text in (*options.lower, *options.data):
        over = [one for one in host.all if is_below(text, one.mount_point)]
        if over and max(over, key=lambda one: len(one.mount_point)).device == mount.device:
            return True
    return False
