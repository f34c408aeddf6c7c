"""A process's mounts as a tree: which mount a name leads to, and where a file lies inside its filesystem."""

from mapsd.light import Sequence
from mapsd.model import DeviceId, Mount

# Filesystems whose subvolumes each number their inodes from the same start; maps prints one device for all of them.
SUBVOLUMES = (b"btrfs", b"bcachefs")


class MountTable:
    """The mounts of one mountinfo."""

    def __init__(self, mounts: Sequence[Mount]) -> None:
        """Index the mounts by id and by parent."""
        self.all = tuple(mounts)
        self._by_id = {mount.id: mount for mount in mounts}
        self._order = {mount.id: number for number, mount in enumerate(mounts)}
        self._children: dict[int, list[Mount]] = {}
        for mount in mounts:
            self._children.setdefault(mount.parent, []).append(mount)

    def by_id(self, mount_id: int) -> Mount | None:
        """Return the mount with this id, None when the table does not list it."""
        return self._by_id.get(mount_id)

    def of_device(self, device: DeviceId) -> list[Mount]:
        """Return the mounts of one superblock."""
        return [mount for mount in self.all if mount.device == device]

    def is_later(self, mount_id: int, device: DeviceId) -> bool | None:
        """Return whether a mount was made after the first of a superblock, None where the table does not list both.

        mountinfo lists a namespace's mounts in the order in which they were made.
        """
        order, others = self._order.get(mount_id), [self._order[mount.id] for mount in self.of_device(device)]
        return order > min(others) if order is not None and others else None

    def leads_to(self, path: bytes, root_mount: int) -> int:
        """Return the id of the mount on which a lookup of *path* ends, symlinks left out.

        A mount on a mount's own root (stacked) is entered first, then the nearest mount point
        on the way.
        """
        current, here = root_mount, b"/"
        while True:
            below = [m for m in self._children.get(current, ())
                     if m.id != current and is_below(path, m.mount_point) and is_below(m.mount_point, here)]
            if not below:
                return current
            nearest = min(below, key=lambda mount: len(mount.mount_point))
            current, here = nearest.id, nearest.mount_point


def is_below(path: bytes, directory: bytes) -> bool:
    """Return whether *path* is *directory* or lies below it, as text."""
    return directory in (b"/", path) or path.startswith(directory + b"/")


def rest(path: bytes, directory: bytes) -> bytes:
    """Return the part of *path* below *directory*, without a leading slash."""
    return path[len(directory):].lstrip(b"/")


def join(*parts: bytes) -> bytes:
    """Return the parts as one relative path."""
    return b"/".join(part.strip(b"/") for part in parts if part.strip(b"/"))


def inside(mount: Mount, path: bytes) -> bytes | None:
    """Return where *path* lies inside the mount's filesystem (relative to its root), None where unknown."""
    if not is_below(path, mount.mount_point) or mount.root.endswith(b"//deleted"):
        return None
    return join(mount.root, rest(path, mount.mount_point))


def strip_root(name: bytes, root: bytes | None) -> bytes | None:
    """Return *name* as a process with this root calls it; None where it is not below the root.

    Both texts are relative to the observer's root, as /proc prints them.
    """
    if root is None or root == b"/":
        return name
    return b"/" + rest(name, root) if is_below(name, root) else None
