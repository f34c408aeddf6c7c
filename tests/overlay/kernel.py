"""mount(2) and friends for the scenes, inside the private mount namespace of the test run."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
MS_RDONLY, MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE, MS_SHARED = 1, 4096, 8192, 16384, 1 << 18, 1 << 20
CLONE_NEWNS, CLONE_NEWUSER, MNT_DETACH = 0x20000, 0x10000000, 2


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def private_namespace() -> None:
    """Leave the machine's mount namespace: nothing that is mounted here is seen outside."""
    _check(_libc.unshare(CLONE_NEWNS), "unshare")
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def mount(source: str | Path, target: str | Path, fs_type: str | None, flags: int = 0, data: str = "") -> None:
    _check(_libc.mount(os.fsencode(source), os.fsencode(target), fs_type.encode() if fs_type else None,
                       ctypes.c_ulong(flags), os.fsencode(data)), f"mount {fs_type} {data}")


def umount(target: str | Path, flags: int = 0) -> None:
    _check(_libc.umount2(os.fsencode(target), flags), f"umount {target}")


def setns(fd: int, kind: int) -> None:
    _check(_libc.setns(fd, kind), "setns")


FSOPEN, FSCONFIG, FSMOUNT, MOVE_MOUNT, OPEN_TREE = 430, 431, 432, 429, 428
_SET_STRING, _SET_FD, _CREATE = 1, 5, 6
_MOVE_EMPTY, AT_FDCWD, OPEN_TREE_CLONE, AT_RECURSIVE = 4, -100, 1, 0x8000
RENAME_EXCHANGE = 2
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "btrfs": ["mkfs.btrfs", "-q", "-f"], "xfs": ["mkfs.xfs", "-q", "-f"],
        "ext4 of seconds": ["mkfs.ext4", "-q", "-F", "-I", "128"]}


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    result = _libc.syscall(number, *arguments)
    if result < 0:
        _check(result, f"syscall {number}")
    return result


def mount_by_config(target: Path, fs_type: str, options: list[tuple[str, str | int]]) -> None:
    """Mount with fsopen(2) and fsconfig(2); a number is a descriptor."""
    context = _syscall(FSOPEN, fs_type.encode(), 0)
    try:
        for key, value in options:
            if isinstance(value, int):
                _syscall(FSCONFIG, context, _SET_FD, key.encode(), None, value)
            else:
                _syscall(FSCONFIG, context, _SET_STRING, key.encode(), os.fsencode(value), 0)
        _syscall(FSCONFIG, context, _CREATE, None, None, 0)
        made = _syscall(FSMOUNT, context, 0, 0)
        _syscall(MOVE_MOUNT, made, b"", AT_FDCWD, os.fsencode(target), _MOVE_EMPTY)
        os.close(made)
    finally:
        os.close(context)


def open_tree(path: Path, flags: int = 0) -> int:
    """Return a descriptor of a detached clone of a mount, with those below it where *flags* say AT_RECURSIVE."""
    return _syscall(OPEN_TREE, AT_FDCWD, os.fsencode(path), OPEN_TREE_CLONE | flags)


@contextmanager
def mounted(source: str | Path, target: Path, fs_type: str | None, flags: int = 0, data: str = "") -> Iterator[Path]:
    """Mount for the time of the block."""
    target.mkdir(parents=True, exist_ok=True)
    mount(source, target, fs_type, flags, data)
    try:
        yield target
    finally:
        umount(target, MNT_DETACH)


@contextmanager
def loop_mounted(image: Path, target: Path, fs_type: str) -> Iterator[Path]:
    """Mount a filesystem image on a loop device."""
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", fs_type, "-o", "loop", image, target], check=True)
    try:
        yield target
    finally:
        umount(target, MNT_DETACH)


@contextmanager
def filesystem(kind: str, where: Path) -> Iterator[Path]:
    """Give an empty writable filesystem: tmpfs, ext4 (of seconds: it keeps no shorter times), btrfs or xfs."""
    if kind == "tmpfs":
        with mounted("scene", where, "tmpfs") as path:
            yield path
        return
    image, fs_type = where.with_suffix(".img"), kind.partition(" ")[0]
    with image.open("wb") as file:
        file.truncate({"ext4": 32, "btrfs": 128, "xfs": 320}[fs_type] << 20)
    subprocess.run([*MAKE[kind], image], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with loop_mounted(image, where, fs_type) as path:
        yield path


def exchange(one: Path, other: Path) -> None:
    """Give two names each other's file. See renameat2(2), RENAME_EXCHANGE."""
    _check(_libc.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE), "exchange")
