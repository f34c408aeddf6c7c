"""Two processes of one mount namespace whose roots have one name, and are two: the containers are told apart."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mapsd import Session
from mapsd.model.containers import Container, Uncontained

# As switch_root(8) does it: the child's root is a mount that was moved over the root that its parent keeps.
SWITCHED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from tests.overlay import kernel
kernel.private_namespace()
kernel.mount("none", sys.argv[2], "tmpfs")
MS_MOVE, child = 8192, os.fork()
if not child:
    os.chdir(sys.argv[2])
    kernel.mount(".", "/", None, MS_MOVE)
    os.chroot(".")
    os.write(1, b"%d" % os.getpid())
sys.stdin.read()
if child:
    os.waitpid(child, 0)
"""


@contextmanager
def switched(checkout, directory) -> Iterator[tuple[int, int]]:
    """Give a process with the machine's root, and one of its mount namespace with another that is named alike."""
    words = [sys.executable, "-c", SWITCHED, str(checkout), str(directory)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process.pid, int(process.stdout.read1())
        process.stdin.close()


@pytest.mark.usefixtures("root")
def test_what_was_switched_to_is_a_container_though_its_root_is_named_as_the_machines(checkout, tmp_path):
    with switched(checkout, tmp_path) as (old, new), Session() as session:
        assert session.who(old).root == session.who(new).root
        assert session.who(old).mount_namespace == session.who(new).mount_namespace
        assert isinstance(session.container(old), Uncontained)
        assert isinstance(session.container(new), Container)
        assert [one.pids for one in session.containers([old, new]).running] == [(new,)]
