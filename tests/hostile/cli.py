"""The shipped command in a process of its own, with a bound: a hostile file must not stop it."""

import base64
import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.schema import validate

CHECKOUT = Path(__file__).resolve().parents[2]
BOUND = 20  # seconds
IN_OPEN, IN_ACCESS, IN_NONBLOCK = 0x20, 1, 0o4000


def cli(pid: int, *prefix: object) -> dict[int, dict]:
    """Return the answer by start address; a traceback, a message or a hang fails the test."""
    command = [*prefix, sys.executable, "-m", "mapsd.cli", "lookup", str(pid), "--json"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, timeout=BOUND, check=False)
    assert (done.returncode, done.stderr if not prefix else b"") == (0, b""), done.stderr.decode()
    assert not any(byte < 0x20 and byte != 0x0A for byte in done.stdout), "a raw control byte"
    return {int(mapping["start"], 16): mapping for mapping in validate(json.loads(done.stdout))["mappings"]}


def exact(answer: dict, field: str) -> bytes | None:
    """Return a path of the answer as bytes."""
    if answer[field] is None:
        return None
    encoded = answer.get(f"{field}_base64")
    return base64.b64decode(encoded) if encoded else answer[field].encode()


@contextmanager
def never_opened(path: Path | bytes) -> Iterator[None]:
    """Fail where what lies at *path* was opened for reading meanwhile; O_PATH does not count. See inotify(7)."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(IN_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(path), IN_OPEN | IN_ACCESS | 0x02000000) > 0
    try:
        yield
        try:
            events = os.read(watch, 4096)
        except BlockingIOError:
            events = b""
        assert not events, "it was opened"
    finally:
        os.close(watch)
