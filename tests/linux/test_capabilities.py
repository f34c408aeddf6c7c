"""Which capabilities count: those of the initial user namespace, whatever a namespace below maps."""

import ctypes
import os
from pathlib import Path

import pytest

from mapsd.linux import capabilities
from tests.overlay.child import told

_CLONE_NEWUSER = 0x10000000
pytestmark = pytest.mark.usefixtures("root")


def below(ids: str) -> list:
    """Return what is said in a user namespace below, whose ids a helper outside maps."""
    reader, writer = os.pipe()
    helper = os.fork()
    if not helper:
        os.read(reader, 1)
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{os.getppid()}/{name}").write_text(ids)
        os._exit(0)
    assert ctypes.CDLL(None).unshare(_CLONE_NEWUSER) == 0
    os.write(writer, b".")
    assert os.waitpid(helper, 0)[1] == 0
    found = capabilities.own()
    return [found.initial, list(found.held), list(found.lacks("CAP_SYS_ADMIN"))]


def test_our_own_count():
    assert capabilities.own().initial


@pytest.mark.parametrize("ids", ["0 0 4294967295", "0 0 1"], ids=["every id", "one id"])
def test_those_of_a_user_namespace_below_do_not(ids):
    initial, held, lacks = told(lambda: below(ids))
    assert "CAP_SYS_ADMIN" in held
    assert (initial, lacks) == (False, ["CAP_SYS_ADMIN"])
