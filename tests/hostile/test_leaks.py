"""Two hundred lookups leave the observer as it was: no descriptor, no memory."""

import contextlib
import os
import resource
import signal

import pytest

from mapsd import lookup
from mapsd.errors import ProcessGone
from tests.hostile.conftest import storm
from tests.hostile.scenes import forked, mapped, overlay
from tests.overlay import kernel
from tests.overlay.target import Target


def ask_two_hundred_times(pid: int) -> None:
    """Compare descriptors and peak memory before and after."""
    for _ in range(20):
        lookup(pid)
    before, peak = len(os.listdir("/proc/self/fd")), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(200):
        lookup(pid)
    assert len(os.listdir("/proc/self/fd")) == before
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 2048  # KiB


@pytest.mark.parametrize("where", ["here", "in another namespace", "detached", "covered", "another root"])
def test_two_hundred_lookups_leave_no_descriptor_and_no_memory(base, mapper, where):
    merged = overlay(base)
    with Target(mapper) as target:
        for name in ("one", "two", "fresh"):
            target.map(merged / name)
        (merged / "two").unlink()
        with (merged / "one").open("r+b") as file:
            file.write(b"changed")
        if where == "in another namespace":
            target.ask("newns")
        elif where == "detached":
            kernel.umount(merged, kernel.MNT_DETACH)
        elif where == "covered":
            kernel.mount(base / "elsewhere", merged, None, kernel.MS_BIND)
        elif where == "another root":
            target.ask("chroot", base / "elsewhere")
        ask_two_hundred_times(target.pid)


@pytest.mark.usefixtures("lab")
def test_mounts_that_are_found_in_a_third_namespace_leave_no_descriptor():
    # This interpreter was mapped before the lab gave it a mount namespace of its own.
    child = forked(signal.pause)
    try:
        lookup(child)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            lookup(child)
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_processes_that_are_gone_leave_no_descriptor(base):
    path = overlay(base) / "one"

    def live() -> None:
        mapped(path)
        for _ in range(5000):
            os.getppid()

    def lives() -> None:
        for _ in range(120):
            child = forked(live)
            with contextlib.suppress(ProcessGone):
                lookup(child)
            os.waitpid(child, 0)

    lives()
    before = len(os.listdir("/proc/self/fd"))
    lives()
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ProcessGone):
        lookup((1 << 22) - 1)
    assert len(os.listdir("/proc/self/fd")) == before


def test_storms_of_mounts_leave_no_descriptor(base, mapper):
    merged = overlay(base)

    def step() -> None:
        kernel.mount(base / "elsewhere", merged / "dir", None, kernel.MS_BIND)
        kernel.umount(merged / "dir", kernel.MNT_DETACH)

    with Target(mapper) as target:
        target.map(merged / "dir" / "deep")
        with storm(step):
            ask_two_hundred_times(target.pid)
