"""Overlays without handles, as rootless engines mount them: a build id tells a file from its copy, by inode number."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.overlay import kernel
from tests.overlay.battery import rootless, write
from tests.overlay.capabilities import LACKING, asked_lacking
from tests.overlay.conftest import asked
from tests.overlay.files import fill
from tests.overlay.scenes import Claim, Scene
from tests.overlay.truth import check

NAMES = ("plain", "other", "link")


@pytest.fixture(params=["tmpfs", "ext4"])
def scene(lab, mapper, request) -> Iterator[Scene]:
    """A rootless overlay of two lowers and an upper on one filesystem, and its process, which is another user's."""
    shown = Path("/mnt")
    with (kernel.mounted(lab, shown, None, kernel.MS_BIND),
          Scene(request.node.name.removeprefix("test_"), shown, shown / mapper.name) as made):
        ground = made.stack.enter_context(kernel.filesystem(request.param, made.base / "ground"))
        layers(made, ground / "l1", ground / "l2", ground / "u")
        yield made


def layers(scene: Scene, first: Path, second: Path, upper: Path) -> None:
    """Fill the layers, and mount the overlay in the user namespace of the process."""
    top = scene.lower(first)
    scene.lower(second)
    scene.upper(upper)
    scene.fill(top, *NAMES[:2], "dir/deep")
    (top.path / "link").hardlink_to(top.path / "other")
    rootless(scene)


def written(scene: Scene, name: str) -> list[Claim]:
    """Map a file, put another build in its place, and map it again."""
    before = [scene.map(name, scene.sources[0], mode, about=f"{name} before") for mode in "spn"]
    scene.act(lambda: write(scene.reach(name)))
    for claim in before:
        claim.state = "copied-up"
    return [*before, scene.map(name, scene.top, about=f"{name} after")]


def said(scene: Scene, claim: Claim) -> tuple[str, str]:
    """Return the state and the proof that an observer without capabilities gives."""
    found = asked_lacking(scene.target.pid, LACKING["maps only"])[claim.address]
    return found["state"], found["proof"]


@pytest.mark.parametrize("name", ["plain", "dir/deep"])
def test_another_build_is_told_from_its_lower_file(scene, name):
    *before, after = written(scene, name)
    check(scene)
    assert {said(scene, claim) for claim in before} == {("copied-up", "build-id")}
    assert said(scene, after) == ("current", "build-id")
    assert asked(scene.target.pid, "build-id")[before[0].address]["proof"] == "build-id"


def test_a_copy_of_the_same_build_is_told_by_nobody_without_capabilities(scene):
    claim = scene.map("plain", scene.sources[0])
    scene.act(lambda: scene.reach("plain").chmod(0o755))
    claim.state = "copied-up"
    check(scene)
    found = asked_lacking(scene.target.pid, LACKING["maps only"])[claim.address]
    assert (found["state"], found["backing"]) == ("unknown", None)
    assert found["reason"].startswith("the mapping may hold the lower file or its upper copy")
    assert "CAP_SYS_ADMIN" in found["needs"]


def test_a_file_that_was_moved_over_another_is_not_taken_for_that_ones_copy(scene):
    claim = scene.map("plain", scene.sources[0])
    scene.act(lambda: scene.reach("plain").rename(scene.reach("dir/deep")))
    claim.state, claim.path = "copied-up", scene.named("dir/deep")
    scene.map("dir/deep", scene.top, below="dir/deep", about="moved, after")
    check(scene)


def test_a_file_that_was_moved_and_written_is_not_taken_for_another(scene):
    claim = scene.map("plain", scene.sources[0])
    scene.act(lambda: scene.reach("plain").rename(scene.reach("dir/deep")))
    claim.state, claim.path = "copied-up", scene.named("dir/deep")
    scene.act(lambda: write(scene.reach("dir/deep")))
    scene.map("dir/deep", scene.top, below="dir/deep", about="moved, written, after")
    check(scene)


@pytest.mark.parametrize("name", ["other", "link"])
def test_hard_links_of_a_lower_file_are_never_confused(scene, name):
    twin = scene.map({"other": "link", "link": "other"}[name], scene.sources[0], about="the other link")
    written(scene, name)
    check(scene)
    scene.act(lambda: write(scene.reach("link" if name == "other" else "other")))
    twin.state = "copied-up"
    check(scene)


def test_a_file_that_was_put_behind_the_overlays_back_is_no_candidate(scene):
    claims = written(scene, "plain")
    inside, upper = scene.sources[0].path / "plain", scene.top.path / "plain"
    upper.rename(upper.with_name("elsewhere"))
    shutil.copyfile(inside, upper)
    claims[-1].below = "elsewhere"
    check(scene)
    fill(upper.with_name("third"), "a third build")
    upper.with_name("third").rename(upper)
    check(scene)
    assert all(said(scene, claim)[1] != "build-id" for claim in claims)


def test_an_unlinked_and_remade_name_is_another_file(scene):
    claims = written(scene, "plain")
    scene.act(scene.reach("plain").unlink)
    scene.act(lambda: fill(scene.reach("plain"), "made anew"))
    for claim in claims:
        claim.state = "replaced"
    claims[-1].gone = True
    anew = scene.map("plain", scene.top, about="made anew")
    check(scene)
    # Its number is that of the upper file: there is no other candidate.
    assert said(scene, anew) == ("current", "lookup")
    scene.act(lambda: scene.reach("plain").rename(scene.reach("dir/moved")))
    anew.path, anew.below = scene.named("dir/moved"), "dir/moved"
    for claim in claims:
        claim.state = "deleted"
    check(scene)
    assert said(scene, anew) == ("current", "lookup")


def test_layers_on_two_filesystems_share_no_numbers(lab, mapper):
    shown = Path("/mnt")
    with (kernel.mounted(lab, shown, None, kernel.MS_BIND),
          Scene("two filesystems", shown, shown / mapper.name) as scene):
        grounds = [scene.stack.enter_context(kernel.filesystem("tmpfs", scene.base / name)) for name in ("one", "two")]
        layers(scene, grounds[0] / "l1", grounds[0] / "l2", grounds[1] / "u")
        claims = written(scene, "plain")
        scene.act(lambda: fill(scene.reach("new"), "new"))
        claims.append(scene.map("new", scene.top, about="an upper file"))
        check(scene)
        assert all(said(scene, claim) == ("unknown", "none") for claim in claims)
