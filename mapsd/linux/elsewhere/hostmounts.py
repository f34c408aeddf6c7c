"""The mounts of a machine whose root is bound in our own mount namespace, where each mount has another id."""

from mapsd.light import Callable, NamedTuple, Sequence
from mapsd.model import Mount


class HostMounts(NamedTuple):
    """The machine's mounts, also under the ids that they have here, in the order in which the machine has them.

    What lies on other mounts here is not what the machine calls so: *lacking* are mount points of the machine's whose
    mount is not here, *extra* those of ours whose mount the machine does not have.
    """

    mounts: tuple[Mount, ...]
    lacking: frozenset[bytes] = frozenset()
    extra: frozenset[bytes] = frozenset()


def is_root(mounts: Sequence[Mount], mount_id: int) -> bool:
    """Return whether a mount is the machine's root."""
    root = _root(mounts)
    return root is not None and root.id == mount_id


def bound(mounts: Sequence[Mount], own: Sequence[Mount], top: Mount) -> HostMounts | None:
    """Return the machine's mounts with those of ours that stand for them below *top*, None where *top* is another's."""
    root = _root(mounts)
    if root is None or (root.device, root.root) != (top.device, top.root):
        return None
    found = _Paired(mounts, own, top.mount_point)
    found.pair(root, top)
    return HostMounts(tuple(found.all(mounts)), frozenset(found.lacking), frozenset(found.extra))


def _root(mounts: Sequence[Mount]) -> Mount | None:
    listed = {mount.id for mount in mounts}
    return next((mount for mount in mounts if mount.mount_point == b"/" and mount.parent not in listed), None)


class _Paired:
    """Mounts that are the same on both sides: on the same mount at the same place."""

    def __init__(self, mounts: Sequence[Mount], own: Sequence[Mount], prefix: bytes) -> None:
        self._theirs, self._ours = _children(mounts), _children(own)
        self._prefix = prefix.rstrip(b"/")
        self._same: dict[int, Mount] = {}
        self.lacking: set[bytes] = set()
        self.extra: set[bytes] = set()

    def pair(self, theirs: Mount, ours: Mount) -> None:
        """Pair two mounts, and what is mounted on them."""
        there = self._theirs.get(theirs.id, ())
        ours = ours if any(map(_stacked(theirs), there)) else self._topmost(ours)
        self._same[theirs.id] = ours._replace(mount_point=theirs.mount_point)
        here = {(self._named(one), one.device, one.root): one for one in self._ours.get(ours.id, ())}
        for one in there:
            mine = here.pop((one.mount_point, one.device, one.root), None)
            if mine is None:
                self.lacking.add(one.mount_point)
            else:
                self.pair(one, mine)
        self.extra.update(name for name, _, _ in here)

    def _topmost(self, ours: Mount) -> Mount:
        """Return the last of several mounts of one directory at one place: a container may be given a procfs twice."""
        above = next(filter(_stacked(ours), self._ours.get(ours.id, ())), None)
        return ours if above is None else self._topmost(above)

    def _named(self, mount: Mount) -> bytes:
        return mount.mount_point.removeprefix(self._prefix) or b"/"

    def all(self, mounts: Sequence[Mount]) -> list[Mount]:
        """Return each mount, and after it the one of ours that is the same."""
        return [one for mount in mounts for one in (mount, self._same.get(mount.id)) if one is not None]


def _stacked(below: Mount) -> Callable[[Mount], bool]:
    """Return what says whether a mount on another one shows the same directory at the same place."""
    return lambda one: (one.mount_point, one.device, one.root) == (below.mount_point, below.device, below.root)


def _children(mounts: Sequence[Mount]) -> dict[int, list[Mount]]:
    found: dict[int, list[Mount]] = {}
    for mount in mounts:
        if mount.parent != mount.id:
            found.setdefault(mount.parent, []).append(mount)
    return found
