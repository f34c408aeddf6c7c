"""Whether the text of a layer still leads to the directory that was mounted.

What is renamed leaves its time of change. A mount that is moved leaves nothing, not even another id (MS_MOVE); but
none that lies on a shared mount can be moved (do_move_mount(), fs/namespace.c).
"""

from itertools import pairwise

from mapsd.light import Sequence
from mapsd.model import FileFacts, Layer, LayerDir, Mount
from mapsd.resolve.mounts import MountTable
from mapsd.resolve.scene import Scene
from mapsd.resolve.times import is_before

# A rename changes the ctime there, by this machine's clock: others are served by another one, or by whoever likes.
_TIMED = frozenset({b"bcachefs", b"btrfs", b"cramfs", b"erofs", b"ext2", b"ext3", b"ext4", b"f2fs", b"iso9660", b"jfs",
                    b"nilfs2", b"overlay", b"ramfs", b"romfs", b"rootfs", b"squashfs", b"tmpfs", b"ubifs", b"udf",
                    b"xfs", b"zfs"})


def is_settled(lowers: Sequence[Layer], mount: Mount, since: int, scene: Scene) -> bool:
    """Return whether no component that tells the lower layers apart changed since a moment, nor a mount covered one.

    Several mounts may have changed places, one has none to change with. *since* is the overlay's time of mount or
    earlier, in nanoseconds since the epoch.
    """
    found = [layer.dir for layer in lowers if layer.dir is not None]
    timed = all(is_timed(one.facts, scene) for one in found)
    if len(found) != len(lowers) or not timed or not _is_unmoved(found, since):
        return False
    on = {one.facts.mount_id for one in found}
    return not any(mounted_later(one.facts, mount, scene) for one in found) and (
        len(on) < 2 or any(_are_apart(on, table) for table in (scene.host, scene.table)))


def are_older(lowers: Sequence[Layer], mount: Mount, scene: Scene) -> bool:
    """Return whether all lower layers were found, on mounts that are older than the overlay."""
    return all(one.dir is not None and not mounted_later(one.dir.facts, mount, scene) for one in lowers)


def _is_unmoved(found: Sequence[LayerDir], since: int) -> bool:
    """Return whether every component that tells the layers apart last changed before a moment.

    A rename changes the ctime of what is renamed to that of the clock's last tick: one in the tick of the mount may
    have been made after it.
    """
    # What all layers share can not be moved apart: the last component never counts as shared.
    shared = set.intersection(*({name for name, _ in one.changes[:-1]} for one in found)) if found else set()
    return all(is_before(changed, since) for one in found for name, changed in one.changes if name not in shared)


def is_timed(found: FileFacts, scene: Scene) -> bool:
    """Return whether a file's times are by this machine's clock, as those of the overlay's own directories are."""
    mount = scene.mount(found.mount_id)
    return mount is not None and mount.fs_type in _TIMED


def mounted_later(found: FileFacts, mount: Mount, scene: Scene) -> bool:
    """Return whether the mount that a file was found on is younger than the overlay: it can be no layer's."""
    for table in (scene.host, scene.table):
        later = table.is_later(found.mount_id, mount.device)
        if later is not None:
            return later
    return False


def _are_apart(on: set[int], table: MountTable) -> bool:
    """Return whether mounts cannot have changed places: what lies below a mount that all share cannot be moved."""
    chains = [_upwards(one, table) for one in on]
    common = set.intersection(*(set(chain) for chain in chains))
    return bool(common) and all(
        above.shared for chain in chains for mount, above in pairwise(chain) if mount not in common)


def _upwards(mount_id: int, table: MountTable) -> list[Mount]:
    """Return a mount and those that it lies on, up to the topmost that is listed."""
    chain: list[Mount] = []
    mount = table.by_id(mount_id)
    while mount is not None and mount not in chain:
        chain.append(mount)
        mount = table.by_id(mount.parent)
    return chain
