"""The commands of bpf(2) that mapsd needs: thin, under the kernel's names, each raises OSError."""

import ctypes
import os
import struct

from mapsd.linux import numbers

_MAP_CREATE, _MAP_UPDATE_ELEM, _PROG_LOAD, _OBJ_PIN, _PROG_RUN, _LINK_CREATE, _ITER_CREATE = 0, 2, 5, 6, 10, 28, 33
_MAP_TYPE_ARRAY, _PROG_TYPE_SYSCALL, _F_SLEEPABLE, _TRACE_ITER = 2, 31, 1 << 4, 28

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _bpf(command: int, attributes: ctypes.Array[ctypes.c_char]) -> int:
    result = int(_libc.syscall(numbers.of("bpf"), command, attributes, ctypes.c_size_t(len(attributes))))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _attributes(form: str, *values: object) -> ctypes.Array[ctypes.c_char]:
    data = struct.pack(form, *values)
    return ctypes.create_string_buffer(data, len(data))


def _address(buffer: ctypes.Array[ctypes.c_char]) -> int:
    return ctypes.addressof(buffer)


def _bytes(data: bytes) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(data, len(data))


def map_of(value: bytes) -> int:
    """Return a descriptor of an array map with one element, *value*."""
    fd = _bpf(_MAP_CREATE, _attributes("=7I16s", _MAP_TYPE_ARRAY, 4, len(value), 1, 0, 0, 0, b"mapsd"))
    try:
        map_update_elem(fd, value)
    except OSError:
        os.close(fd)
        raise
    return fd


def map_update_elem(fd: int, value: bytes) -> None:
    """Set the first element of an array map."""
    key, held = _bytes(bytes(4)), _bytes(value)
    _bpf(_MAP_UPDATE_ELEM, _attributes("=IxxxxQQQ", fd, _address(key), _address(held), 0))


def prog_load_syscall(insns: bytes, map_fd: int) -> int:
    """Return a descriptor of a program of BPF_PROG_TYPE_SYSCALL (Linux 5.14). Needs CAP_BPF and CAP_PERFMON."""
    code, license_, fds = _bytes(insns), _bytes(b"Dual BSD/GPL\0"), _bytes(struct.pack("=i", map_fd))
    return _bpf(_PROG_LOAD, _attributes("=IIQQIIQII16s56xQ", _PROG_TYPE_SYSCALL, len(insns) // 8, _address(code),
                                        _address(license_), 0, 0, 0, 0, _F_SLEEPABLE, b"mapsd", _address(fds)))


def prog_run(prog_fd: int, context: bytes) -> bytes:
    """Run a program once and return its context afterwards; its own failure is an OSError as well."""
    changed = _bytes(context)
    attributes = _attributes("=II32xIIQ24x", prog_fd, 0, len(context), 0, _address(changed))
    _bpf(_PROG_RUN, attributes)
    [result] = struct.unpack_from("=i", attributes.raw, 4)
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return changed.raw


def link_create(prog_fd: int, tgid: int | None = None) -> int:
    """Return a descriptor of an iterator's link: over the threads of one process (Linux 6.1), else over all."""
    # By pid: by tid, 6.18 never ends once the text is longer than one buffer.
    task = _bytes(struct.pack("=III", 0, tgid or 0, 0))
    where = (_address(task), len(task)) if tgid is not None else (0, 0)
    return _bpf(_LINK_CREATE, _attributes("=IIIIQII", prog_fd, 0, _TRACE_ITER, 0, *where, 0))


def iter_create(link_fd: int) -> int:
    """Return a descriptor from which an iterator's output is read, once."""
    return _bpf(_ITER_CREATE, _attributes("=II", link_fd, 0))


def obj_pin(fd: int, path: bytes) -> None:
    """Give a link a name in bpffs."""
    name = _bytes(path + b"\0")
    _bpf(_OBJ_PIN, _attributes("=QII", _address(name), fd, 0))
