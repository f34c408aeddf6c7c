"""Ask as a process that lacks capabilities: a forked child gives them up and looks."""

import ctypes
import struct

from tests.overlay.child import told
from tests.schema import answered

DAC_OVERRIDE, DAC_READ_SEARCH, SYS_PTRACE, SYS_ADMIN, PERFMON, BPF, CHECKPOINT_RESTORE = 1, 2, 19, 21, 38, 39, 40
LACKING = {
    "no SYS_ADMIN": (SYS_ADMIN,),
    "no SYS_ADMIN, no BPF": (SYS_ADMIN, BPF),
    "no DAC": (SYS_ADMIN, PERFMON, DAC_OVERRIDE, DAC_READ_SEARCH),
    "maps and BPF": (SYS_ADMIN, CHECKPOINT_RESTORE, DAC_OVERRIDE, DAC_READ_SEARCH),
    "maps only": (SYS_ADMIN, BPF, PERFMON, CHECKPOINT_RESTORE, DAC_OVERRIDE, DAC_READ_SEARCH),
}
_libc = ctypes.CDLL(None, use_errno=True)
_VERSION_3 = 0x20080522


def drop(numbers: tuple[int, ...]) -> None:
    """Give up capabilities for good. See capset(2)."""
    header = struct.pack("Ii", _VERSION_3, 0)
    now = ctypes.create_string_buffer(24)
    assert _libc.capget(header, now) == 0
    words = list(struct.unpack("6I", now.raw))
    for number in numbers:
        for kind in range(3):
            words[number // 32 * 3 + kind] &= ~(1 << number % 32)
    assert _libc.capset(header, struct.pack("6I", *words)) == 0


def asked_lacking(pid: int, numbers: tuple[int, ...]) -> dict[int, dict]:
    """Return the answer of a child without these capabilities, by start address."""
    found = told(lambda: drop(numbers) or answered(pid))
    return {int(mapping["start"], 16): mapping for mapping in found["mappings"]}
