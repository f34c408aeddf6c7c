"""One scene, one truth: literal expectations on real overlay mounts, beside what memory holds."""

import os
from pathlib import Path

import pytest

from tests.overlay import kernel
from tests.overlay.conftest import asked
from tests.overlay.files import fill
from tests.overlay.target import PAGE, Target


class Scene:
    """An overlay of two lowers and an upper, and a process that maps its files."""

    def __init__(self, base: Path, options: str = "", upper: bool = True) -> None:
        self.base, self.merged = base, base / "merged"
        self.lower1, self.lower2, self.upper = base / "l1", base / "l2", base / "u"
        for path in (self.lower1, self.lower2, self.upper, base / "w", self.merged):
            path.mkdir(exist_ok=True)
        self.options, self.with_upper = options, upper

    def mount(self) -> None:
        data = f"lowerdir={self.lower1}:{self.lower2}"
        if self.with_upper:
            data += f",upperdir={self.upper},workdir={self.base / 'w'}"
        kernel.mount("overlay", self.merged, "overlay", 0, data + self.options)


@pytest.fixture
def scene(base, mapper):
    made = Scene(base)
    for name in ("plain", "written", "gone", "swapped", "moved", "chmodded", "covered", "dir/deep"):
        fill(made.lower2 / name, f"lower2 {name}")
    fill(made.lower1 / "both", "lower1 both")
    fill(made.lower2 / "both", "lower2 both")
    made.mount()
    fill(made.merged / "fresh", "upper fresh")
    with Target(mapper) as target:
        made.target = target
        yield made
    kernel.umount(made.merged, kernel.MNT_DETACH)


def check(scene, address, *, state, layer, backing, path=None, page=0):
    """Compare an answer with the truth: the state, the layer, the file, and the bytes in memory."""
    found = asked(scene.target.pid)[address]
    seen = (found["state"], found["user_path"], found["backing"] and found["backing"]["path"])
    assert seen == (state, path, backing and str(backing)), found
    role, index = layer
    assert (found["backing"]["layer"]["role"], found["backing"]["layer"]["index"]) == (role, index), found
    assert found["confidence"] == "proven"
    if backing is not None:
        seen = os.stat(backing)
        assert (found["backing"]["inode"], found["backing"]["device"]) == (
            seen.st_ino, f"{os.major(seen.st_dev)}:{os.minor(seen.st_dev)}")
        assert backing.read_bytes()[page * PAGE:(page + 1) * PAGE] == scene.target.memory(address)
    return found


def test_a_lower_file_is_current(scene):
    path = scene.merged / "plain"
    address = scene.target.map(path)
    found = check(scene, address, state="current", layer=("lower", 2), backing=scene.lower2 / "plain", path=str(path))
    assert found["proof"] == "sole-candidate"


def test_the_upper_lower_wins(scene):
    path = scene.merged / "both"
    check(scene, scene.target.map(path), state="current", layer=("lower", 1), backing=scene.lower1 / "both",
          path=str(path))


def test_an_upper_file_is_current(scene):
    path = scene.merged / "fresh"
    check(scene, scene.target.map(path), state="current", layer=("upper", 0), backing=scene.upper / "fresh",
          path=str(path))


@pytest.mark.parametrize("mode", ["s", "p"])
@pytest.mark.parametrize("page", [0, 1])
def test_a_copy_up_is_told_apart_by_page_frames(scene, mode, page):
    path = scene.merged / "written"
    before = scene.target.map(path, mode, page)
    with path.open("r+b") as file:
        file.write(b"changed")
    after = scene.target.map(path, mode, page)
    found = check(scene, before, state="copied-up", layer=("lower", 2), backing=scene.lower2 / "written",
                  path=str(path), page=page)
    assert found["proof"] == "page-frame"
    check(scene, after, state="current", layer=("upper", 0), backing=scene.upper / "written", path=str(path), page=page)


