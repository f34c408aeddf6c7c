"""System calls that fail in the calling process and in those that it starts, as on an older kernel. See seccomp(2)."""

import ctypes
import struct
from typing import NamedTuple

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD, _AND, _EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06  # <linux/bpf_common.h>: LD|W|ABS, ALU|AND|K, JMP|JEQ|K, RET|K
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_ARGUMENTS = 16  # where struct seccomp_data has them


class Forbidden(NamedTuple):
    """A call that fails with *error*: always, or where the lower half of *argument*, masked, is *value*."""

    number: int
    error: int
    argument: int | None = None
    mask: int = 0xFFFFFFFF
    value: int = 0


def forbid(*calls: Forbidden) -> None:
    """Let the calls fail from now on, for good."""
    code = b"".join(map(_block, calls)) + _instruction(_RETURN, _ALLOW)
    room = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(room))
    assert _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert _libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, program, 0, 0) == 0


def _block(call: Forbidden) -> bytes:
    end = _instruction(_RETURN, _ERRNO | call.error)
    if call.argument is not None:
        place = _ARGUMENTS + 8 * call.argument
        only = _instruction(_AND, call.mask) + _instruction(_EQUAL, call.value, otherwise=1)
        end = _instruction(_LOAD, place) + only + end
    return _instruction(_LOAD, 0) + _instruction(_EQUAL, call.number, otherwise=len(end) // 8) + end


def _instruction(code: int, operand: int, *, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, 0, otherwise, operand)
