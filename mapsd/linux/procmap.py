"""PROCMAP_QUERY: one mapping of a process, with the build id of its file (Linux 6.11).

See <linux/fs.h>, struct procmap_query, and do_procmap_query() in fs/proc/task_mmu.c.
"""

import ctypes
import errno
import fcntl
import os
import struct

from mapsd.light import NamedTuple
from mapsd.linux import syscalls
from mapsd.linux.files import opened
from mapsd.model import DeviceId

_PROCMAP_QUERY = 0xC0686611
# size, query_flags, query_addr, vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode, dev_major, dev_minor,
# vma_name_size, build_id_size, vma_name_addr, build_id_addr
_QUERY = struct.Struct("=9Q4I2Q")
# Bytes. Too few make b5cbacd7f86f ("procfs: avoid fetching build ID while holding VMA lock") drop the memory
# twice.
_ROOM = 64
_MFD_NOEXEC_SEAL = 8  # Linux 6.3


class Queried(NamedTuple):
    """What is mapped at an address; *build_id* is empty where the kernel finds none."""

    start: int
    end: int
    offset: int
    device: DeviceId
    inode: int
    build_id: bytes


def query(maps: int, address: int) -> Queried:
    """Return the mapping at an address, *maps* being a descriptor of the process's maps. Raises OSError.

    ENOTTY: before Linux 6.11. ENOENT: nothing is mapped there. ESRCH: the memory is gone.
    """
    room = ctypes.create_string_buffer(_ROOM)
    asked = bytearray(_QUERY.pack(_QUERY.size, 0, address, *[0] * 9, _ROOM, 0, ctypes.addressof(room)))
    fcntl.ioctl(maps, _PROCMAP_QUERY, asked)
    _, _, _, start, end, _, _, offset, inode, major, minor, _, length, _, _ = _QUERY.unpack(asked)
    return Queried(start, end, offset, DeviceId(major, minor), inode, room.raw[:length])


def is_sound() -> bool:
    """Return whether this kernel may be asked for a build id, tried on a file of our own. Raises OSError.

    Before 777a8560fd29 ("lib/buildid: use __kernel_read() for sleepable context") (in v6.19 and stable kernels)
    it goes to the page cache by itself, and crashes with the process's memory locked where a page of a tmpfs is not
    there. Such a kernel also reads on behind the end of a file: an id that is cut off there is found by it alone.
    """
    page = os.sysconf("SC_PAGE_SIZE")
    with opened(_memfd()) as fd, opened(os.open("/proc/self/maps", os.O_RDONLY | os.O_CLOEXEC)) as maps:
        os.pwrite(fd, _ELF, 0)
        address = syscalls.mmap_page(fd, 0, page)
        try:
            whole = query(maps, address).build_id
            os.ftruncate(fd, len(_ELF) - 4)
            return whole == _ID and not query(maps, address).build_id
        finally:
            syscalls.munmap(address, page)


def _memfd() -> int:
    if not hasattr(os, "memfd_create"):
        raise OSError(errno.ENOSYS, "this Python has no memfd_create")
    try:
        return os.memfd_create("mapsd", os.MFD_CLOEXEC | _MFD_NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return os.memfd_create("mapsd", os.MFD_CLOEXEC)


# 64 bit, in the machine's byte order: a header, one program header, one note. See elf(5).
_ID = b"mapsd's own build id"
_ELF = (struct.pack("=16s2HI3QI6H", b"\x7fELF\2\1\1", 3, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
        + struct.pack("=2I6Q", 4, 4, 120, 0, 0, 36, 36, 4) + struct.pack("=3I4s20s", 4, 20, 3, b"GNU", _ID))
