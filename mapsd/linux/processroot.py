"""The files below a process's root, to be read without waiting for anybody."""

import os

from mapsd.linux.files import mount_id, opened, unless_exhausted
from mapsd.linux.observer import observer
from mapsd.linux.procfs import ProcFs
from mapsd.linux.syscalls import statx
from mapsd.linux.tree import Files, tree_at
from mapsd.linux.views import SERVED
from mapsd.model import Absent, Mount, Refused

_O_PATH = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_CONTROL = b"fusectl"


def root(process: ProcFs, *, ours: bool, alone: bool = False) -> Files | Absent | Refused:
    """Return the files below a process's root, Refused where a server would have to be waited for.

    *ours* says that it is our own root: of the mounts below it those with a server are not entered. Mounts below
    another are entered where none of them has a server: whoever is in a container may be the server. Where the root is
    to be read *alone* no mount below it is, so that none that is made meanwhile is waited for either. Raises
    ProcessGone, AccessDenied, NoHost, ParseError.
    """
    mounts = process.mounts()
    if ours:
        served = [mount.mount_point for mount in mounts if _is_served(mount) and mount.mount_point != b"/"]
        return tree_at(b"/", process.open_named, across=not alone, quietly=False, served=served)
    mount = _mount_of_root(process, mounts)
    if isinstance(mount, Refused):
        return mount
    if _is_served(mount):
        return Refused("its root is served by a process, which may not answer")
    return tree_at(b"/", process.open_named, across=not (alone or any(map(_is_served, mounts))), quietly=False)


def _mount_of_root(process: ProcFs, mounts: list[Mount]) -> Mount | Refused:
    try:
        with opened(process.open_named(b"/", _O_PATH)) as fd:
            number = mount_id(fd, statx(fd))
    except OSError as error:
        unless_exhausted(error)
        return Refused(f"its root may not be looked at: {error.strerror}", "CAP_SYS_PTRACE")
    _, here, host = observer(process.host)
    if host is not None:
        host.close()
    # A process that was chrooted below a mount's root does not list it.
    found = next((mount for mount in (*mounts, *here) if mount.id == number), None)
    return found or Refused("the mount of its root is in no mount table that can be read", "CAP_SYS_ADMIN")


def _is_served(mount: Mount) -> bool:
    return mount.fs_type.startswith(SERVED) and mount.fs_type != _CONTROL