def test_without_a_present_page_a_copy_up_is_unknown_to_page_frames(scene):
    path = scene.merged / "written"
    before = scene.target.map(path, "n")
    path.chmod(0o600)
    found = asked(scene.target.pid, "page-frame")[before]
    assert (found["state"], found["backing"], found["user_path"]) == ("unknown", None, str(path))
    assert found["needs"]
    assert "page" in found["reason"]


@pytest.mark.parametrize("mode", ["n", "d"])
def test_without_a_present_page_the_kernel_itself_tells(scene, mode):
    path = scene.merged / "written"
    before = scene.target.map(path, mode)
    path.chmod(0o600)
    after = scene.target.map(path, mode)
    found = asked(scene.target.pid)
    seen = [(found[one]["state"], found[one]["backing"]["path"], found[one]["proof"]) for one in (before, after)]
    assert seen == [("copied-up", str(scene.lower2 / "written"), "bpf"),
                    ("current", str(scene.upper / "written"), "bpf")]


def test_a_dirtied_private_page_says_nothing(scene):
    path = scene.merged / "written"
    before = scene.target.map(path, "d")
    path.chmod(0o600)
    assert asked(scene.target.pid, "page-frame")[before]["backing"] is None


def test_a_deleted_lower_file_is_held_by_page_frame(scene):
    path = scene.merged / "gone"
    address = scene.target.map(path)
    path.unlink()
    check(scene, address, state="deleted", layer=("lower", 2), backing=scene.lower2 / "gone", path=str(path))


def test_a_deleted_upper_file_has_no_path(scene):
    path = scene.merged / "fresh"
    address = scene.target.map(path)
    inode = os.stat(scene.upper / "fresh").st_ino
    path.unlink()
    found = check(scene, address, state="deleted", layer=("upper", 0), backing=None, path=str(path))
    assert found["backing"]["inode"] == inode


@pytest.mark.parametrize("mapped_after", [False, True])
def test_a_copied_up_file_that_was_deleted(scene, mapped_after):
    path = scene.merged / "written"
    before = scene.target.map(path)
    with path.open("r+b") as file:
        file.write(b"changed")
    after = scene.target.map(path)
    path.unlink()
    if mapped_after:
        check(scene, after, state="deleted", layer=("upper", 0), backing=None, path=str(path))
    else:
        check(scene, before, state="deleted", layer=("lower", 2), backing=scene.lower2 / "written", path=str(path))


def test_a_package_upgrade_replaces_the_name(scene):
    path = scene.merged / "swapped"
    address = scene.target.map(path)
    fill(scene.merged / "new", "new")
    (scene.merged / "new").rename(path)
    check(scene, address, state="replaced", layer=("lower", 2), backing=scene.lower2 / "swapped", path=str(path))


def test_a_rename_moves_the_name_and_copies_up(scene):
    path, new = scene.merged / "moved", scene.merged / "dir" / "elsewhere"
    before = scene.target.map(path)
    path.rename(new)
    after = scene.target.map(new)
    check(scene, before, state="copied-up", layer=("lower", 2), backing=scene.lower2 / "moved", path=str(new))
    check(scene, after, state="current", layer=("upper", 0), backing=scene.upper / "dir" / "elsewhere", path=str(new))


def test_a_bind_mount_covers(scene):
    path = scene.merged / "covered"
    address = scene.target.map(path)
    kernel.mount(scene.merged / "fresh", path, None, kernel.MS_BIND)
    check(scene, address, state="covered", layer=("lower", 2), backing=scene.lower2 / "covered", path=str(path))
    kernel.umount(path)


def test_a_lazily_unmounted_overlay_is_detached(scene):
    address = scene.target.map(scene.merged / "plain")
    kernel.umount(scene.merged, kernel.MNT_DETACH)
    found = asked(scene.target.pid)[address]
    scene.mount()
    assert (found["state"], found["user_path"]) == ("detached", None)
    assert found["backing"]["path"] == str(scene.lower2 / "plain")
