"""What the process in a container of our own does: it enters, maps files, changes them when told, and ends.

The container is made as rootless engines make theirs: with `userxattr` (Linux 5.11), of layers that are the user's own
directories. See user_namespaces(7), mount_namespaces(7), pivot_root(2).
"""

import mmap
import os

from mapsd.light import NamedTuple, Sequence
from mapsd.linux import syscalls
from mapsd.linux.files import opened

_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_REC, _MS_PRIVATE, _MNT_DETACH = 1 << 14, 1 << 18, 2
INHERITED = 1 << 12  # more descriptors than we were given
READY = b"."
USER_NAMESPACE, USER_MAP, OVERLAY = "make a user namespace", "map our user into it", "mount an overlay in it"


class Put(NamedTuple):
    """Other bytes for a file, written over it as `cp` does."""

    path: bytes
    data: bytes


class Chmod(NamedTuple):
    """Another mode for a file, and not one other byte."""

    path: bytes
    mode: int


Change = Put | Chmod


class Failed(Exception):
    """A step that failed, and the number of the error."""

    def __init__(self, step: str, number: int) -> None:
        """Keep both."""
        super().__init__(step)
        self.step, self.number = step, number


class during:  # noqa: N801  (a statement's word)
    """Turn an OSError of the block into Failed."""

    def __init__(self, step: str) -> None:
        """Name what the block does."""
        self._step = step

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Raise Failed for an OSError."""
        if isinstance(error, OSError):
            raise Failed(self._step, error.errno or 0) from error


def told(failed: Failed) -> bytes:
    """Return a failure as a message."""
    return b"%d %s" % (failed.number, failed.step.encode("utf-8", "backslashreplace"))


def understood(message: bytes) -> Failed | None:
    """Return the failure that a message tells, None for READY. An empty message says that the process has ended."""
    number, _, step = message.partition(b" ")
    return None if message.startswith(READY) else Failed(step.decode() or "keep it running", int(number or 0))


def live(store: bytes, paths: Sequence[bytes], changes: Sequence[Change], *, user: bool) -> None:
    """Enter the container, map *paths*, then make the changes that descriptor 0 asks for by number, until it ends.

    The beginning is answered on descriptor 1 with READY, the pid and *store*, each change with READY. For a forked
    child that does nothing else.
    """
    try:
        _enter(store, user=user)
        with during("map a file in it"):
            held = list(map(_mapped, paths))
        os.closerange(3, INHERITED)  # mmap.mmap keeps the file open, a program's loader does not
        os.write(1, READY + b"%d %s" % (os.getpid(), store))
        while asked := os.read(0, 1):
            with during("change a file in it"):
                _make(changes[asked[0]])
            os.write(1, READY)
        del held
    except Failed as failed:
        os.write(1, told(failed))


def _enter(store: bytes, *, user: bool) -> None:
    uid, gid = os.geteuid(), os.getegid()
    with during(USER_NAMESPACE if user else "make a mount namespace"):
        syscalls.unshare(_CLONE_NEWNS | (_CLONE_NEWUSER if user else 0))
    if user:
        with during(USER_MAP):
            _write(b"/proc/self/setgroups", b"deny")
            _write(b"/proc/self/uid_map", b"0 %d 1" % uid)
            _write(b"/proc/self/gid_map", b"0 %d 1" % gid)
    with during("make its mounts private"):
        syscalls.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE)
    with during(OVERLAY):
        layers = b"lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work,userxattr" % (store, store, store)
        syscalls.mount(b"overlay", store + b"/merged", b"overlay", 0, layers)
    with during("make the overlay its root"):
        os.chdir(store + b"/merged")
        syscalls.pivot_root(b".", b".")
        syscalls.umount2(b".", _MNT_DETACH)
        os.chdir(b"/")


def _mapped(path: bytes) -> mmap.mmap:
    with opened(os.open(path, os.O_RDONLY | os.O_CLOEXEC)) as fd:
        held = mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    for page in range(0, len(held), mmap.PAGESIZE):
        held[page]
    return held


def _make(change: Change) -> None:
    match change:
        case Put(path, data):
            with opened(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)) as fd:
                os.write(fd, data)
        case Chmod(path, mode):
            os.chmod(path, mode)


def _write(path: bytes, text: bytes) -> None:
    with opened(os.open(path, os.O_WRONLY | os.O_CLOEXEC)) as fd:
        os.write(fd, text)
