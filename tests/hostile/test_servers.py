"""Filesystems whose server never answers, mounted where a lookup may pass: it must not wait for them."""

import os
import signal
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.hostile.cli import cli
from tests.hostile.conftest import storm
from tests.hostile.scenes import overlay
from tests.overlay import kernel
from tests.overlay.target import Target


@contextmanager
def silent_server(where: Path) -> Iterator[None]:
    """Mount a FUSE filesystem that answers nothing; closing its device wakes whoever waits."""
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        missing("overlay", f"no FUSE: {error}")
    try:
        rooted = "40000" if where.is_dir() else "100000"
        kernel.mount("silent", where, "fuse", 0, f"fd={device},rootmode={rooted},user_id=0,group_id=0")
        yield
    finally:
        os.close(device)
        kernel.umount(where, kernel.MNT_DETACH)


@pytest.mark.parametrize("over", ["dir", "dir/deep"])
def test_a_silent_server_over_the_mapped_file_covers_it(base, mapper, over):
    merged = overlay(base)
    with Target(mapper) as target:
        address = target.map(merged / "dir" / "deep")
        with silent_server(merged / over):
            found = cli(target.pid)[address]
        assert found["state"] in {"covered", "unknown"}, found
        assert found["backing"] is None or found["backing"]["path"] == str(base / "lower/dir/deep"), found


def test_a_silent_server_in_the_target_namespace_is_not_asked(base, mapper):
    merged = overlay(base)
    (merged / "trap").mkdir()
    with silent_server(base / "elsewhere"), Target(mapper) as target:
        address = target.map(merged / "dir" / "deep")
        target.ask("newns")
        target.ask("bind", base / "elsewhere", merged / "trap")
        found = cli(target.pid)[address]
    assert (found["state"], found["backing"]["path"]) == ("current", str(base / "lower/dir/deep")), found


def test_a_silent_server_behind_a_symlink_at_the_name_is_not_asked(base, mapper):
    merged = overlay(base)
    with Target(mapper) as target:
        address = target.map(merged / "one")
        (merged / "one").unlink()
        with silent_server(base / "elsewhere"):
            (merged / "one").symlink_to(base / "elsewhere" / "x")
            found = cli(target.pid)[address]
        assert found["state"] in {"replaced", "deleted", "unknown"}, found


def test_a_silent_server_over_a_layer_is_not_asked(base, mapper):
    merged = overlay(base)
    with Target(mapper) as target:
        address = target.map(merged / "one")
        with silent_server(base / "lower"):
            found = cli(target.pid)[address]
        assert found["user_path"] == str(merged / "one"), found
        assert found["backing"] is None or found["backing"]["inode"] == os.stat(merged / "one").st_ino, found


ERRORS = {"ENOENT": 2, "ENOSYS": 38}
INIT, LOOKUP, GETATTR, OPEN, READ, RELEASE, FLUSH = 26, 1, 3, 14, 15, 18, 25


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


@pytest.mark.parametrize("stopped", [False, True])
def test_a_mapped_file_whose_server_has_stopped_is_answered(base, mapper, stopped):
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        missing("overlay", f"no FUSE: {error}")
    where = base / "served"
    where.mkdir()
    kernel.mount("served", where, "fuse", 0, f"fd={device},rootmode=40000,user_id=0,group_id=0")
    with storm(lambda: serve(device)) as server, Target(mapper) as target:
        os.close(device)
        address = target.map(where / "f")
        if stopped:
            os.kill(server, signal.SIGSTOP)
        try:
            found = cli(target.pid)[address]
        finally:
            os.kill(server, signal.SIGCONT)
    assert (found["kind"], found["backing"]) == ("file", None), found
    assert found["state"] in {"current", "unknown"}, found
    assert stopped or found["state"] == "current", found
    kernel.umount(where, kernel.MNT_DETACH)
