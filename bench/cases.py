"""One process in a container on an overlay, a mapping in each case, and what its memory says is true of it."""

import ctypes
import mmap
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from scene import MNT_DETACH, PAGE, call, mount, private_namespace

MS_BIND = 4096
ROOT = ("current", "copied-up", "replaced", "deleted", "copied-up-deleted", "covered", "other")
CASES = {
    "current": "/lib/current.so", "copied-up": "/lib/copied-up.so", "replaced": "/lib/replaced.so",
    "deleted": "/lib/deleted.so", "copied-up, deleted": "/lib/copied-up-deleted.so",
    "covered": "/lib/covered.so", "detached": "/detached/detached.so",
    "nested": "/nested/nested.so", "nested, copied-up": "/nested/nested-copied-up.so",
}


class Truth(NamedTuple):
    """The file whose bytes memory holds: its path here, device, inode; *held* are the bytes, *start* the address."""

    start: int
    held: bytes
    path: Path
    device: str
    inode: int


class Process(NamedTuple):
    """The process, where its layers are, and what is true of each case."""

    pid: int
    base: Path
    truths: dict[str, Truth]


@contextmanager
def process() -> Iterator[Process]:
    """Give the process with everything done to its files; all is mounted in a private mount namespace."""
    private_namespace()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        mount(b"tmpfs", base)
        try:
            lay(base)
            with mapped(base) as (pid, starts):
                yield Process(pid, base, {case: truth(pid, base, starts[case]) for case in CASES})
        finally:
            call("umount2", os.fsencode(base), MNT_DETACH)


def lay(base: Path) -> None:
    """Write the layers and mount the overlays: one as a root, one to be detached, and one on another overlay."""
    for name in ROOT:
        fill(base / f"lower/lib/{name}.so")
    fill(base / "away/detached.so")
    fill(base / "deep/nested.so")
    fill(base / "deep/nested-copied-up.so")
    for directory in ("lower/detached", "lower/nested", "middle"):
        (base / directory).mkdir(parents=True)
    overlay(base, "merged", "lower")
    overlay(base, "middle", "deep")
    overlay(base, "merged/detached", "away")
    overlay(base, "merged/nested", "middle")


def fill(path: Path, word: str = "") -> None:
    """Write a file that no other file is alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pages = [f"{word}{path.parent.name}/{path.name} {page}".encode() for page in (0, 1)]
    path.write_bytes(b"".join(page.ljust(PAGE, b".") for page in pages))


def overlay(base: Path, name: str, lower: str) -> None:
    """Mount an overlay of one lower layer and an upper one."""
    own = name.replace("/", "-")
    for directory in (base / f"{own}-upper", base / f"{own}-work", base / name):
        directory.mkdir(exist_ok=True)
    mount(b"overlay", base / name, f"lowerdir={base}/{lower},upperdir={base}/{own}-upper,workdir={base}/{own}-work")


@contextmanager
def mapped(base: Path) -> Iterator[tuple[int, dict[str, int]]]:
    """Give the pid of a process that has mapped the files, and then changed them, and the addresses."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(reader)
            live(base, writer)
        finally:
            os._exit(1)
    os.close(writer)
    try:
        with os.fdopen(reader) as file:
            lines = file.read().splitlines()
        if len(lines) != len(CASES):
            raise ChildProcessError("the process could not map and change its files")
        yield pid, dict(zip(CASES, map(int, lines), strict=True))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def live(base: Path, writer: int) -> None:
    """Be the process: enter the container, map, change, say where the mappings are, and wait."""
    private_namespace()
    os.chdir(base / "merged")
    call("pivot_root", b".", b".")
    call("umount2", b".", MNT_DETACH)
    os.chdir("/")
    addresses = [hold(path) for path in CASES.values()]
    change()
    os.write(writer, "".join(f"{address}\n" for address in addresses).encode())
    os.close(writer)
    signal.pause()


def hold(path: str) -> int:
    """Map a file as a loader does, every page in memory; return the address."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype, fd = ctypes.c_void_p, os.open(path, os.O_RDONLY)
    address = libc.mmap(None, ctypes.c_size_t(2 * PAGE), mmap.PROT_READ, mmap.MAP_PRIVATE, fd, ctypes.c_long(0))
    os.close(fd)
    for page in (0, PAGE):
        ctypes.string_at(address + page, 1)
    return int(address)


def change() -> None:
    """Do to each file what its case is called."""
    for case in ("copied-up", "copied-up, deleted", "nested, copied-up"):
        fill(Path(CASES[case]), "written over ")
    fill(Path("/lib/new.so"), "the new ")
    Path("/lib/new.so").rename(CASES["replaced"])
    for case in ("deleted", "copied-up, deleted"):
        Path(CASES[case]).unlink()
    call("mount", b"/lib/other.so", CASES["covered"].encode(), None, ctypes.c_ulong(MS_BIND), None)
    call("umount2", b"/detached", MNT_DETACH)


def truth(pid: int, base: Path, start: int) -> Truth:
    """Return which file of a layer has the bytes that memory holds."""
    with open(f"/proc/{pid}/mem", "rb", 0) as file:
        held = os.pread(file.fileno(), 2 * PAGE, start)
    layers = [path for path in base.glob("*") if path.name in {"lower", "away", "deep"} or path.name.endswith("-upper")]
    [path] = {path for layer in layers for path in layer.rglob("*.so") if path.is_file()
              and path.read_bytes() == held}
    seen = path.stat()
    return Truth(start, held, path, f"{os.major(seen.st_dev)}:{os.minor(seen.st_dev)}", seen.st_ino)
