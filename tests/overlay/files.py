"""Real files of layers: what they are, without any of mapsd's code."""

import hashlib
import os
import struct
from pathlib import Path

from tests.overlay.target import PAGE


def device(path: str | Path) -> str:
    """Return the device of the filesystem that a file is on, as this process's mountinfo has it."""
    fd = os.open(path, os.O_PATH)
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
            mount = next(line.split()[1] for line in file if line.startswith("mnt_id:"))
        number = os.fstat(fd).st_dev
    finally:
        os.close(fd)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            if line.split(" ", 1)[0] == mount:
                return line.split(" ")[2]
    return f"{os.major(number)}:{os.minor(number)}"


def identity(path: str | Path) -> tuple[str, int]:
    """Return the device and inode of a real file."""
    return device(path), os.stat(path).st_ino


def pass_tick(where: Path) -> None:
    """Wait until what changes is younger than all that there is: the clock of files has ticks."""
    one, other = where / "tick", where / "tock"
    one.touch()
    other.touch()
    while other.stat().st_ctime_ns <= one.stat().st_ctime_ns:
        other.touch()
    one.unlink()
    other.unlink()


def fill(path: Path, tag: str, pages: int = 2) -> None:
    """Write a file whose every page is unique; it begins as an ELF file with a build id of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [f"{tag} page {number}\n".encode() for number in range(pages)]
    path.write_bytes(b"".join((text if number else elf(tag) + text).ljust(PAGE, b".")
                              for number, text in enumerate(texts)))


def elf(tag: str) -> bytes:
    """Return the first bytes of a program: headers, and a note with the build id that belongs to *tag* (elf(5))."""
    note = struct.pack("=III4s20s", 4, 20, 3, b"GNU", hashlib.sha1(os.fsencode(tag)).digest())
    header = struct.pack("=16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("=IIQQQQQQ", 4, 4, 120, 120, 120, len(note), len(note), 4) + note
