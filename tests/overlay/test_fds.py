"""Descriptors on real overlays: each of them reads what mapsd says, as its owner's own reads show."""

import os
from pathlib import Path

import pytest

from tests.overlay import kernel
from tests.overlay.battery import LOWER, cover, jail, lay, rootless, write
from tests.overlay.capabilities import LACKING
from tests.overlay.files import fill
from tests.overlay.openers import Opener, Opening, OpenScene, check, happen
from tests.overlay.test_namespaces import all_become, only_there
from tests.overlay.test_nested import Nested


class OpenNested(Opening, Nested):
    """Overlays on overlays."""


@pytest.fixture(params=["tmpfs", "ext4"])
def scene(lab, mapper, request):
    """A scene of two lowers and an upper that is not mounted yet, and a process that opens its files."""
    with OpenScene(request.node.name.removeprefix("test_"), lab, mapper) as made:
        ground = made.stack.enter_context(kernel.filesystem(request.param, made.base / "ground"))
        for layer in ("l1", "l2"):
            made.lower(ground / layer)
        made.upper(ground / "u")
        lay(made, "early", "late")
        (made.layers[0].path / "sub").mkdir()
        made.settle()
        made.start()
        yield made


@pytest.mark.parametrize("options", ["", ",metacopy=on", ",index=on", ",redirect_dir=on", ",nfs_export=on"])
def test_no_answer_is_wrong_about_what_a_descriptor_reads(scene, options):
    scene.name += options
    scene.mount(options)
    happen(scene, "early")
    check(scene)


@pytest.mark.parametrize("xino", ["off", "on"])
@pytest.mark.parametrize("upper", [True, False])
def test_layers_on_several_filesystems(lab, mapper, xino, upper):
    with OpenScene(f"several filesystems xino={xino}{', upper' * upper}", lab, mapper) as made:
        for kind, name in (("ext4", "a"), ("ext4", "b"), ("tmpfs", "c")):
            ground = made.stack.enter_context(kernel.filesystem(kind, made.base / name))
            if kind == "ext4":
                made.lower(ground / "l")
            elif upper:
                made.upper(ground / "u")
        lay(made, "early")
        made.mount(f",xino={xino}")
        made.start()
        happen(made, "early", writable=upper)
        check(made)


@pytest.mark.parametrize("inner_upper", [False, True])
@pytest.mark.parametrize("container", [False, True])
def test_an_overlay_on_an_overlay(lab, mapper, inner_upper, container):
    with OpenNested(f"an overlay on an overlay{', inner upper' * inner_upper}", lab, mapper) as made:
        made.deepen(1, "ext4", inner_upper=inner_upper, outer_upper=True)
        made.start()
        if container:
            made.contain()
        happen(made, "one")
        check(made, inside=container)


def test_an_overlay_on_an_overlay_whose_files_have_handles(lab, mapper):
    # The outer overlay's handle then names a file of the inner one.
    with OpenNested("an overlay on an overlay with nfs_export=on", lab, mapper) as made:
        made.deepen(1, "ext4", inner_upper=True, outer_upper=True, inner_options=",nfs_export=on")
        made.start()
        happen(made, "one")
        check(made)


def test_a_rootless_overlay(lab, mapper):
    shown = Path("/mnt")
    with (kernel.mounted(lab, shown, None, kernel.MS_BIND),
          OpenScene("userxattr", shown, shown / mapper.name) as made):
        ground = made.stack.enter_context(kernel.filesystem("ext4", made.base / "ground"))
        made.lower(ground / "l1")
        made.lower(ground / "l2")
        made.upper(ground / "u")
        lay(made, "one")
        rootless(made)
        happen(made, "one")
        # Without the right to list another user's descriptors there is no answer.
        check(made, inside=True, user=True, lacking={"no SYS_ADMIN": LACKING["no SYS_ADMIN"]})


def test_a_container(scene):
    only_there(scene)
    scene.contain()
    happen(scene, "early")
    check(scene, inside=True)


def test_a_container_that_opened_its_files_before_it_was_one(scene):
    only_there(scene)
    scene.target.ask("bind", Path("/proc"), scene.merged / "proc")
    happen(scene, "early")
    scene.target.ask("pivot", scene.merged)
    scene.root = str(scene.merged)
    for claim in scene.claims:
        claim.path = claim.path.removeprefix(scene.root)
    happen(scene, "late")
    check(scene, inside=True)


def test_a_chroot_with_decoys_at_the_shown_names(scene):
    scene.mount()
    happen(scene, "early")
    jail(scene)
    check(scene)


@pytest.mark.parametrize("then", ["nothing", "the same overlay", "decoys"])
def test_a_lazy_unmount(scene, then):
    scene.name += f", then {then}"
    scene.mount()
    happen(scene, "early")
    texts = [claim.path.removeprefix(str(scene.merged)) for claim in scene.claims]
    scene.target.ask("detach", scene.merged)
    all_become(scene, "detached")
    if then == "the same overlay":
        scene.mount()
    elif then == "decoys":
        jail = scene.base / "jail"
        for text in texts:
            fill(Path(f"{jail}{text}"), f"decoy {text}")
        scene.target.ask("chroot", jail)
    check(scene)


def test_another_overlay_over_the_first(scene):
    scene.mount()
    happen(scene, "early")
    cover(scene)
    check(scene)


def test_descriptors_that_were_passed_to_another_mount_namespace(scene):
    only_there(scene)
    names = ("plain", "write", "gone")
    fds = {name: os.open(scene.reach(f"early/{name}-s"), os.O_RDONLY) for name in names}
    order = dict(zip(LOWER, scene.sources * len(LOWER), strict=False))
    holder = scene.target
    try:
        with Opener(scene.mapper, pass_fds=list(fds.values())) as other:
            scene.target = other
            for name in names:
                scene.claim(fds[name], order[name], f"early/{name}-s", f"passed {name}", 0, None, state="unreachable")
            check(scene)
            scene.target = holder
            write(scene.reach("early/write-s"))
            scene.map("early/write-s", scene.top, about="write after")
            scene.reach("early/gone-s").unlink()
            copy = scene.claims.pop()
            claim = scene.claims[1]
            claim.layer, claim.below, claim.identity, claim.held = copy.layer, copy.below, copy.identity, copy.held
            scene.target = other
            check(scene)
            holder.ask("detach", scene.merged)
            all_become(scene, "detached")
            check(scene)
    finally:
        scene.target = holder
        for fd in fds.values():
            os.close(fd)


def test_a_process_whose_leader_has_exited(scene):
    scene.mount()
    happen(scene, "early")
    scene.target.ask("thread")
    check(scene)
