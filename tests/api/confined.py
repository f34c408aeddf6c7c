"""Run in the daemon's place under its unit: what it is to the kernel, and what the kernel lets it do.

Prints JSON: `status` are lines of /proc/self/status, `securebits` those of capabilities(7), `writable` mounts
that are not read-only, `done` what worked, and `refused` what did not and why.
"""

import ctypes
import errno
import json
import mmap
import os
import platform
import socket
import sys
from collections.abc import Callable

from mapsd.linux.rights.authority import Authority, Peer

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
CLONE_NEWNS, PR_GET_SECUREBITS, PTRACE_SEIZE, PROT_WX, ANONYMOUS = 0x20000, 27, 0x4206, 6, 0x22
LINES = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Uid", "Gid", "Groups"}


def called(function: Callable[..., int], *words: object) -> None:
    if function(*words) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def written(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC))


def executable() -> None:
    if _libc.mmap(None, mmap.PAGESIZE, PROT_WX, ANONYMOUS, -1, 0) == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "a page to write and execute")


def opened(path: str) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))


ATTEMPTS: dict[str, Callable[[], object]] = {
    **{f"write {path}": lambda path=path: written(f"{path}/mapsd-was-here")
       for path in ("/", "/etc", "/usr", "/var", "/var/lib", "/run", "/srv", "/opt", "/dev", "/sys/fs/cgroup",
                    "/home", "/root", "/proc/1/root", "/proc/1/root/etc", "/proc/1/root/var/lib")},
    "write a file of the host": lambda: opened("/proc/1/root/etc/passwd"),
    "write a setting of the kernel": lambda: opened("/proc/sys/kernel/core_pattern"),
    "change a mode": lambda: os.chmod("/tmp", 0o700),
    "change an owner": lambda: os.chown("/tmp", os.getuid(), -1),
    "change a time": lambda: os.utime("/tmp"),
    "set an attribute": lambda: os.setxattr("/tmp", "user.mapsd", b"x"),
    "make a directory": lambda: os.mkdir("/tmp/directory"),
    "make a link": lambda: os.symlink("x", "/tmp/link"),
    "rename": lambda: os.rename("/tmp", "/tmp2"),
    "remove": lambda: os.unlink("/tmp/mapsd-was-here"),
    "truncate": lambda: os.truncate("/tmp", 0),
    "make a namespace": lambda: called(_libc.unshare, CLONE_NEWNS),
    "enter a namespace": lambda: called(_libc.setns, os.open("/proc/1/ns/mnt", os.O_RDONLY), CLONE_NEWNS),
    "mount": lambda: called(_libc.mount, b"x", b"/tmp", b"tmpfs", ctypes.c_ulong(0), None),
    "change the root": lambda: os.chroot("/proc/1/root"),
    "trace": lambda: called(_libc.ptrace, PTRACE_SEIZE, 1, None, None),
    "read memory by a call": lambda: called(_libc.process_vm_readv, 1, None, 0, None, 0, 0),
    "load a module": lambda: called(_libc.syscall, {"x86_64": 175}.get(platform.machine(), 105), b"", 0, b""),
    "set the clock": lambda: called(_libc.settimeofday, b"\0" * 16, None),
    "write and execute": executable,
    "talk to the network": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
    "talk to the kernel": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "run in real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "be another machine": lambda: called(_libc.personality, ctypes.c_ulong(8)),
    # What the daemon does need.
    "look at the host's root": lambda: os.listdir("/proc/1/root"),
    "ask as a user": lambda: Authority().may_see(Peer(1, 1, ()), 1),
    "ask as root": lambda: Authority().may_see(Peer(0, 0, ()), 1),
    "test who may see what": lambda: Authority().test(),
}


def tried(attempt: Callable[[], object]) -> str | None:
    """Return the name of the error with which it was refused, None where it was not."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return None


def main() -> None:
    with open("/proc/self/status", encoding="ascii") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if line.partition(":")[0] in LINES)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        mounts = [line.split(" ")[4:6] for line in file]
    outcomes = {name: tried(attempt) for name, attempt in ATTEMPTS.items()}
    json.dump({
        "status": status, "securebits": _libc.prctl(PR_GET_SECUREBITS, 0, 0, 0, 0),
        "writable": [point for point, options in mounts if "ro" not in options.split(",")],
        "done": [name for name, refused in outcomes.items() if refused is None],
        "refused": {name: refused for name, refused in outcomes.items() if refused is not None}}, sys.stdout)


if __name__ == "__main__":
    main()
