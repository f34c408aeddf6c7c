"""What overlayfs writes into its layers: metacopy, redirects, opaque directories, whiteouts."""

import os
import shutil
from pathlib import Path

import pytest

from tests.overlay import kernel
from tests.overlay.battery import happen, lay, rootless, write
from tests.overlay.files import fill, identity
from tests.overlay.scenes import Scene
from tests.overlay.test_data_only import mark
from tests.overlay.truth import check


def plain(name: str, lab: Path, mapper: Path, kind: str = "ext4") -> Scene:
    """Give a scene of two lowers and an upper on one filesystem; nothing is mounted."""
    scene = Scene(name, lab, mapper)
    ground = scene.stack.enter_context(kernel.filesystem(kind, scene.base / "ground"))
    for layer in ("l1", "l2"):
        scene.lower(ground / layer)
    scene.upper(ground / "u")
    return scene


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
@pytest.mark.parametrize("options", ["", ",index=on"])
@pytest.mark.parametrize("container", [False, True])
def test_a_metacopy_holds_the_lower_data_until_it_is_written(lab, mapper, kind, options, container):
    with plain(f"metacopy, {kind}{options}", lab, mapper, kind) as scene:
        lay(scene, "one")
        for name in ("early", "late", "moved"):
            scene.fill(scene.layers[0], name)
        scene.mount(f",metacopy=on{options}")
        scene.start()
        if container:
            scene.contain()
        happen(scene, "one")
        lower = scene.layers[0]
        claims = {name: [scene.map(name, lower, mode, about=f"{name} before") for mode in "spn"]
                  for name in ("early", "late", "moved")}
        for name in ("early", "moved"):
            scene.reach(name).chmod(0o640)
        scene.reach("moved").rename(scene.reach("moved2"))
        for name, now in (("early", "early"), ("moved", "moved2")):
            claims[name].append(scene.map(now, lower, below=name, about=f"{name} after chmod"))
            for claim in claims[name]:
                claim.metadata, claim.path = identity(scene.real(scene.top, now)), scene.named(now)
        check(scene, inside=container)
        for name, now in (("early", "early"), ("late", "late"), ("moved", "moved2")):
            write(scene.reach(now))
            for claim in claims[name]:
                claim.state = "copied-up"
            scene.map(now, scene.top, about=f"{name} after write")
        check(scene, inside=container)


@pytest.mark.parametrize("new", ["two", "sub/two"])
@pytest.mark.parametrize("rebuilt", ["no", "remounted", "as a lower", "as a lower, read-only"])
@pytest.mark.parametrize("container", [False, True])
def test_a_redirected_directory_is_followed(lab, mapper, new, rebuilt, container):
    with plain(f"redirect {new}, {rebuilt}", lab, mapper) as scene:
        lay(scene, "one")
        (scene.layers[1].path / "sub").mkdir()
        scene.mount(",redirect_dir=on")
        (scene.merged / "one").rename(scene.merged / new)
        scene.below = lambda name: name.replace(new, "one", 1) if name.startswith(new) else name
        if rebuilt != "no":
            kernel.umount(scene.merged)
        if rebuilt == "remounted":
            scene.mount(",redirect_dir=on")
        elif rebuilt.startswith("as a lower"):
            lowers = ":".join(str(layer.path) for layer in (scene.top, *scene.sources))
            for layer in scene.sources:
                layer.index += 1
            scene.top.index, scene.top.role = 1, "lower"
            scene.upper(scene.base / "ground" / "u2")
            above = f",upperdir={scene.top.path},workdir={scene.top.path}-work"
            scene.mount(",redirect_dir=on", f"lowerdir={lowers}{'' if rebuilt.endswith('only') else above}")
        scene.start()
        if container:
            scene.contain()
        happen(scene, new, writable=not rebuilt.endswith("only"))
        check(scene, inside=container)


@pytest.mark.parametrize("new", ["two", "sub/two"])
def test_a_directory_renamed_under_its_mappings(lab, mapper, new):
    with plain(f"directory renamed to {new} later", lab, mapper) as scene:
        lay(scene, "one")
        (scene.layers[1].path / "sub").mkdir()
        scene.mount(",redirect_dir=on")
        scene.start()
        happen(scene, "one")
        # A mount point cannot be renamed over, but what holds it can.
        scene.reach("one").rename(scene.reach(new))
        for claim in scene.claims:
            old = scene.named("one/")
            if claim.path.startswith(old):
                claim.path = scene.named(f"{new}/") + claim.path.removeprefix(old)
                if claim.layer is scene.top:
                    claim.below = f"{new}/" + claim.below.removeprefix("one/")
        check(scene)


@pytest.mark.parametrize("how", ["opaque lower", "xattr whiteouts", "whiteouts"])
@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_what_a_lower_hides_is_no_candidate(lab, mapper, how, kind):
    with plain(f"{how}, {kind}", lab, mapper, kind) as scene:
        hiding, hidden = scene.sources
        scene.sources = [hiding]
        lay(scene, "one")
        shutil.copytree(hiding.path / "one", hidden.path / "one")
        scene.fill(hidden, "one/hidden", "one/again")
        if how == "opaque lower":
            mark(hiding.path / "one", opaque=b"y")
        for name in ("hidden", "again") if how != "opaque lower" else ():
            if how == "whiteouts":
                os.mknod(hiding.path / "one" / name, 0o20000)
            else:
                (hiding.path / "one" / name).write_bytes(b"")
                mark(hiding.path / "one", opaque=b"x")
                mark(hiding.path / "one" / name, whiteout=b"y")
        scene.mount()
        scene.start()
        assert not scene.reach("one/hidden").exists()
        happen(scene, "one")
        fill(scene.reach("one/again"), "again")
        claim = scene.map("one/again", scene.top)
        check(scene)
        scene.reach("one/again").unlink()
        claim.state, claim.gone = "deleted", True
        check(scene)


def test_a_directory_made_anew_hides_the_old_one(lab, mapper):
    with plain("a directory made anew", lab, mapper) as scene:
        lay(scene, "one", "two")
        scene.mount()
        scene.start()
        old = [scene.map("one/plain-s", scene.sources[0], mode, about="old") for mode in "spn"]
        shutil.rmtree(scene.reach("one"))
        scene.reach("one").mkdir()
        for claim in old:
            claim.state = "deleted"
        check(scene)
        fill(scene.reach("one/plain-s"), "made anew")
        for claim in old:
            claim.state = "replaced"
        scene.map("one/plain-s", scene.top, about="new")
        check(scene)


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_no_answer_is_wrong_about_a_rootless_overlay(lab, mapper, kind):
    shown = Path("/mnt")
    assert mapper.parent == lab
    with (kernel.mounted(lab, shown, None, kernel.MS_BIND),
          Scene(f"userxattr, {kind}", shown, shown / mapper.name) as scene):
        ground = scene.stack.enter_context(kernel.filesystem(kind, scene.base / "ground"))
        scene.lower(ground / "l1")
        scene.lower(ground / "l2")
        scene.upper(ground / "u")
        lay(scene, "one")
        rootless(scene)
        happen(scene, "one")
        check(scene, inside=True)
        check(scene, inside=True, user=True)
