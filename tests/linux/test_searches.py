"""Directories that are walked through: what is found there, and that it is said where not all was seen."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mapsd.linux.machine import LiveMachine
from mapsd.linux.procfs import ProcFs
from mapsd.linux.searches import Searches
from mapsd.model import LayerDir
from mapsd.model.searched import Paths, Redirect
from tests.conftest import missing


@pytest.fixture
def machine() -> Iterator[LiveMachine]:
    process = ProcFs(os.getpid())
    made = LiveMachine(process)
    yield made
    made.close()
    process.close()


def opened(machine: LiveMachine, path: Path) -> LayerDir:
    return machine.directories(os.fsencode(path), ())[0]


@pytest.fixture
def tree(tmp_path) -> Path:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_text("text")
    os.link(tmp_path / "a/b/file", tmp_path / "link")
    (tmp_path / "other").write_text("other")
    (tmp_path / "symbolic").symlink_to("link")
    (tmp_path / "out").symlink_to("/")
    os.mkfifo(tmp_path / "fifo")
    return tmp_path


def test_every_name_of_a_number_is_found(machine, tree):
    search = Searches().by(machine)
    found = search.numbered(opened(machine, tree), (tree / "link").stat().st_ino)
    assert (sorted(found.found), found.reason) == ([b"a/b/file", b"link"], "")
    high = (tree / "other").stat().st_ino | 1 << 63
    assert search.numbered(opened(machine, tree), high).found == (b"other",)
    assert sorted(search.regular(opened(machine, tree)).found) == [b"a/b/file", b"link", b"other"]


def test_redirects_are_read_of_directories_and_where_they_are_wanted_of_files(machine, tree):
    try:
        os.setxattr(tree / "a/b", "user.overlay.redirect", b"/x")
        os.setxattr(tree / "other", "user.overlay.redirect", b"\xff")
    except OSError as error:
        missing("overlay", f"no attributes here: {error}")
    search = Searches().by(machine)
    assert search.redirects(opened(machine, tree), "user.overlay.", files=False).found == (
        Redirect(b"a/b", b"/x", (tree / "a/b").stat().st_ctime_ns),)
    found = search.redirects(opened(machine, tree), "user.overlay.", files=True)
    assert sorted(one[:2] for one in found.found) == [(b"a/b", b"/x"), (b"other", b"\xff")]
    assert search.redirects(opened(machine, tree), "trusted.overlay.", files=True).found == ()


@pytest.mark.parametrize("bounds", [{"entries": 2}, {"seconds": -1.0}])
def test_what_is_too_large_is_said(machine, tree, bounds):
    search = Searches(**bounds).by(machine)
    for found in (search.regular(opened(machine, tree)), search.numbered(opened(machine, tree), 1),
                  search.redirects(opened(machine, tree), "user.overlay.", files=True)):
        assert found.reason == "it is too large to be searched"


def test_a_directory_is_walked_through_once_for_all_who_have_it(machine, tree):
    known, number = Searches(), (tree / "other").stat().st_ino
    assert known.by(machine).numbered(opened(machine, tree), number).found == (b"other",)
    (tree / "other").unlink()
    assert known.by(machine).numbered(opened(machine, tree), number).found == (b"other",)
    assert Searches().by(machine).numbered(opened(machine, tree), number) == Paths(())


def test_what_is_gone_meanwhile_is_no_reason(machine, tree):
    directory = opened(machine, tree / "a")
    (tree / "a/b/file").unlink()
    (tree / "a/b").rmdir()
    (tree / "a").rmdir()
    assert Searches().by(machine).regular(directory) == Paths(())


def test_what_is_asked_again_is_as_it_is_now(machine, tree):
    try:
        os.setxattr(tree / "a/b", "user.overlay.redirect", b"/x")
    except OSError as error:
        missing("overlay", f"no attributes here: {error}")
    search, directory = Searches().by(machine), opened(machine, tree)
    before = search.redirects(directory, "user.overlay.", files=False)
    while (tree / "a/b").stat().st_ctime_ns == before.found[0].changed:  # a clock of old kernels is coarse
        (tree / "a/b").rename(tree / "a/c")
        (tree / "a/c").rename(tree / "a/b")
    assert search.redirects(directory, "user.overlay.", files=False) == before
    now = search.redirects(directory, "user.overlay.", files=False, again=True)
    assert [one[:2] for one in now.found] == [one[:2] for one in before.found]
    assert now.found[0].changed > before.found[0].changed
