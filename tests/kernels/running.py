"""Suites whose newest kernels run scenes, two at a time."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.kernels import modules, qemu
from tests.kernels.base import PROGRAMS, base
from tests.kernels.work import Scenes, work

BOUND = 600  # seconds, on a busy machine
KEPT = 60 * 24 * 3600  # seconds
# Programs, and the Debian packages that have them.
_NEEDED = {qemu.PROGRAM: "qemu-system-x86 seabios", "busybox": "busybox-static", "zstd": "zstd", "depmod": "kmod",
           "apt-get": "apt", "dpkg-deb": "dpkg", "gcc": "gcc libc6-dev", "mkfs.ext4": "e2fsprogs",
           "mkfs.btrfs": "btrfs-progs", "mksquashfs": "squashfs-tools", "mkfs.erofs": "erofs-utils"}


def lacking() -> str:
    """Return what this machine lacks to boot kernels, empty where it lacks nothing."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    absent = [f"{name} ({_NEEDED.get(name, name)})" for name in dict.fromkeys((*_NEEDED, *PROGRAMS))
              if shutil.which(name, path=path) is None]
    if os.uname().machine != "x86_64":
        return "the kernels are of x86-64, which this machine is not"
    return f"needs {', '.join(absent)}" if absent else ""


@contextmanager
def running(suites: Sequence[str], scenes: Scenes, where: Path, bound: float = BOUND) -> Iterator[
        dict[str, Future[qemu.Booted]]]:
    """Give what becomes of each suite's newest kernel; *where* is a directory for this run."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mapsd/kernels"
    cache.mkdir(parents=True, exist_ok=True)
    forget(cache)
    work(where / "work.cpio", scenes)
    beneath = base(cache)
    with ThreadPoolExecutor(2) as pool:
        futures = {suite: pool.submit(_run, suite, cache, beneath, where / "work.cpio", bound) for suite in suites}
        try:
            yield futures
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def forget(cache: Path) -> None:
    """Remove the kernels and archives that were not used for long."""
    for path in cache.iterdir():
        if path.name != "apt" and time.time() - path.stat().st_mtime > KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _run(suite: str, cache: Path, beneath: Path, last: Path, bound: float) -> qemu.Booted:
    kernel = modules.newest(suite, cache)
    return qemu.boot(kernel, [beneath, kernel.modules, last], bound)
