"""A container puts something else at the name of a mapped file: mapsd asks what it is and opens nothing."""

import os
import shutil
import socket
import stat
from pathlib import Path

import pytest

from tests.hostile.cli import cli, never_opened
from tests.hostile.scenes import overlay
from tests.overlay import kernel
from tests.overlay.target import Target

NODES = ("fifo", "terminal", "pseudo terminal", "zero", "loop device", "socket", "directory")
LINKS = {"a loop": "name", "a magic link": "/proc/self/fd/0", "a magic root": "/proc/1/root/etc/passwd",
         "dangling": "nowhere", "a fifo": "/pipe", "outside": "../../../../../../etc/passwd", "another file": "/one"}
DEVICES = {"terminal": (stat.S_IFCHR, 5, 0), "pseudo terminal": (stat.S_IFCHR, 5, 2), "zero": (stat.S_IFCHR, 1, 5),
           "loop device": (stat.S_IFBLK, 7, 0)}


def put(kind: str, path: Path) -> None:
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "socket":
        here = os.open(path.parent, os.O_PATH)
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)
    elif kind in DEVICES:
        form, major, minor = DEVICES[kind]
        os.mknod(path, form | 0o666, os.makedev(major, minor))
    else:
        path.symlink_to(LINKS[kind])


@pytest.fixture(params=["pivot", "chroot"])
def container(base, mapper, request):
    """A process whose root is an overlay of its own mount namespace, with /proc, and a file mapped there."""
    merged = overlay(base)
    (merged / "proc").mkdir()
    os.mkfifo(merged / "pipe")
    with Target(mapper) as target:
        target.ask("newns")
        target.ask("bind", Path("/proc"), merged / "proc")
        target.ask(request.param, merged)
        address = target.map(Path("/dir/deep"))
        held = target.memory(address)
        yield base, merged, target, address
        assert target.memory(address) == held


def check(container, states: set[str]) -> dict:
    base, _, target, address = container
    found = cli(target.pid)[address]
    assert found["kind"] == "file", found
    assert found["state"] in states, found
    assert found["user_path"] in {"/dir/deep", None}, found
    assert found["user_path"] or found["state"] == "unknown", found
    assert found["reason"] or found["state"] != "unknown", found
    assert found["backing"]["path"] == str(base / "lower/dir/deep"), found
    assert found["backing"]["inode"] == os.stat(base / "lower/dir/deep").st_ino, found
    return found


def test_nothing_was_put_there(container):
    check(container, {"current"})


def test_the_watch_for_opens_works(container):
    with pytest.raises(AssertionError, match="opened"), never_opened(container[1] / "pipe"):
        os.close(os.open(container[1] / "pipe", os.O_RDONLY | os.O_NONBLOCK))
    with never_opened(container[1] / "pipe"):
        os.close(os.open(container[1] / "pipe", os.O_PATH))


@pytest.mark.parametrize("kind", NODES)
def test_a_node_at_the_name_has_replaced_the_file(container, kind):
    path = container[1] / "dir" / "deep"
    path.unlink()
    put(kind, path)
    with never_opened(path):
        check(container, {"replaced"})


@pytest.mark.parametrize("kind", LINKS)
def test_a_symlink_at_the_name_is_never_followed_out_of_the_root(container, kind):
    path = container[1] / "dir" / "deep"
    path.unlink()
    put(kind, path)
    with never_opened(container[1] / "pipe"):
        check(container, {"replaced", "unknown"} | ({"deleted"} if kind not in {"another file", "a fifo"} else set()))


@pytest.mark.parametrize("kind", [kind for kind in NODES if kind != "directory"])
def test_a_node_at_a_parent_leaves_the_file_deleted(container, kind):
    parent = container[1] / "dir"
    shutil.rmtree(parent)
    put(kind, parent)
    with never_opened(parent):
        check(container, {"deleted"})


@pytest.mark.parametrize("kind", ["a loop", "a magic link", "a magic root", "dangling", "a fifo", "outside"])
def test_a_symlink_at_a_parent_leaves_the_file_deleted_or_unknown(container, kind):
    parent = container[1] / "dir"
    shutil.rmtree(parent)
    parent.symlink_to("dir" if kind == "a loop" else LINKS[kind])
    with never_opened(container[1] / "pipe"):
        check(container, {"deleted", "unknown"})


def test_a_parent_that_leads_to_a_file_of_that_name_has_replaced_it(container):
    shutil.rmtree(container[1] / "dir")
    (container[1] / "trap").mkdir()
    os.mkfifo(container[1] / "trap" / "deep")
    (container[1] / "dir").symlink_to("trap")
    with never_opened(container[1] / "trap" / "deep"):
        check(container, {"replaced", "unknown"})


@pytest.mark.parametrize("kind", [kind for kind in NODES if kind != "directory"])
def test_a_node_mounted_over_the_file_covers_it(container, kind):
    _, merged, target, _ = container
    put(kind, merged / "over")
    target.ask("bind", Path("/over"), Path("/dir/deep"))
    with never_opened(merged / "over"):
        check(container, {"covered"})


def test_a_directory_mounted_over_a_parent_covers_the_file(container):
    _, merged, target, _ = container
    (merged / "over").mkdir()
    os.mkfifo(merged / "over" / "deep")
    target.ask("bind", Path("/over"), Path("/dir"))
    with never_opened(merged / "over" / "deep"):
        check(container, {"covered"})


def test_a_fifo_in_the_upper_layer_itself_is_not_opened(base, mapper):
    merged = overlay(base)
    with Target(mapper) as target:
        address = target.map(merged / "one")
        os.mkfifo(base / "upper" / "one")  # behind the overlay's back: what it holds is still the lower file
        with never_opened(base / "upper" / "one"):
            found = cli(target.pid)[address]
        assert found["backing"] is None or found["backing"]["path"] == str(base / "lower/one"), found


def test_a_layer_text_that_names_a_fifo_is_not_opened(base, mapper):
    merged = overlay(base)
    with Target(mapper) as target:
        address = target.map(merged / "fresh")
        (base / "upper").rename(base / "moved")
        os.mkfifo(base / "upper")
        with never_opened(base / "upper"):
            found = cli(target.pid)[address]
        assert (found["state"], found["backing"]["path"]) == ("current", str(base / "moved/fresh")), found
    kernel.umount(merged)
