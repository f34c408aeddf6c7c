"""Who is beside us: of a process with our own root and namespaces no container needs to be sought."""

import os

import pytest

from mapsd.linux.live import Live
from mapsd.model import ProcessFacts


def ours() -> int:
    # Other tests of this run may have left the mount namespace that it began in.
    return os.stat("/proc/self/ns/mnt").st_ino


def of(pid: int = 0, root: bytes | None = b"/") -> ProcessFacts:
    return ProcessFacts(pid or os.getpid(), 1, b"", 0, None, ours(), root)


def test_we_are_and_whoever_has_another_root_is_not():
    live = Live()
    assert live.is_beside_us(of())
    assert not live.is_beside_us(of(root=b"/srv"))
    assert not live.is_beside_us(of(root=None))
    assert not live.is_beside_us(of((1 << 22) + 1))


@pytest.mark.parametrize("namespace", [1, None])
def test_a_thread_with_a_mount_namespace_of_its_own_is_not_although_its_process_is(namespace):
    assert not Live().is_beside_us(of()._replace(mount_namespace=namespace))
