"""System calls that Python lacks, under the kernel's names: thin, each raises OSError."""

import ctypes
import errno
import os
import struct

from mapsd.light import NamedTuple
from mapsd.linux import numbers
from mapsd.model import DeviceId, Handle

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_STATX_DONT_SYNC = 0x4000
AT_HANDLE_FID = 0x200
AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT = 0x100, 0x800
RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH, RESOLVE_IN_ROOT = 1, 2, 4, 8, 16
STATX_BASIC_STATS, STATX_BTIME, STATX_MNT_ID, STATX_MNT_ID_UNIQUE = 0x7FF, 0x800, 0x1000, 0x4000
PROT_READ, MAP_SHARED, MADV_POPULATE_READ = 1, 1, 22
PROC_SUPER_MAGIC = 0x9FA0  # <linux/magic.h>

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def _check(result: int) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


_OPEN_HOW = struct.Struct("=QQQ")
_OPEN_HOW_SIZE = ctypes.c_size_t(_OPEN_HOW.size)
_LACKING = {errno.ENOSYS, errno.EPERM}  # from an older kernel, or from a filter of system calls: seccomp(2)


def openat2(dirfd: int, path: bytes, flags: int, resolve: int) -> int:
    """Open *path* below *dirfd* (openat2(2), Linux 5.6) and return the descriptor; raises OSError.

    Without the call it is opened step by step.
    """
    how = _OPEN_HOW.pack(flags | os.O_CLOEXEC, 0, resolve)
    fd = int(_libc.syscall(numbers.of("openat2"), dirfd, path, how, _OPEN_HOW_SIZE))
    if fd == -1 and ctypes.get_errno() in _LACKING:
        number = ctypes.get_errno()
        if _lacks_openat2():
            from mapsd.linux.stepwise import open_stepwise  # noqa: PLC0415  (most kernels have the call)
            return open_stepwise(dirfd, path, flags, resolve)
        raise OSError(number, os.strerror(number))
    return _check(fd)


def _lacks_openat2() -> bool:
    # Asked for nothing, the call itself says EINVAL. Nothing is remembered: a filter may be added at any time.
    return _libc.syscall(numbers.of("openat2"), AT_FDCWD, b"", b"", ctypes.c_size_t(0)) == -1 and (
        ctypes.get_errno() in _LACKING)


def fstatfs_type(fd: int) -> int:
    """Return the magic number of the filesystem that a descriptor is on. See statfs(2)."""
    buffer = ctypes.create_string_buffer(256)
    _check(_libc.fstatfs(fd, buffer))
    return int(struct.unpack_from("=q", buffer)[0])


class Statx(NamedTuple):
    """The fields of struct statx that mapsd reads, times in nanoseconds since the epoch.

    *mount_id* is None before Linux 5.8, *born* where the filesystem keeps no time of birth.
    """

    mode: int
    inode: int
    size: int
    nlink: int
    device: DeviceId
    rdev: DeviceId
    mount_id: int | None
    born: int | None
    changed: int


Fields = tuple[int, ...]
_SECOND = 10**9
_STATX = struct.Struct("=I12xI8xH2xQQ32xqI4xqI20xIIIIQ")
_StatxBuffer = ctypes.c_char * 256  # a lookup makes hundreds, and create_string_buffer takes longer than the call


def statx_fields(dirfd: int, path: bytes = b"", mask: int = STATX_MNT_ID, flags: int = 0) -> Fields:
    """Return what Statx is made of, fit to be compared: of the descriptor *dirfd*, or of what *path* opens below it.

    A server behind the filesystem is not asked. See statx(2).
    """
    buffer = _StatxBuffer()
    wanted = STATX_BASIC_STATS | STATX_BTIME | mask
    _check(_libc.syscall(numbers.of("statx"), dirfd, path, AT_EMPTY_PATH | AT_STATX_DONT_SYNC | flags, wanted, buffer))
    return _STATX.unpack_from(buffer)


def identity_of(fields: Fields) -> Fields:
    """Return which file on which mount the fields are of: what stays as long as it exists."""
    return (*fields[2:4], *fields[5:7], *fields[11:])  # mode, inode, time of birth, device, mount


def statx(dirfd: int, mask: int = STATX_MNT_ID) -> Statx:
    """Return what the descriptor *dirfd* is; a server behind its filesystem is not asked. See statx(2)."""
    return statx_of(statx_fields(dirfd, mask=mask), mask)


def statx_of(fields: Fields, mask: int = STATX_MNT_ID) -> Statx:
    """Return the fields, asked for with *mask*, by their names."""
    (got, nlink, mode, inode, size, born, born_ns, changed, changed_ns,
     rmajor, rminor, major, minor, mount_id) = fields
    return Statx(mode, inode, size, nlink, DeviceId(major, minor), DeviceId(rmajor, rminor),
                 mount_id if got & mask else None, born * _SECOND + born_ns if got & STATX_BTIME else None,
                 changed * _SECOND + changed_ns)


