"""The shipped command as a process of its own, and processes in known states to ask it about."""

import base64
import contextlib
import ctypes
import json
import mmap
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.schema import validate

CHECKOUT = Path(__file__).resolve().parents[2]
MAPSD = CHECKOUT / "bin/mapsd"
BOUND = 30  # seconds
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
PR_SET_NAME = 15


def mapsd(*words: object, prefix: list[str] | None = None, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run bin/mapsd; whatever happens, there is no traceback and stderr is made of its own lines."""
    command = [*(prefix or []), MAPSD, "lookup", *(word if isinstance(word, bytes) else str(word) for word in words)]
    done = subprocess.run(command, capture_output=True, timeout=BOUND, check=False, **options)
    assert not done.stderr or done.stderr.endswith(b"\n")
    assert all(line.startswith(b"mapsd: ") for line in done.stderr.splitlines()), done.stderr.decode()
    return done


def said(done: subprocess.CompletedProcess[bytes]) -> tuple[int, str]:
    return done.returncode, done.stderr.decode()


def as_json(*words: object) -> dict:
    """Return the one valid object of a command that succeeds."""
    done = mapsd(*words, "--json")
    assert said(done) == (0, "")
    return validate(json.loads(done.stdout))


def exact(answer: dict, field: str) -> bytes:
    encoded = answer.get(f"{field}_base64")
    return base64.b64decode(encoded) if encoded else answer[field].encode()


@contextmanager
def child(body: Callable[[], object], *, stays: bool = True) -> Iterator[int]:
    """Give the pid of a forked child that has run *body*, and then waits (or has exited and is a zombie)."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            kept = body()
            os.write(writer, b".")
            while stays:
                signal.pause()
            del kept
        finally:
            os._exit(0)
    os.close(writer)
    try:
        if stays:
            assert os.read(reader, 1) == b".", "the child failed"
        else:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        yield pid
    finally:
        os.close(reader)
        ended(pid)


def ended(pid: int) -> None:
    """End a child for good, unless that was done already."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def mapped(*paths: bytes | Path) -> list[mmap.mmap]:
    """Map a page of each file into this process."""
    held = []
    for path in paths:
        with open(path, "rb") as file:
            held.append(mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ))
    return held


def renamed(name: bytes) -> int:
    """Give this process another name. See PR_SET_NAME(2const)."""
    return ctypes.CDLL(None).prctl(PR_SET_NAME, name, 0, 0, 0)


def until(true: Callable[[], object]) -> None:
    """Poll until something is true."""
    end = time.monotonic() + BOUND
    while not true():
        assert time.monotonic() < end, "never became true"


def opened_by(pid: int) -> set[str]:
    """Return what a process has open."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found
