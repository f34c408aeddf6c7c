"""Packages for somebody who may see a process: by the databases that this user may read, whatever the daemon may."""

import ctypes
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.api.running import Daemon, daemon
from tests.cli.command import BOUND, MAPSD, NOBODY, child, mapped
from tests.conftest import missing

PR_SET_DUMPABLE = 4
LIBRARY, UID = "usr/lib/libone.so.1", 65534
DATABASE = {"usr/lib/os-release": "ID=debian\n", "var/lib/dpkg/info/one.list": f"/{LIBRARY}\n",
            "var/lib/dpkg/status": "Package: one\nStatus: install ok installed\nVersion: 1.0\n\n"}


class Root(NamedTuple):
    """A root with a database of packages, and a daemon that everybody may ask."""

    path: Path
    served: Daemon

    @contextmanager
    def process(self) -> Iterator[int]:
        """Give a process of nobody in the root, which maps its library."""
        def body() -> list:
            os.chroot(self.path)
            os.setgroups([])
            os.setresgid(UID, UID, UID)
            os.setresuid(UID, UID, UID)
            ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
            return mapped(f"/{LIBRARY}".encode())
        with child(body) as pid:
            yield pid

    def told(self, pid: int, *prefix: str) -> dict:
        """Return what is said of the library's package."""
        words = ["--socket", self.served.path, "lookup", str(pid), "--packages", "--json"]
        done = subprocess.run([*prefix, MAPSD, *words], capture_output=True, timeout=BOUND, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        return next(one["package"] for one in json.loads(done.stdout)["mappings"] if one["user_path"] == f"/{LIBRARY}")


@pytest.fixture
def root() -> Iterator[Root]:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        missing("root", "only root asks as somebody else")
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        put(base / "root", DATABASE | {LIBRARY: "x" * 4096})
        for one in (base, *base.rglob("*")):
            one.chmod(0o755)  # others connect
        with daemon(base, "--socket-mode=0666") as served:
            yield Root(base / "root", served)


def put(base: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text(text)


def named(package: dict) -> tuple[str, str | None, str | None]:
    return package["state"], package["name"], package["version"]


def test_what_everybody_may_read_is_told_to_everybody(root: Root):
    with root.process() as pid:
        assert named(root.told(pid, *NOBODY)) == named(root.told(pid)) == ("unknown", "one", "1.0")
        assert root.told(pid)["distribution"] == {"id": "debian", "version": None}


@pytest.mark.parametrize("closed", ["var/lib/dpkg/status", "var/lib/dpkg/info", "var/lib", "usr/lib/os-release"])
def test_what_nobody_may_not_read_is_not_read_for_nobody(root: Root, closed: str):
    (root.path / closed).chmod(0o600)
    with root.process() as pid:
        theirs, ours = root.told(pid, *NOBODY), root.told(pid)
        assert named(ours) == ("unknown", "one", "1.0")
        assert ours["distribution"]["id"] == "debian"
        if closed == "usr/lib/os-release":
            assert theirs == {**ours, "distribution": None}
        else:
            assert named(theirs) == ("unknown", None, None)
            assert "Permission denied" in theirs["reason"]
            assert theirs["needs"] is None
        # What was read for one is not told to the other, in any order.
        assert (root.told(pid, *NOBODY), root.told(pid)) == (theirs, ours)


def test_a_group_that_may_read_is_asked_for(root: Root):
    status = root.path / "var/lib/dpkg/status"
    os.chown(status, 0, 4242)
    status.chmod(0o640)
    with root.process() as pid:
        assert named(root.told(pid, *NOBODY)) == ("unknown", None, None)
        assert named(root.told(pid, *NOBODY[:-1], "--groups", "4242")) == ("unknown", "one", "1.0")
