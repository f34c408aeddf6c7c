"""The records that the iterator mapsd/linux/bpf/held.bpf.c writes: bytes in, values out."""

import struct

from mapsd.errors import ParseError
from mapsd.light import Iterator
from mapsd.model.held import Held, LayerHeld, Walked
from mapsd.parse.same import device_of

_RECORD = struct.Struct("=7Q8I2i6I16s")
_START, _LENGTHS, _LENGTHS_AT = struct.Struct("=Q"), struct.Struct("=3I"), _RECORD.size - 28
_BACKING, _LAYER, _OVERLAY = 8, 16, 32
_REACHED, _UNHASHED, _CUT = 1, 2, 4
_MNT_READONLY = 0x40


def records(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield where each record lies: the start of its mapping, its first byte and the one behind it.

    Raises ParseError for a torn record.
    """
    position = 0
    while position < len(data):
        text = position + _RECORD.size
        if text > len(data):
            raise ParseError("iterator", data[position:], "a torn record")
        end = text + sum(_LENGTHS.unpack_from(data, position + _LENGTHS_AT))
        if end > len(data):
            raise ParseError("iterator", data[position:], "a torn record")
        yield _START.unpack_from(data, position)[0], position, end
        position = end


def parse(record: bytes, page: int) -> Held:
    """Return what one record says; *page* is the size of a page in bytes."""
    return _held(_RECORD.unpack_from(record), record[_RECORD.size:], page)


def _held(record: tuple[int, ...], text: bytes, page: int) -> Held:
    (start, end, offset, key, inode, root_inode, user_inode, device, root_device, user_device, nlink, _,
     mount_id, namespace, mount_flags, outer, index, layers, data_layers, flags, user_len, file_len, _) = record[:23]
    fs_type = bytes(record[23]).partition(b"\0")[0]
    user, file, root = (_walked(flags >> 8 * place, part) for place, part in enumerate(
        (text[:user_len], text[user_len:user_len + file_len], text[user_len + file_len:]), 1))
    layer = LayerHeld(device_of(root_device), root_inode, root, file, bool(mount_flags & _MNT_READONLY),
                      bool(flags & _OVERLAY), index if flags & _LAYER else None, outer if outer >= 0 else None,
                      layers, data_layers)
    return Held(start, end, offset * page, key, device_of(device), inode, nlink, fs_type, user, device_of(user_device),
                user_inode, mount_id, namespace, layer if flags & _BACKING else None)


def _walked(flags: int, path: bytes) -> Walked:
    return Walked(path or b"/", bool(flags & _REACHED), bool(flags & _UNHASHED), bool(flags & _CUT))
