"""What the rules know of one process, and where one mapping's file is."""

from mapsd.light import NamedTuple
from mapsd.model import FileFacts, Found, Mount
from mapsd.ports import Machine, Process
from mapsd.resolve.mounts import MountTable


class Scene(NamedTuple):
    """What is the same for every mapping of one process during one attempt.

    *proc* is the directory of the process (or of the thread that answers for it) in /proc; *namespace* is the inode of
    its mount namespace.
    """

    proc: bytes
    process: Process
    machine: Machine
    table: MountTable
    host: MountTable
    root: bytes | None
    root_mount: int | None
    namespace: int | None = None

    def mount(self, mount_id: int) -> Mount | None:
        """Return the mount with an id, whichever of the two tables lists it, None where neither does."""
        return self.host.by_id(mount_id) or self.table.by_id(mount_id)


class Place(NamedTuple):
    """Where the mapping's file is, seen from the process.

    *verdict* is live (the path opens this very file), a state of the contract, nowhere or private (see
    Namespace), or unknown with a reason. *facts* are the mapping's own, read through
    map_files or through the path once identity was confirmed; None where neither worked. *inner* is where
    its name lies inside its filesystem: beyond doubt for a live file, else a hint. *claimed* says that the mount is
    the path's, and the mapping's own could not be seen. *opened* is what the path opens where that is not this file,
    *over* the mount that covers it; *dentries* says that the kernel's own named it.
    *again* says that the path was found by a mapping of our own (see mapsd.resolve.again), *agrees* whether it still
    opens the mapped data, where that showed it.
    """

    verdict: str
    path: bytes | None
    facts: FileFacts | None
    mount: Mount | None
    reason: str = ""
    needs: str = ""
    detail: str = ""
    inner: bytes | None = None
    claimed: bool = False
    opened: Found | None = None
    over: Mount | None = None
    dentries: bool = False
    again: bool = False
    agrees: bool | None = None


def same_file(one: Found, other: FileFacts) -> bool:
    """Return whether two descriptors are one inode of one filesystem."""
    return isinstance(one, FileFacts) and (one.st_dev, one.inode) == (other.st_dev, other.inode)
