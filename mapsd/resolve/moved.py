"""Whether the text of a layer still leads to the directory that was mounted.

What is renamed leaves its time of change. A mount that is moved leaves nothing, not even another id (MS_MOVE); but
none that lies on a shared mount can be moved (do_move_mount(), fs/namespace.c).
"""

from mapsd.light import Sequence
from mapsd.model import FileFacts, Layer, LayerDir, Mount
from mapsd.resolve.mounts import MountTable
from mapsd.resolve.scene import Scene


def is_settled(lowers: Sequence[Layer], upper: LayerDir | None, mount: Mount, since: int, scene: Scene) -> bool:
    """Return whether no component that tells the lower layers apart changed since a moment, nor a mount on their way.

    *upper* is the upper layer's directory where its text leads to the one that the overlay's root names; *since* is
    the mount's time or earlier, in nanoseconds since the epoch.
    """
    found = [layer.dir for layer in lowers if layer.dir is not None]
    if len(found) != len(lowers) or not _is_unmoved(found, since):
        return False
    on = {one.facts.mount_id for one in found}
    # The upper layer was not taken along by another mount, or it would not be below that one's name.
    return (upper is not None and on == {upper.facts.mount_id}) or all(
        not mounted_later(one.facts, mount, scene) and _is_fixed(one.facts.mount_id, scene) for one in found)


def lie_together(lowers: Sequence[Layer], mount: Mount, scene: Scene) -> bool:
    """Return whether all lower layers were found, on one mount that is older than the overlay."""
    found = [layer.dir.facts if layer.dir is not None else None for layer in lowers]
    return len({one and one.mount_id for one in found}) == 1 and not any(
        one is None or mounted_later(one, mount, scene) for one in found)


def _is_unmoved(found: Sequence[LayerDir], since: int) -> bool:
    """Return whether every component that tells the layers apart last changed before a moment.

    A rename changes the ctime of what is renamed to that of the clock's last tick: one in the tick of the mount may
    have been made after it.
    """
    # What all layers share can not be moved apart: the last component never counts as shared.
    shared = set.intersection(*({name for name, _ in one.changes[:-1]} for one in found)) if found else set()
    return all(changed < since for one in found for name, changed in one.changes if name not in shared)


def mounted_later(found: FileFacts, mount: Mount, scene: Scene) -> bool:
    """Return whether the mount that a file was found on is younger than the overlay: it can be no layer's."""
    for table in (scene.host, scene.table):
        later = table.is_later(found.mount_id, mount.device)
        if later is not None:
            return later
    return False


def _is_fixed(mount_id: int, scene: Scene) -> bool:
    """Return whether a mount is where it has always been: it cannot be moved, nor can those that it lies on."""
    return any(_lies_on_shared(mount_id, table) for table in (scene.host, scene.table))


def _lies_on_shared(mount_id: int, table: MountTable) -> bool:
    mount, passed = table.by_id(mount_id), set[int]()
    while mount is not None and mount.id not in passed:
        passed.add(mount.id)
        above = table.by_id(mount.parent)
        if above is None or above == mount:
            return mount.mount_point == b"/"
        if not above.shared:
            return False
        mount = above
    return False
