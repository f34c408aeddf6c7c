"""Whom the answers ask: a process of a live machine, or a recorded one. Only a checker imports this."""

from mapsd.light import Callable, Protocol, Sequence
from mapsd.model import Absent, DeviceId, FileFacts, Found, LayerDir, Refused, Vma
from mapsd.model.containers import MountedElsewhere, Runner
from mapsd.model.layers import Way
from mapsd.model.open import Entry
from mapsd.model.searched import Paths, Redirects
from mapsd.parse.stat import Stat
from mapsd.ports import BuildIds, Machine, PageFrames, Process, VmFiles


class Maps(Protocol):
    """The maps of one program that a process runs: they stay with the memory that it had when they were opened."""

    def read(self) -> bytes:
        """Return the text, empty where that memory is gone. Raises ProcessGone, AccessDenied."""

    def close(self) -> None:
        """Give back what is held."""


class Texts(Process, Protocol):
    """A process with the texts of its /proc directory, which is *path*."""

    @property
    def pid(self) -> int:
        """Return its number."""

    @property
    def path(self) -> bytes:
        """Return its directory, or that of the thread that answers for it."""

    def stat(self) -> Stat:
        """Return its stat line. Raises ProcessGone, AccessDenied, ParseError."""

    def mountinfo(self) -> bytes:
        """Return the text of mountinfo, empty for a process that has left its namespace. Raises ProcessGone."""

    def text(self, name: str) -> bytes:
        """Return a whole file of the directory. Raises ProcessGone, AccessDenied."""

    def target(self, name: str) -> bytes | None:
        """Return the text of a magic link, None where it is hidden or empty."""


class Layers(Machine, Protocol):
    """A machine with what only `layers` asks of it."""

    def listed(self, layer: LayerDir, path: bytes) -> Sequence[tuple[bytes, bool]]:
        """Return some names in a directory of a layer, and which of them are directories."""

    def parameters(self) -> dict[str, bool]:
        """Return those parameters of the overlay module that are switches and can be read."""


class Search(Protocol):
    """Directories that are walked through, bounded in time and entries."""

    def numbered(self, directory: LayerDir, number: int, *, mounts: bool = False) -> Paths:
        """Return the paths of the regular files whose inode numbers end in the same 32 bits as a *number*.

        That other *mounts* lie below is then no reason why some may be missing.
        """

    def regular(self, directory: LayerDir) -> Paths:
        """Return the paths of all regular files."""

    def redirects(self, directory: LayerDir, prefix: str, *, files: bool, again: bool = False) -> Redirects:
        """Return the redirects of a layer's directories, and of its *files* where these may have one.

        *again*: as they are now, not as they were when they were first asked for.
        """


class Attempt(Protocol):
    """What the rules ask about mappings, for one reading of the process; close() it."""

    @property
    def machine(self) -> Layers:
        """Return the observer's view."""

    @property
    def frames(self) -> PageFrames:
        """Return what compares page frames."""

    @property
    def build_ids(self) -> BuildIds:
        """Return what reads build ids."""

    @property
    def vm_files(self) -> VmFiles:
        """Return what the kernel's own structures say."""

    def close(self) -> None:
        """Give back what is held."""


class Open(Process, Protocol):
    """The port Process of one held entry: its only "mapping" is what the entry opens."""

    def names(self) -> Sequence[str] | Refused:
        """Return the numbers of the descriptors, in order. Raises ProcessGone."""

    def entry(self, fd: str) -> Entry | Absent | Refused:
        """Return what a link and fdinfo say of an entry, absent where nothing is open there (any more)."""

    def hold(self, fd: str) -> Found:
        """Hold what an entry opens now, until release(), and return what it is."""

    def release(self) -> None:
        """Let go of what is held."""

    def held(self) -> Found:
        """Return what is held, as it is now."""

    def kind(self) -> str:
        """Return which kind of file is held."""

    def is_shmem(self, seen: FileFacts) -> bool:
        """Return whether a file is on one of the kernel's own mounts, where memfd_create(2) makes its files."""


class OpenAttempt(Protocol):
    """What the rules ask about what is held, for one reading of the process; close() it."""

    @property
    def machine(self) -> Layers:
        """Return the observer's view."""

    @property
    def frames(self) -> PageFrames:
        """Return what compares page frames."""

    @property
    def vm_files(self) -> VmFiles:
        """Return what the kernel's own structures say."""

    def printed(self) -> Vma | Refused:
        """Return what our own maps say of a mapping of what is held."""

    def forget(self) -> None:
        """Something else is held from now on."""

    def close(self) -> None:
        """Give back what is held."""


class Observed(Protocol):
    """One process that is asked about, as its leader or one of its threads sees it; close() it."""

    @property
    def process(self) -> Texts:
        """Return the process."""

    @property
    def line(self) -> Stat:
        """Return the leader's stat line, as it was first read."""

    def maps(self) -> Maps:
        """Return its maps. Raises ProcessGone, AccessDenied."""

    def attempt(self) -> Attempt:
        """Return what is asked about its mappings. Raises ProcessGone, NoHost."""

    def open(self) -> Open:
        """Return what it has open."""

    def open_attempt(self) -> OpenAttempt:
        """Return what is asked about what open() holds. Raises ProcessGone, NoHost."""

    def walk(self, path: bytes) -> Way:
        """Return where an absolute name leads inside its root. Raises ProcessGone, AccessDenied."""

    def started(self, ticks: int) -> int:
        """Return a start time of stat (clock ticks since boot) in nanoseconds since the epoch."""

    def release(self) -> str:
        """Return the kernel's release."""

    def now(self) -> float:
        """Return the time in seconds since the epoch."""

    def close(self) -> None:
        """Give back what is held."""


Source = Callable[[int, int | None], Observed]  # opens a process, or a thread of it


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
