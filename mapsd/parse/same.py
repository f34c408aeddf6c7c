"""The records that the iterator mapsd/linux/bpf/same.bpf.c writes: bytes in, values out."""

import struct

from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING, Iterator, NamedTuple
from mapsd.model import DeviceId, Vma

if TYPE_CHECKING:
    from mapsd.model.held import Held

_RECORD = struct.Struct("=6Q4I")
_MINOR_BITS = 20


class Identity(NamedTuple):
    """What two mappings are compared by: *key*, *device* and *inode* of the file that is really held; see Held.

    The user's file and the mount that it was opened on are those of Held, too.
    """

    start: int
    end: int
    offset: int
    key: int
    device: DeviceId
    inode: int
    user_device: DeviceId
    user_inode: int
    mount_id: int


def records(data: bytes) -> Iterator[tuple[int, ...]]:
    """Yield each record, of which the first member is the start of its mapping. Raises ParseError for a torn one."""
    whole = len(data) - len(data) % _RECORD.size
    if whole != len(data):
        raise ParseError("iterator", data[whole:], "a torn record")
    return _RECORD.iter_unpack(data)


def identity(record: tuple[int, ...], page: int) -> Identity:
    """Return what one record says; *page* is the size of a page in bytes."""
    start, end, offset, key, inode, user_inode, device, user_device, mount_id, _ = record
    return Identity(start, end, offset * page, key, device_of(device), inode, device_of(user_device), user_inode,
                    mount_id)


def is_at(one: "Identity | Held", vma: Vma) -> bool:
    """Return whether what a record says is said of a line of maps."""
    return (one.end, one.offset, one.user_device, one.user_inode) == (vma.end, vma.offset, vma.device, vma.inode)


def is_of(record: tuple[int, ...], vma: Vma, page: int) -> bool:
    """Return what is_at() returns of the identity of a record; *page* is the size of a page in bytes."""
    device = vma.device
    return (record[1], record[2] * page, record[5], record[7]) == (
        vma.end, vma.offset, vma.inode, device.major << _MINOR_BITS | device.minor)


def device_of(number: int) -> DeviceId:
    """Return what the kernel's own dev_t says, include/linux/kdev_t.h: it is not the one of user space."""
    return DeviceId(number >> _MINOR_BITS, number & (1 << _MINOR_BITS) - 1)
