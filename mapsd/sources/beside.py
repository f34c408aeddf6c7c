"""What is beside a process: the files of engines, and who may have made its container."""

from mapsd.light import Callable, Protocol, Sequence
from mapsd.model import Absent, DeviceId, Found, Refused
from mapsd.model.containers import MountedElsewhere, Runner
from mapsd.sources.mappings import Attempt
from mapsd.sources.process import Observed


class Tree(Protocol):
    """The files below one directory, which nothing in it leads out of: a store, a container's root, a dead host's disk.

    Paths are relative to it; symbolic links are followed as if it were the root.
    """

    def read(self, path: bytes, limit: int) -> bytes | Absent | Refused:
        """Return a regular file's bytes, Refused where it has more than *limit* or is no regular file."""

    def head(self, path: bytes, size: int) -> bytes | Absent | Refused:
        """Return the first *size* bytes of a regular file, fewer where it is shorter."""

    def listed(self, path: bytes) -> Sequence[bytes] | Absent | Refused:
        """Return the names in a directory, in order, Refused where they are too many."""

    def entry(self, path: bytes) -> Found:
        """Return what a path is; a symbolic link at its end is not followed."""

    def link(self, path: bytes) -> bytes | Absent | Refused:
        """Return the text of a symbolic link."""


class Beside(Protocol):
    """What is asked of the machine beside one process, to tell which container it is in."""

    def tree(self, path: bytes) -> Tree | Absent | Refused:
        """Return the files below a directory as the observer names it, without symbolic links on the way to it."""

    def owner(self, path: bytes) -> int | Absent | Refused:
        """Return the user id that owns a directory, named as for tree()."""

    def ancestors(self, pid: int) -> Sequence[Runner]:
        """Return a process's parent, the parent's, and so on."""

    def mounted(self, device: DeviceId) -> Sequence[MountedElsewhere]:
        """Return where other mount namespaces have a superblock, once for each place and user."""

    def servers(self, uid: int, mount_point: bytes) -> Sequence[Runner]:
        """Return the processes of a user that have a mount point among their arguments."""

    def is_outside(self, pid: int) -> bool:
        """Return whether a process has the machine's root: no container's inhabitant has, whatever it calls itself."""

    def owners(self, pid: int) -> Sequence[int] | None:
        """Return who made a process's user namespace and those that it is in, up to ours; None where it is hidden."""

    def process(self, pid: int) -> tuple[int, bytes | None] | None:
        """Return when a process started (clock ticks since boot) and its mount namespace, None where it is gone."""

    def first(self, link: str) -> bytes | None:
        """Return the text of a link (`ns/mnt`) of the machine's first process, of ours where that is hidden."""


class ContainedAttempt(Attempt, Protocol):
    """An attempt that can also look beside the process."""

    def beside(self) -> Beside:
        """Return what is asked of the machine; what it holds is given back with the attempt."""


class Inhabitant(Observed, Protocol):
    """A process that may be in a container."""

    def attempt(self) -> ContainedAttempt:
        """Return what is asked about it. Raises ProcessGone, NoHost."""


Inhabitants = Callable[[int, int | None], Inhabitant]  # opens a process, or a thread of it
