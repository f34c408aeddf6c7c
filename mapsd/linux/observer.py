"""Whose view of the machine's files and mounts is taken: our own, or that of a host seen from inside a container."""

from mapsd.light import TYPE_CHECKING, Sequence
from mapsd.linux import syscalls
from mapsd.linux.views import View
from mapsd.model import Host, Mount
from mapsd.parse import mountinfo

if TYPE_CHECKING:
    from mapsd.linux.elsewhere.hostroot import HostRoot


def observer(host: Host) -> "tuple[View, Sequence[Mount], HostRoot | None]":
    """Return the view of whom a machine's files are seen by, its mounts, and the root to be closed. Raises NoHost."""
    if host.root is None:
        with open("/proc/self/mountinfo", "rb") as file:
            mounts = mountinfo.parse(file.read())
        return View(_openat2, lambda: mounts, b""), mounts, None
    root = _root(host)
    return View(root.open, lambda: root.mounts, root.path), root.mounts, root


def _openat2(path: bytes, flags: int, resolve: int) -> int:
    return syscalls.openat2(syscalls.AT_FDCWD, path, flags, resolve | syscalls.RESOLVE_NO_MAGICLINKS)


def _root(host: Host) -> "HostRoot":
    from mapsd.linux.elsewhere.host import first_mountinfo  # noqa: PLC0415  (most machines are our own)
    from mapsd.linux.elsewhere.hostroot import HostRoot  # noqa: PLC0415
    return HostRoot(host, first_mountinfo(host.procfs))
