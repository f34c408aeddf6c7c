"""A machine that is seen from elsewhere: in a container its processes are in one procfs, its files below one root."""

import os

from mapsd.errors import NoHost
from mapsd.linux import syscalls
from mapsd.linux.elsewhere.hostroot import HostRoot
from mapsd.linux.files import opened
from mapsd.model import HERE, Host

_PROC_ROOT_INO = 1  # include/linux/proc_ns.h
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_ON_PROCFS = syscalls.RESOLVE_NO_XDEV | syscalls.RESOLVE_NO_SYMLINKS


def host(procfs: bytes | None = None, root: bytes | None = None) -> Host:
    """Return the machine whose processes *procfs* shows (None: /proc), and whose files are below *root*.

    None is the root of that procfs's first process; with neither of them it is our own. Raises NoHost where *procfs*
    is no procfs, its first process may not be looked at, or *root* is not that process's root.
    """
    if procfs is None and root is None:
        return HERE
    where = os.path.abspath(procfs or HERE.procfs)
    seen = Host(where, where + b"/1/root" if root is None else os.path.abspath(root))
    HostRoot(seen, first_mountinfo(where)).close()
    return seen


def open_process(pid: int, host: Host) -> int:
    """Return the directory of a process. Raises NoHost, and OSError where there is none."""
    with opened(_procfs(host.procfs)) as procfs:
        return syscalls.openat2(procfs, b"%d" % pid, _DIRECTORY, _ON_PROCFS)


def first_mountinfo(procfs: bytes) -> bytes:
    """Return the mountinfo of a procfs's first process. Raises NoHost."""
    with opened(_procfs(procfs)) as directory:
        try:
            with opened(syscalls.openat2(directory, b"1/mountinfo", os.O_RDONLY, _ON_PROCFS)) as fd, open(
                    fd, "rb", closefd=False) as file:
                return file.read()
        except (FileNotFoundError, ProcessLookupError) as error:
            raise NoHost(procfs, "shows no process 1: it is mounted with hidepid, or its pid namespace has ended"
                         ) from error
        except PermissionError as error:
            raise NoHost(procfs, "its process 1 may not be looked at: it is mounted with hidepid") from error


def ourselves(host: Host) -> int | None:
    """Return the number of this process in a procfs, None where it is in none of its pid namespaces. Raises NoHost."""
    with opened(_procfs(host.procfs)) as procfs:
        try:
            return int(os.readlink("self", dir_fd=procfs))
        except FileNotFoundError:
            return None


def _procfs(path: bytes) -> int:
    """Return a descriptor of the root of a procfs. Raises NoHost."""
    try:
        fd = os.open(path, _DIRECTORY)
    except OSError as error:
        raise NoHost(path, error.strerror or str(error)) from error
    if syscalls.fstatfs_type(fd) == syscalls.PROC_SUPER_MAGIC and os.fstat(fd).st_ino == _PROC_ROOT_INO:
        return fd
    os.close(fd)
    raise NoHost(path, "is not the root of a procfs")
