"""Which processes see the same names: those of one mount namespace and one root."""

import errno
import os

from mapsd.errors import AccessDenied, ProcessGone
from mapsd.linux import syscalls
from mapsd.linux.files import unless_exhausted
from mapsd.model import HERE, Host

Root = tuple[int | bytes, ...]  # equal for the same mount namespace and the same directory on the same mount
_GONE = {errno.ENOENT, errno.ESRCH}


def root_of(pid: int, host: Host = HERE) -> Root:
    """Return what a process has as its root. Raises ProcessGone, AccessDenied."""
    directory = b"%s/%d/" % (host.procfs, pid)
    try:
        namespace = os.stat(directory + b"ns/mnt").st_ino
        root = syscalls.statx_fields(syscalls.AT_FDCWD, directory + b"root")
        # Before Linux 5.8 no mount is in it: one directory may be seen through several.
        name = b"" if syscalls.statx_of(root).mount_id is not None else os.readlink(directory + b"root")
    except OSError as error:
        unless_exhausted(error)
        if error.errno in _GONE:
            raise ProcessGone(pid, seen=True) from error
        raise AccessDenied(f"{pid}: root", "CAP_SYS_PTRACE") from error
    return namespace, name, *syscalls.identity_of(root)
