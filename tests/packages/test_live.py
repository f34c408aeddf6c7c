"""The files of this machine, read as the daemon reads them."""

import os
import subprocess
import sys

import pytest

from mapsd.linux.tree import Files, tree_at
from mapsd.model.packages import NotOwned, Owned
from mapsd.packages.databases import Databases
from tests.cli.command import CHECKOUT
from tests.packages.asking import is_same, names, record
from tests.packages.debs import Root, debian
from tests.packages.trees import Directory

__all__ = ["debian"]


def tree(path: os.PathLike[str]) -> Files:
    found = tree_at(os.fsencode(path), os.open)
    assert isinstance(found, Files)
    return found


def test_a_real_tree_says_what_the_directory_says(debian: Root):
    debian.install("plain", {"usr/bin/tool": "plain", "lib/shared": "s", "etc/plain.conf": "c"},
                   conffiles="/etc/plain.conf\n")
    debian.divert("--package", "other", "--rename", "--divert", "/usr/bin/tool.plain", "/usr/bin/tool")
    live, walked = tree(debian.path), Directory(debian.path)
    try:
        for path in ("/usr/bin/tool.plain", "/usr/lib/shared", "/etc/plain.conf"):
            assert record(live, path) == record(walked, path)
            assert is_same(record(live, path), (debian.path / path[1:]).read_bytes())
        databases = Databases(live)
        assert databases.owner(b"/usr/bin/tool") == NotOwned(("dpkg",))
        assert databases.same()
        for _ in range(3):
            databases = databases.again()
            assert databases.owner(b"/usr/bin/tool") == NotOwned(("dpkg",))
        debian.install("late", {"usr/lib/late": "l", "usr/bin/tool2": "t"})
        assert not databases.same()
        databases = databases.again()
        assert databases.same()
        assert isinstance(databases.owner(b"/usr/lib/late"), Owned)
        assert names(live, "/usr/lib/late") == ["late"]
    finally:
        live.close()


@pytest.mark.parametrize("broken", ["var/lib/dpkg/status", "var/lib/dpkg/info/plain.list"])
def test_what_lies_where_a_text_should_be_is_not_waited_for(debian: Root, broken):
    debian.install("plain", {"usr/bin/tool": "plain"})
    (debian.path / broken).unlink()
    os.mkfifo(debian.path / broken)
    live = tree(debian.path)
    try:
        assert not isinstance(Databases(live).owner(b"/usr/bin/tool"), Owned | NotOwned)
    finally:
        live.close()


def test_the_library_is_used_as_the_page_says():
    page = (CHECKOUT / "docs/packages.md").read_text()
    part = page[page.index("## As a library"):page.index("## What it is worth")]
    program = "\n".join(line[4:] for line in part.splitlines() if line.startswith("    "))
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(("Owned(", "NotOwned(", "Refused("))
