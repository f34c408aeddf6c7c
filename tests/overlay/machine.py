"""A machine of its own (a pid namespace with its procfs), and a container on it from which mapsd asks."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.cli.command import BOUND, CHECKOUT
from tests.overlay import kernel
from tests.overlay.capabilities import drop
from tests.overlay.child import told

PROCFS, ROOT = "/host/proc", "/host"
_CLONE_NEWPID = 0x20000000
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41}
_PROGRAMS = ("usr", "bin", "sbin", "lib", "lib64", "etc", "dev")
_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    assert _libc.unshare(flags) == 0, os.strerror(ctypes.get_errno())


def lack(numbers: Iterable[int]) -> None:
    """Give up capabilities for good, also beyond an exec. See PR_CAPBSET_DROP(2const)."""
    for number in numbers:
        assert _libc.prctl(24, number, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())
    drop(tuple(numbers))


def as_machine(work: Callable[[], object]) -> dict:
    """Return what *work* returns in the first process of a pid namespace, whose procfs is on /proc."""
    return told(lambda: unshare(kernel.CLONE_NEWNS | _CLONE_NEWPID) or told(lambda: _own_proc() or work()))


def _own_proc() -> None:
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("proc", "/proc", "proc")


class Container:
    """A root to run mapsd in, made in *base*: a tmpfs with binds of programs, or an overlay over the machine's root.

    The machine's procfs is at PROCFS, with the options *procfs*. *bind* also puts its whole root at ROOT, as it is now;
    *own_pids* gives the container a pid namespace of its own.
    """

    def __init__(self, base: Path, *, overlay: bool = False, bind: bool = True, own_pids: bool = True,
                 procfs: str = "") -> None:
        self.box, self._own_pids = base / "box", own_pids
        self.asking = ["--procfs", PROCFS, *(["--host-root", ROOT] if bind else [])]
        self.box.mkdir()
        if overlay:
            _overlaid(base, self.box)
        else:
            _filled(self.box)
        for name in ("proc", "tmp", "host/proc"):
            (self.box / name).mkdir(parents=True, exist_ok=True)
        if bind:
            kernel.mount("/", self.box / "host", None, kernel.MS_BIND | kernel.MS_REC)
        else:
            kernel.mount("proc", self.box / "host/proc", "proc", 0, procfs)

    def decoy(self, path: Path, data: bytes) -> None:
        """Write another file where the machine has *path*."""
        there = Path(f"{self.box}{path}")
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(data)

    def run(self, *words: object, within: Callable[[], object] = lambda: None) -> tuple[int, str, str]:
        """Return how a command of the checkout ends in the container, and what it writes; *within* comes before."""
        status, out, err = self.told(lambda: within() or _ran([str(word) for word in words]))
        return status, out, err

    def told(self, work: Callable[[], object]) -> list:
        """Return what *work* returns in the container, passed on as JSON."""
        return told(lambda: unshare(kernel.CLONE_NEWNS | (_CLONE_NEWPID if self._own_pids else 0)) or told(
            lambda: self._enter() or work()))

    def _enter(self) -> None:
        kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        kernel.mount("proc", self.box / "proc", "proc")
        os.chdir(self.box)
        assert _libc.syscall(_PIVOT_ROOT[os.uname().machine], b".", b".") == 0, os.strerror(ctypes.get_errno())
        kernel.umount(".", kernel.MNT_DETACH)
        os.chdir("/")


def _ran(words: list[str]) -> list:
    programs = {**os.environ, "PATH": f"{sys.base_prefix}/bin:/usr/bin:/bin"}
    done = subprocess.run([CHECKOUT / "bin/mapsd", *words], env=programs, capture_output=True, text=True,
                          timeout=BOUND, check=False)
    return [done.returncode, done.stdout, done.stderr]


def _overlaid(base: Path, box: Path) -> None:
    for name in ("box-upper", "box-work"):
        (base / name).mkdir()
    kernel.mount("overlay", box, "overlay", 0, f"lowerdir=/,upperdir={base}/box-upper,workdir={base}/box-work")
    kernel.mount("/dev", box / "dev", None, kernel.MS_BIND)


def _filled(box: Path) -> None:
    kernel.mount("box", box, "tmpfs")
    for path in _needed():
        there = Path(f"{box}{path}")
        if path.is_symlink():
            there.symlink_to(path.readlink())
        elif not there.exists():
            there.mkdir(parents=True)
            kernel.mount(path, there, None, kernel.MS_BIND)


def _needed() -> Iterable[Path]:
    """Yield what the checkout, its interpreter and the programs of a system need; nothing that a scene makes."""
    yield from (path for name in _PROGRAMS if (path := Path("/", name)).exists())
    yield from (CHECKOUT, Path(sys.base_prefix))
