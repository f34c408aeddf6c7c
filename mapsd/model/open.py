"""What a process has open: its program, its working directory, its root, and its file descriptors."""

from mapsd.light import TYPE_CHECKING, NamedTuple
from mapsd.model import Backing, DeviceId, Evidence, Mount, ProcessFacts, Skipped

if TYPE_CHECKING:
    from mapsd.model.containers import Container

LINKS = ("exe", "cwd", "root")
DATA = frozenset({"file", "directory", "symlink"})  # kinds that have a backing file
NAMED = DATA | {"device", "fifo", "socket"}  # kinds that may have a name


class FdInfo(NamedTuple):
    """The first lines of fdinfo; *position* in bytes. See proc_pid_fdinfo(5).

    *flags* are those of open(2); *inode* is None before Linux 5.14.
    """

    position: int
    flags: int
    mount_id: int
    inode: int | None


class Entry(NamedTuple):
    """One link as it is read; *device*, *inode* and *mount_id* are what it opens, None where fdinfo says it."""

    fd: str
    shown: bytes | None
    info: FdInfo | None
    device: DeviceId | None = None
    inode: int | None = None
    mount_id: int | None = None


class OpenFile(NamedTuple):
    """What is known of one open file: the contract's fields, undecoded.

    *fd* is "exe", "cwd", "root" or a descriptor's number. *shown* is the text of its magic link, None where that is
    longer than the kernel prints; *device* and *inode* are what stat(2) says of what the link opens. *info* is None
    for exe, cwd and root. *kind* is file, directory, symlink, device, fifo, socket, pipe, anon_inode, memfd, shm or
    other. *state* is None for what has no name in any filesystem, *proof* for what has no backing file.
    """

    fd: str
    kind: str
    shown: bytes | None
    device: DeviceId | None = None
    inode: int | None = None
    info: FdInfo | None = None
    user_path: bytes | None = None
    host_path: bytes | None = None
    openable_path: bytes | None = None
    mount: Mount | None = None
    backing: Backing | None = None
    state: str | None = None
    proof: str | None = None
    evidence: tuple[Evidence, ...] = ()
    reason: str | None = None
    needs: tuple[str, ...] = ()


class OpenAnswer(NamedTuple):
    """Every open file of one process; *as_of* in seconds since the epoch.

    *container* is the one that the process is in, where that was asked for and is known.
    """

    process: ProcessFacts
    release: str
    as_of: float
    files: tuple[OpenFile, ...]
    skipped: tuple[Skipped, ...] = ()
    container: "Container | None" = None
