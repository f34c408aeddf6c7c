"""FUSE filesystems for the tests: one whose server never answers, and one that serves a file."""

import os
import signal
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import missing
from tests.hostile.conftest import storm
from tests.overlay import kernel

ERRORS = {"ENOENT": 2, "ENOSYS": 38}
INIT, LOOKUP, GETATTR, OPEN, READ, RELEASE, FLUSH = 26, 1, 3, 14, 15, 18, 25


@contextmanager
def silent_server(where: Path) -> Iterator[None]:
    """Mount a FUSE filesystem that answers nothing; closing its device wakes whoever waits."""
    device = _device()
    try:
        rooted = "40000" if where.is_dir() else "100000"
        kernel.mount("silent", where, "fuse", 0, f"fd={device},rootmode={rooted},user_id=0,group_id=0")
        yield
    finally:
        os.close(device)
        kernel.umount(where, kernel.MNT_DETACH)


@contextmanager
def server_of(where: Path) -> Iterator[int]:
    """Give the pid of the server of a FUSE filesystem that holds the file `f`; it goes on whatever was done to it."""
    device = _device()
    where.mkdir()
    kernel.mount("served", where, "fuse", 0, f"fd={device},rootmode=40000,user_id=0,group_id=0")
    with storm(lambda: serve(device)) as server:
        os.close(device)
        try:
            yield server
        finally:
            os.kill(server, signal.SIGCONT)
    kernel.umount(where, kernel.MNT_DETACH)


def _device() -> int:
    try:
        return os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        missing("overlay", f"no FUSE: {error}")
        raise


def attributes(node: int) -> bytes:
    mode, size = (stat.S_IFDIR | 0o755, 0) if node == 1 else (stat.S_IFREG | 0o644, 4096)
    return struct.pack("<6Q10I", node, size, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def serve(device: int) -> None:
    """Answer one request for a filesystem that holds the file `f`. See fuse(4), <linux/fuse.h>."""
    request = os.read(device, 1 << 17)
    _, operation, unique, node = struct.unpack_from("<IIQQ", request)
    error, body = 0, b""
    if operation == INIT:
        body = struct.pack("<4I2H2I2H8I", 7, 31, 0, 0, 1, 1, 4096, 1, 1, 0, *[0] * 8)
    elif operation == LOOKUP and request[40:] == b"f\0":
        body = struct.pack("<4Q2I", 2, 0, 0, 0, 0, 0) + attributes(2)
    elif operation == GETATTR:
        body = struct.pack("<Q2I", 0, 0, 0) + attributes(node)
    elif operation == OPEN:
        body = bytes(16)
    elif operation == READ:
        body = b"f" * 4096
    elif operation not in {RELEASE, FLUSH}:
        error = ERRORS["ENOENT" if operation == LOOKUP else "ENOSYS"]
    os.write(device, struct.pack("<IiQ", 16 + len(body), -error, unique) + body)
