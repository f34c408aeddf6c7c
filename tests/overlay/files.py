"""Real files of layers: what they are, without any of mapsd's code."""

import os
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


def fill(path: Path, tag: str, pages: int = 2) -> None:
    """Write a file whose every page is unique."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(f"{tag} page {n}\n".encode().ljust(PAGE, b".") for n in range(pages)))
