"""What the hostile tests share: an overlay, forked bodies, mappings of the forked child itself."""

import mmap
import os
from collections.abc import Callable
from pathlib import Path

from tests.overlay import kernel
from tests.overlay.conftest import asked

STATES = {"current", "copied-up", "replaced", "deleted", "covered", "detached", "unreachable", "unknown"}


def overlay(base: Path, options: str = "") -> Path:
    """Mount an overlay whose lower layer holds the files one and two, its upper one fresh and other."""
    for name in ("lower/dir", "upper/dir", "work", "merged", "elsewhere"):
        (base / name).mkdir(parents=True)
    for path in ("lower/one", "lower/two", "lower/dir/deep", "upper/fresh", "upper/other"):
        (base / path).write_bytes(path.encode().ljust(8192, b"."))
    kernel.mount("overlay", base / "merged", "overlay", 0,
                 f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work{options}")
    return base / "merged"


def forked(body: Callable[[], object]) -> int:
    """Run *body* in a child that exits afterwards, and return its pid."""
    child = os.fork()
    if not child:
        try:
            body()
        finally:
            os._exit(0)
    return child


def mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        found = mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ)
    assert found[0]
    return found


def of_file(pid: int, inode: int, device: str) -> list[dict]:
    """Return the answers for the mappings that the kernel shows with this identity."""
    return [m for m in asked(pid).values() if (m["shown"]["inode"], m["shown"]["device"]) == (inode, device)]


def identity(path: Path) -> tuple[int, str]:
    """Return the inode and device of a file as the contract writes them."""
    seen = os.stat(path)
    return seen.st_ino, f"{os.major(seen.st_dev)}:{os.minor(seen.st_dev)}"
