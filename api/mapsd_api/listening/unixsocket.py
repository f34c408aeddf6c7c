"""A Unix socket in the file system: who may connect is settled before anybody can, see unix(7).

A lock beside it (flock(2) on PATH.lock) says that a daemon lives. To find that out by connecting alone would leave a
gap in which two daemons that start at once take each other's socket away.
"""

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from mapsd_api.listening.listener import Listener, NotListening


@contextmanager
def bound(path: str, mode: int, gid: int | None) -> Iterator[Listener]:
    """Give a listening socket at *path* with these permissions and, unless None, this group; remove it at the end.

    The directory is made where only it is missing and the one above is ours alone, as /run is root's. A socket that
    nobody listens at is removed, nothing else is. Raises NotListening.
    """
    with ExitStack() as stack:
        try:
            _directory(path)
            stack.enter_context(_lock(path))
            _clear(path)
            made = stack.enter_context(_bound(path, mode, gid))
        except OSError as error:
            raise NotListening(path, error.strerror or str(error)) from error
        yield Listener(made, "unix", path)


def _directory(path: str) -> None:
    """Make the directory, or see that nobody else can put another socket in our place."""
    directory = os.path.dirname(path)
    above = os.path.dirname(directory)
    if not os.path.exists(directory) and _alone(os.stat(above)):
        os.mkdir(directory)
        os.chmod(directory, 0o755)  # noqa: S103  (whoever may connect passes through it; the umask is not asked)
    found = os.stat(directory)
    if found.st_uid not in (0, os.geteuid()):
        raise NotListening(path, f"{directory} belongs to another user, who could take the socket's place")
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        raise NotListening(path, f"everybody may write to {directory} and could take the socket's place")


def _alone(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


@contextmanager
def _lock(path: str) -> Iterator[None]:
    name = f"{path}.lock"
    fd = _locked(path, name)
    try:
        yield
    finally:
        # While it is locked: whoever waits for this very file sees that the name is gone, and opens anew.
        with suppress(OSError):
            os.unlink(name)
        os.close(fd)


def _locked(path: str, name: str) -> int:
    while True:
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        try:
            _take(fd, path, name)
        except BaseException:
            os.close(fd)
            raise
        if _is(name, os.fstat(fd)):
            return fd
        os.close(fd)


def _take(fd: int, path: str, name: str) -> None:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_size:
        raise NotListening(path, f"{name} is no lock")
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise NotListening(path, "another daemon listens there") from error


def _is(path: str, known: os.stat_result) -> bool:
    """Return whether a path still names a file."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (known.st_dev, known.st_ino)


def _clear(path: str) -> None:
    """See that nothing is at the path; a socket is removed if nobody listens at it."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise NotListening(path, "what is there is no socket")
        if _answers(path):
            raise NotListening(path, "another program listens there")
        os.unlink(path)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(path)
        except ConnectionRefusedError:
            return False
        except BlockingIOError:
            # The queue of the one who listens is full.
            return True
    return True


@contextmanager
def _bound(path: str, mode: int, gid: int | None) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        # The file gets the socket's own mode less the umask: unix_bind_bsd() in net/unix/af_unix.c.
        os.fchmod(made.fileno(), mode & stat.S_IRWXU)
        made.bind(path)
        known = os.lstat(path)
        try:
            _open_to(path, mode, gid)
            made.listen(socket.SOMAXCONN)
            yield made
        finally:
            # What may not be removed any more, as under Landlock, is taken over by the next daemon.
            with suppress(OSError):
                if _is(path, known):
                    os.unlink(path)


def _open_to(path: str, mode: int, gid: int | None) -> None:
    """Set group and permissions of the file that is there, never of one that a link names."""
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if gid is not None:
            os.chown(f"/proc/self/fd/{fd}", -1, gid)
        os.chmod(f"/proc/self/fd/{fd}", mode)
    finally:
        os.close(fd)
