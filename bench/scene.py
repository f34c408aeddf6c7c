"""A container: its own mount namespace and root, on an overlay of ten lower layers, and one process in it."""

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LAYERS, FILES, COPIED_UP = 10, 60, 5
PAGE = 4096
MS_REC, MS_PRIVATE, CLONE_NEWNS, MNT_DETACH = 1 << 14, 1 << 18, 0x20000, 2
_libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def mount(kind: bytes, target: Path, data: str = "") -> None:
    call("mount", kind, os.fsencode(target), kind, ctypes.c_ulong(0), data.encode())


def private_namespace() -> None:
    """Leave the machine's mount namespace: nothing that is mounted here is seen outside."""
    call("unshare", CLONE_NEWNS)
    call("mount", b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)


@contextmanager
def container() -> Iterator[int]:
    """Give the pid of a process with 240 mappings of 60 files, five of them copied up after mapping."""
    private_namespace()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        mount(b"tmpfs", base)
        try:
            paths = layers(base)
            with holder(base / "merged", paths) as pid:
                for path in paths[:COPIED_UP]:
                    with open(f"{base}/merged{path}", "r+b") as file:
                        file.write(b"changed")
                yield pid
        finally:
            call("umount2", os.fsencode(base / "merged"), MNT_DETACH)
            call("umount2", os.fsencode(base), MNT_DETACH)


def layers(base: Path) -> list[str]:
    """Mount the overlay at base/merged and return its files, spread over the layers."""
    lowers = [base / f"lower{number}" for number in range(1, LAYERS + 1)]
    for directory in (*lowers, base / "upper", base / "work", base / "merged"):
        directory.mkdir()
    source = Path(__file__).with_name("holder.c")
    subprocess.run(["gcc", "-O1", "-static", "-o", lowers[-1] / "holder", source], check=True)
    paths = [f"/usr/lib/lib{number}.so" for number in range(FILES)]
    for number, path in enumerate(paths):
        file = Path(f"{lowers[number % LAYERS]}{path}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"".join(f"{path} {page}".encode().ljust(PAGE, b".") for page in range(4)))
    lowerdir = ":".join(map(str, lowers))
    mount(b"overlay", base / "merged", f"lowerdir={lowerdir},upperdir={base}/upper,workdir={base}/work")
    return paths


@contextmanager
def holder(root: Path, paths: list[str]) -> Iterator[int]:
    """Run the holder with *root* as the root of a mount namespace of its own."""
    def enter() -> None:
        private_namespace()
        os.chdir(root)
        call("pivot_root", b".", b".")
        call("umount2", b".", MNT_DETACH)
        os.chdir("/")
    with subprocess.Popen(["/holder", *paths], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          preexec_fn=enter, env={}) as process:  # noqa: PLW1509  (one thread)
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise ChildProcessError("the holder could not map its files")
        yield process.pid
        process.stdin.close()
