"""Filesystems that hand a mapping on to the file below: the kernel then names that one, by a mount of somebody else's.

aufs maps the file of a branch, and shows the branch's path unless its patch of /proc is applied; shiftfs maps the file
that it lies on, and shows the path that this has on the host (nestybox/sysbox#636, gitpod-io/gitpod#5090).
"""

from mapsd.resolve.scene import Place, Scene

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
