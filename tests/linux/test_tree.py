"""A tree of files: nothing in it leads out of it, nothing is waited for, and every answer is bounded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mapsd.linux import contents, syscalls
from mapsd.linux.stepwise import open_stepwise
from mapsd.linux.tree import Files, tree_at
from mapsd.model import Absent, FileFacts, Refused
from tests.conftest import missing, shown_to_all


@pytest.fixture(params=["openat2", "stepwise"])
def files(request, tmp_path, monkeypatch):
    if request.param == "stepwise":
        monkeypatch.setattr(syscalls, "openat2", open_stepwise)
    (tmp_path / "tree/dir").mkdir(parents=True)
    (tmp_path / "tree/dir/file").write_bytes(b"content")
    (tmp_path / "outside").write_bytes(b"secret")
    found = tree_at(os.fsencode(tmp_path / "tree"), os.open)
    assert isinstance(found, Files)
    yield found
    found.close()


@pytest.mark.parametrize("path", [b"dir/file", b"/dir/file", b"dir/../dir/file", b"dir//./file"])
def test_a_path_is_relative_to_the_tree(files, path):
    assert files.read(path, 7) == b"content"


def test_a_file_is_read_up_to_a_limit(files):
    assert files.read(b"dir/file", 100) == b"content"
    assert isinstance(files.read(b"dir/file", 6), Refused)
    assert [files.head(b"dir/file", size) for size in (0, 3, 7, 100)] == [b"", b"con", b"content", b"content"]


def test_a_file_that_grows_while_it_is_read_is_refused(files, monkeypatch):
    monkeypatch.setattr(contents, "head", lambda _, size, **__: b"x" * size)
    assert isinstance(files.read(b"dir/file", 100), Refused)


def test_what_is_missing_is_absent(files):
    readers = (lambda path: files.read(path, 9), lambda path: files.head(path, 9))
    for ask in (*readers, files.listed, files.entry, files.link):
        for path in (b"none", b"dir/file/none", b"none/none", b"x" * 300, b"a\0b"):
            assert ask(path) == Absent()


@pytest.mark.parametrize("text", ["../../outside", "/outside", "{}/outside", "../../../../../../../../{}/outside"])
def test_a_link_out_of_the_tree_stays_inside(files, tmp_path, text):
    link = tmp_path / "tree/dir/link"
    link.symlink_to(text.format(tmp_path))
    # Without openat2 it is not known where `..` of a tree's root leads.
    upwards = text.startswith("..") and syscalls.openat2 is open_stepwise
    assert isinstance(files.read(b"dir/link", 100), Refused if upwards else Absent)
    assert files.link(b"dir/link") == os.fsencode(text.format(tmp_path))
    seen = files.entry(b"dir/link")
    assert isinstance(seen, FileFacts)
    assert seen.kind == "symlink"


def test_a_link_in_the_tree_is_followed_as_from_its_root(files, tmp_path):
    (tmp_path / "tree/link").symlink_to("/dir")
    assert files.read(b"link/file", 100) == b"content"
    assert files.listed(b"link") == [b"file"]


def test_links_in_a_circle_are_refused(files, tmp_path):
    (tmp_path / "tree/link").symlink_to("link")
    assert isinstance(files.read(b"link", 100), Refused)


def test_only_regular_files_are_read(files, tmp_path):
    os.mkfifo(tmp_path / "tree/fifo")
    for path in (b"fifo", b"dir", b""):
        assert isinstance(files.read(path, 1 << 20), Refused)
        assert isinstance(files.head(path, 1), Refused)
    assert files.link(b"dir") == Refused("it is no symbolic link")


def test_names_are_listed_in_order_and_bounded(files, tmp_path, monkeypatch):
    for name in (b"b", b"a", b"\xff"):
        (tmp_path / "tree/dir" / os.fsdecode(name)).touch()
    assert files.listed(b"dir") == [b"a", b"b", b"file", b"\xff"]
    assert files.listed(b"") == [b"dir"]
    assert files.listed(b"dir/file") == Absent()
    monkeypatch.setattr(contents, "NAMES", 3)
    assert isinstance(files.listed(b"dir"), Refused)


def test_another_mount_is_not_entered(tmp_path):
    (tmp_path / "link").symlink_to("proc/self/status")
    slash = tree_at(b"/", os.open)
    across = Files(os.open("/", os.O_PATH | os.O_DIRECTORY), across=True)
    try:
        assert isinstance(slash, Files)
        assert isinstance(slash.read(b"proc/version", 1000), Refused)
        assert across.read(b"proc/version", 1000) == Path("/proc/version").read_bytes()
        # A magic link is never followed.
        assert isinstance(across.read(b"proc/self/root/etc/passwd", 1 << 20), Refused)
    finally:
        slash.close()
        across.close()


def test_a_directory_that_is_none_is_no_tree(tmp_path):
    (tmp_path / "file").touch()
    assert tree_at(os.fsencode(tmp_path / "none"), os.open) == Absent()
    assert tree_at(os.fsencode(tmp_path / "file"), os.open) == Absent()


def test_nothing_stays_open(files):
    before = set(os.listdir("/proc/self/fd"))
    files.read(b"dir/file", 100)
    files.read(b"none", 100)
    files.read(b"dir", 100)
    files.listed(b"dir")
    files.entry(b"dir")
    files.link(b"dir")
    assert set(os.listdir("/proc/self/fd")) == before
    assert files.owner == os.geteuid()


def test_no_access_time_changes(files, tmp_path):
    paths = (tmp_path / "tree/dir/file", tmp_path / "tree/dir")
    for path in paths:
        os.utime(path, (1, 2_000_000_000))
    assert files.read(b"dir/file", 100) == b"content"
    assert files.listed(b"dir") == [b"file"]
    assert [path.stat().st_atime for path in paths] == [1, 1]


def test_a_file_whose_access_time_would_change_is_refused(tmp_path):
    if os.geteuid() != 0:
        missing("root", "needs root to give a file to somebody else")
    shown_to_all(tmp_path)
    (tmp_path / "file").write_bytes(b"content")
    asked = ("import os, sys; from mapsd.linux.tree import tree_at\n"
             "os.setresuid(65534, 65534, 65534)\n"
             "tree = tree_at(os.fsencode(sys.argv[1]), os.open); print(tree.read(b'file', 100), tree.listed(b''))")
    done = subprocess.run([sys.executable, "-c", asked, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.count("needs='CAP_FOWNER'") == 2
