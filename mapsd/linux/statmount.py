"""A mount of any namespace, asked by its unique id. See statmount(2) and <linux/mount.h>, struct statmount."""

import errno
import struct

from mapsd.linux import syscalls
from mapsd.model import DeviceId, Mount

_SB_BASIC, _MNT_BASIC, _MNT_ROOT, _MNT_POINT, _FS_TYPE, _MNT_OPTS = 1, 2, 8, 16, 32, 128
_MASK = _SB_BASIC | _MNT_BASIC | _MNT_ROOT | _MNT_POINT | _FS_TYPE | _MNT_OPTS
# mnt_opts, sb_dev_major, sb_dev_minor, fs_type, mnt_id_old, mnt_parent_id_old, mnt_root, mnt_point
_FIELDS = struct.Struct("=4xI8xII12xI16xII40xII")
_STRINGS = 512
_SIZES = (1 << 14, 1 << 18, 1 << 22)


def statmount(unique_id: int, namespace_id: int) -> Mount | None:
    """Return a mount of a namespace, None where the namespace does not have it; raises OSError."""
    for size in _SIZES:
        try:
            return _mount(syscalls.statmount(unique_id, namespace_id, _MASK, size))
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EOVERFLOW:
                raise
    raise OSError(errno.EOVERFLOW, "a mount's options are longer than 4 MiB")


def _mount(data: bytes) -> Mount:
    options, major, minor, fs_type, identity, parent, root, mount_point = _FIELDS.unpack_from(data)
    return Mount(identity, parent, DeviceId(major, minor), _string(data, root), _string(data, mount_point),
                 _string(data, fs_type), _string(data, options))


def _string(data: bytes, offset: int) -> bytes:
    start = _STRINGS + offset
    return data[start:data.index(b"\0", start)]
