"""Real servers that merge directories outside the kernel, and mappings of what they show."""

import mmap
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from tests.conftest import missing

PAGE, PAGES = mmap.PAGESIZE, 40  # more pages than are read or mapped at once around one


def text_of(name: str, pages: int = PAGES) -> bytes:
    """Return bytes that no other name has, on any page."""
    return b"".join(f"{name} {number};".encode().ljust(PAGE, b".") for number in range(pages))


def directories(base: Path, *names: str) -> list[Path]:
    found = [base / name for name in names]
    for one in found:
        one.mkdir()
    return found


def past(path: Path) -> None:
    """Wait until a file's time of change is older than the start of any later process, by more than its rounding."""
    while time.time_ns() - path.stat().st_ctime_ns < 1_200_000_000:
        time.sleep(0.02)


@contextmanager
def served(command: list[object], point: Path, group: str = "overlay") -> Iterator[int]:
    """Run a server that puts itself in the background, until its mount is taken away; give its process."""
    if not Path("/dev/fuse").exists() or shutil.which(str(command[0])) is None:
        missing(group, f"needs {command[0]} and FUSE")
    subprocess.run([*map(str, command), point], check=True, stdout=subprocess.DEVNULL)
    try:
        yield server_of(point)
    finally:
        subprocess.run(["umount", "-l", point], check=True)


@contextmanager
def ended(point: Path) -> Iterator[None]:
    """End the server of a mount that only a namespace of its own has."""
    try:
        yield
    finally:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):
                words = Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
                if words[0] == b"fuse-overlayfs" and os.fsencode(point) in words:
                    os.kill(int(pid), signal.SIGKILL)


def server_of(point: Path) -> int:
    """Return the process that has the connection of a mount open."""
    number = os.minor(point.stat().st_dev)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            for path in Path("/proc", pid, "fdinfo").iterdir():
                if f"fuse_connection:\t{number}\n" in path.read_text():
                    return int(pid)
    missing("overlay", "the kernel does not say who serves a FUSE filesystem (Linux 6.16)")
    raise AssertionError


class Mapped:
    """A mapping of our own that is read a page at a time; the truth is what it holds."""

    def __init__(self, path: Path, *touched: int, private: bool = False) -> None:
        with path.open("rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE if private else mmap.MAP_SHARED,
                                 prot=mmap.PROT_READ | (mmap.PROT_WRITE if private else 0))
        self.map.madvise(mmap.MADV_RANDOM)
        for page in touched:
            self.map[page * PAGE]
        self.address = _address(self.map)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.map.close()

    def whole(self) -> bytes:
        """Return all bytes, which asks the server for what is not in memory."""
        return self.map[:]


def _address(mapped: mmap.mmap) -> int:
    import ctypes  # noqa: PLC0415  (one use)

    class Buffer(ctypes.Structure):
        _fields_ = (("buf", ctypes.c_void_p), ("obj", ctypes.py_object), ("rest", ctypes.c_byte * 128))

    found = Buffer()
    api = ctypes.pythonapi
    assert api.PyObject_GetBuffer(ctypes.py_object(mapped), ctypes.byref(found), 0) == 0
    api.PyBuffer_Release(ctypes.byref(found))
    return found.buf
