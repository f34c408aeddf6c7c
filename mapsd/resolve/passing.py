"""Filesystems that hand a mapping on to the file below: the kernel then names that one, by a mount of somebody else's.

aufs maps the file of a branch, and shows the branch's path unless its patch of /proc is applied; shiftfs maps the file
that it lies on, and shows the path that this has on the host (nestybox/sysbox#636, gitpod-io/gitpod#5090).
"""

from mapsd.model import FileFacts, Vma
from mapsd.resolve.mounts import SUBVOLUMES
from mapsd.resolve.scene import Place, Scene

BARE = b"/"  # the text of a path whose mount and dentry belong to different filesystems
PASSING = (b"aufs", b"shiftfs", b"unionfs")
UNIONS = (b"aufs", b"unionfs")  # these copy up, so a name may open another file than the one that is mapped
_AWAY = frozenset({"unreachable", "nowhere", "private", "detached"})


def doubted(place: Place, scene: Scene) -> Place:
    """Return a place that is unknown where a file away from the process's mounts may be one that it names by them."""
    if place.verdict not in _AWAY:
        return place
    passing = next((mount.fs_type for mount in scene.table.all if mount.fs_type in PASSING), None)
    if passing is None:
        return place
    reason = f"{passing.decode('ascii')} maps the files below it, and the kernel names these: it may be one of them"
    return Place("unknown", None, place.facts, place.mount, reason)


def may_be_below(vma: Vma, place: Place, scene: Scene) -> bool:
    """Return whether a place may be unknown because the kernel shows the file that another one was handed on to.

    No kernel is known to that tells where a mount is (statmount(2), Linux 6.8), if only with a capability.
    """
    facts = place.facts
    if place.verdict != "unknown" or place.needs or facts is None or facts.kind != "file":
        return False
    return any(mount.fs_type in PASSING for mount in scene.table.all) or is_of_layer(vma, facts, scene)


def is_of_layer(vma: Vma, facts: FileFacts, scene: Scene) -> bool:
    """Return whether a file may be that of a layer, which the kernel shows by the overlay's own mount of it."""
    listed = scene.table.by_id(facts.mount_id) or scene.host.by_id(facts.mount_id)
    if (listed is not None or facts.mount_id == scene.root_mount) and vma.name != BARE:
        return False
    trees = any(mount.fs_type in SUBVOLUMES for mount in scene.host.of_device(vma.device))
    return facts.inode == vma.inode and (trees or facts.st_dev == vma.device)
