"""In which mount namespace a mount is: asked of every namespace of the machine."""

import fcntl
import os
import struct

from mapsd.light import Callable, Iterator
from mapsd.linux import syscalls
from mapsd.linux.files import opened, unless_exhausted
from mapsd.linux.procfs import ProcFs
from mapsd.linux.statmount import statmount
from mapsd.model import HERE, DeviceId
from mapsd.parse import mountinfo
from mapsd.ports import Namespace

# <linux/nsfs.h>, struct mnt_ns_info {size, mounts, id}: Linux 6.12.
_NS_MNT_GET_INFO, _NS_MNT_GET_NEXT, _NS_MNT_GET_PREV = 0x8010B70A, 0x8010B70B, 0x8010B70C
_INFO = struct.Struct("=IIQ")
_READ = os.O_RDONLY | os.O_CLOEXEC


def place_of(fd: int, mount_id: int, process: ProcFs, *, complete: bool) -> Namespace:
    """Return where the mount of *fd* is, seen from a process.

    *complete* says whether the caller sees every namespace (CAP_SYS_ADMIN in the initial user namespace). In another
    pid namespace than the initial one only those of the caller, of the process and of the machine's first process are
    known since "nsfs: tighten permission checks for ns iteration ioctls" (in v7.0 and stable kernels).
    """
    if not complete:
        return Namespace("unknown", "only CAP_SYS_ADMIN in the initial user namespace sees every mount namespace",
                         needs="CAP_SYS_ADMIN")
    unique = syscalls.statx(fd, syscalls.STATX_MNT_ID_UNIQUE).mount_id
    if unique is None or unique == mount_id:
        return Namespace("unknown", "this kernel has no unique mount ids (Linux 6.8)")
    try:
        place = _look(unique, process)
        return Namespace("private") if place.place == "nowhere" and _is_layer_clone(fd) else place
    except OSError as error:
        return Namespace("unknown", f"the mount namespaces cannot be listed: {error.strerror}")


def _is_layer_clone(fd: int) -> bool:
    # ovl_get_layers() makes its clones of the lowers read-only and noatime (fs/overlayfs/super.c).
    wanted = os.ST_RDONLY | os.ST_NOATIME
    return os.fstatvfs(fd).f_flag & wanted == wanted


def _look(unique: int, process: ProcFs) -> Namespace:
    own = process.target("ns/mnt")
    for identity, link in _namespaces(process):
        mount = statmount(unique, identity)
        if mount is not None:
            return Namespace("here" if link == own else "elsewhere", mount=mount)
    return Namespace("nowhere")


def _namespaces(process: ProcFs) -> Iterator[tuple[int, bytes]]:
    """Yield identity and link of each mount namespace, the nearest first; raises OSError where not all can be seen."""
    with opened(os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)) as here:
        yield _identity(here)
        if process.host is not HERE:
            yield from _of_machine(process)
        for step in (_NS_MNT_GET_PREV, _NS_MNT_GET_NEXT):
            yield from _walk(os.dup(here), step)


def _of_machine(process: ProcFs) -> Iterator[tuple[int, bytes]]:
    first = process.host.procfs + b"/1/ns/mnt"
    openers: tuple[Callable[[], int], ...] = (lambda: os.open(first, _READ), lambda: process.open("ns/mnt", _READ))
    for opener in openers:
        try:
            fd = opener()
        except OSError as error:
            # It may not be looked at: the walk through all of them finds it, where that is allowed.
            unless_exhausted(error)
            continue
        with opened(fd):
            yield _identity(fd)


def _identity(namespace: int) -> tuple[int, bytes]:
    info = fcntl.ioctl(namespace, _NS_MNT_GET_INFO, _INFO.pack(_INFO.size, 0, 0))
    return _INFO.unpack(info)[2], os.readlink(b"/proc/self/fd/%d" % namespace)


def _walk(fd: int, step: int) -> Iterator[tuple[int, bytes]]:
    try:
        while True:
            buffer = bytearray(_INFO.pack(_INFO.size, 0, 0))
            try:
                following = fcntl.ioctl(fd, step, buffer)
            except FileNotFoundError:
                return
            os.close(fd)
            fd = following
            yield _INFO.unpack(buffer)[2], os.readlink(b"/proc/self/fd/%d" % fd)
    finally:
        os.close(fd)


def mount_points(device: DeviceId, procfs: bytes) -> list[bytes]:
    """Return the mount points of a superblock in the namespaces of all processes of a procfs that can be read."""
    mark, seen, found = b" %d:%d " % (device.major, device.minor), set(), []
    for name in os.listdir(procfs):
        if not name.isdigit():
            continue
        try:
            space = os.readlink(b"%s/%s/ns/mnt" % (procfs, name))
            if space in seen:
                continue
            seen.add(space)
            with open(b"%s/%s/mountinfo" % (procfs, name), "rb") as file:
                found += [mountinfo.parse_line(line.rstrip(b"\n")).mount_point for line in file if mark in line]
        except OSError as error:
            # It exited, or may not be read: its namespace is then not known.
            unless_exhausted(error)
    return list(dict.fromkeys(found))