def name_to_handle_at(fd: int, flags: int = AT_HANDLE_FID) -> Handle:
    """Return the handle by which the filesystem knows an open file; AT_HANDLE_FID is Linux 6.6."""
    size = 128
    buffer = ctypes.create_string_buffer(struct.pack("Ii", size, 0), 8 + size)
    mount_id = ctypes.c_int()
    _check(_libc.name_to_handle_at(fd, b"", buffer, ctypes.byref(mount_id), AT_EMPTY_PATH | flags))
    length, kind = struct.unpack_from("Ii", buffer)
    return Handle(kind, buffer.raw[8:8 + length])


def open_by_handle_at(mount_fd: int, handle: Handle, flags: int) -> int:
    """Return a descriptor of the file that *handle* names. Needs CAP_DAC_READ_SEARCH."""
    buffer = struct.pack("Ii", len(handle.data), handle.type) + handle.data
    return _check(_libc.open_by_handle_at(mount_fd, buffer, flags | os.O_CLOEXEC))


def statmount(unique_id: int, namespace_id: int, mask: int, size: int) -> bytes:
    """Return struct statmount and its strings for a mount of a namespace (Linux 6.11). See statmount(2)."""
    request = struct.pack("IIQQQ", 32, 0, unique_id, mask, namespace_id)
    buffer = ctypes.create_string_buffer(size)
    _check(_libc.syscall(numbers.of("statmount"), request, buffer, ctypes.c_size_t(size), 0))
    return buffer.raw


def mount(source: bytes, target: bytes, fs_type: bytes | None, flags: int = 0, data: bytes = b"") -> None:
    """Mount a filesystem. See mount(2)."""
    _check(_libc.mount(source, target, fs_type, ctypes.c_ulong(flags), data))


def unshare(flags: int) -> None:
    """Leave namespaces that the calling thread shares. See unshare(2)."""
    _check(_libc.unshare(flags))


def pivot_root(new_root: bytes, put_old: bytes) -> None:
    """Make another mount the root of the mount namespace. See pivot_root(2)."""
    _check(_libc.pivot_root(new_root, put_old))


def umount2(target: bytes, flags: int) -> None:
    """Unmount a filesystem. See umount2(2)."""
    _check(_libc.umount2(target, flags))


def mmap_page(fd: int, offset: int, length: int) -> int:
    """Return the address of *length* bytes of a file, mapped shared and read-only."""
    address = _libc.mmap(None, length, PROT_READ, MAP_SHARED, fd, offset)
    if address in {None, ctypes.c_void_p(-1).value}:
        _check(-1)
    return int(address)


def munmap(address: int, length: int) -> None:
    """Remove a mapping of ours."""
    _check(_libc.munmap(address, length))


def mincore(address: int) -> bool:
    """Return whether the page at *address* is in memory. See mincore(2)."""
    vector = ctypes.create_string_buffer(1)
    _check(_libc.mincore(address, 1, vector))
    return bool(vector.raw[0] & 1)


def populate_read(address: int, length: int) -> None:
    """Fault a page of ours in without a SIGBUS where the file was truncated: OSError instead."""
    if _libc.madvise(address, length, MADV_POPULATE_READ) == 0:
        return
    if ctypes.get_errno() != 22:  # EINVAL: before Linux 5.14
        _check(-1)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        _check(_libc.write(writer, ctypes.c_void_p(address), ctypes.c_size_t(1)))
    finally:
        os.close(reader)
        os.close(writer)


def capget(header: bytes, size: int) -> bytes:
    """Return the calling thread's capability sets, *size* bytes. See capget(2)."""
    data = ctypes.create_string_buffer(size)
    _check(_libc.syscall(numbers.of("capget"), header, data))
    return data.raw


def capset(header: bytes, data: bytes) -> None:
    """Set the calling thread's capability sets. See capset(2)."""
    _check(_libc.syscall(numbers.of("capset"), header, data))


def setgroups(groups: tuple[int, ...]) -> None:
    """Set the supplementary groups of the calling thread alone, as the C library does not. See setgroups(2)."""
    array = (ctypes.c_uint32 * max(len(groups), 1))(*groups)
    _check(_libc.syscall(numbers.of("setgroups"), ctypes.c_size_t(len(groups)), array))


def setresuid(real: int, effective: int, saved: int) -> None:
    """Set the user ids of the calling thread alone; -1 keeps one. See setresuid(2)."""
    _check(_libc.syscall(numbers.of("setresuid"), real, effective, saved))


def setresgid(real: int, effective: int, saved: int) -> None:
    """Set the group ids of the calling thread alone; -1 keeps one. See setresgid(2)."""
    _check(_libc.syscall(numbers.of("setresgid"), real, effective, saved))


def prctl(option: int, value: int) -> int:
    """Return what an operation on the process gives. See prctl(2)."""
    return _check(int(_libc.prctl(option, value, 0, 0, 0)))
