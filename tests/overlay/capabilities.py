"""Ask as a process that lacks capabilities: a forked child gives them up and looks."""

import ctypes
import json
import os
import struct
import traceback

from mapsd import lookup, render
from tests import schema

DAC_OVERRIDE, DAC_READ_SEARCH, SYS_PTRACE, SYS_ADMIN, CHECKPOINT_RESTORE = 1, 2, 19, 21, 40
LACKING = {
    "no SYS_ADMIN": (SYS_ADMIN,),
    "no DAC": (SYS_ADMIN, DAC_OVERRIDE, DAC_READ_SEARCH),
    "maps only": (SYS_ADMIN, CHECKPOINT_RESTORE, DAC_OVERRIDE, DAC_READ_SEARCH),
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
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.close(reader)
            drop(numbers)
            with os.fdopen(writer, "w") as file:
                json.dump(render.as_json(lookup(pid)), file)
            status = 0
        except BaseException:  # noqa: BLE001  (a forked child must not return into the test runner)
            traceback.print_exc()
        os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    assert os.waitpid(child, 0)[1] == 0
    return {int(mapping["start"], 16): mapping for mapping in schema.validate(json.loads(text))["mappings"]}
