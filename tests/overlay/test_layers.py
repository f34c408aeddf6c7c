"""Layers in motion: what becomes of a layer's name or files after the mount."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import sleep, time

import pytest

from tests.overlay import kernel
from tests.overlay.battery import happen, lay
from tests.overlay.files import fill, pass_tick
from tests.overlay.scenes import Scene, gone
from tests.overlay.truth import check


def copied(source: Path, to: Path) -> None:
    """Put a copy of a directory there: the same names, other files."""
    subprocess.run(["cp", "-a", source, to], check=True)


def a_lower_is_renamed(scene: Scene) -> None:
    moved = scene.layers[0].path.with_name("moved")
    scene.layers[0].path = scene.layers[0].path.rename(moved)


def a_lower_is_renamed_and_a_copy_takes_its_place(scene: Scene) -> None:
    place = scene.layers[0].path
    a_lower_is_renamed(scene)
    copied(scene.layers[0].path, place)


def a_lower_is_renamed_and_other_files_take_its_place(scene: Scene) -> None:
    place = scene.layers[0].path
    a_lower_is_renamed_and_a_copy_takes_its_place(scene)
    for file in filter(Path.is_file, place.rglob("*")):
        fill(file, f"decoy {file.name}")


def the_parent_of_all_layers_is_renamed_and_a_copy_takes_its_place(scene: Scene) -> None:
    parent = scene.layers[0].path.parent
    moved = parent.rename(parent.with_name("elsewhere"))
    copied(moved, parent)
    for layer in scene.layers:
        layer.path = moved / layer.path.name


def two_lowers_are_swapped(scene: Scene) -> None:
    first, second = scene.layers[:2]
    one, two = first.path, second.path
    one.rename(one.with_name("aside"))
    two.rename(one)
    one.with_name("aside").rename(two)
    first.path, second.path = two, one


def mounts_are_swapped(scene: Scene, one: Path, two: Path) -> None:
    """Let the mounts of two layers' filesystems change places: neither their ids nor any file's times change."""
    aside = scene.base / "aside"
    aside.mkdir()
    for source, to in ((one, aside), (two, one), (aside, two)):
        kernel.mount(source, to, None, kernel.MS_MOVE)
    for layer in scene.layers:
        place = {one: two, two: one}[layer.path.parent]
        layer.path = place / layer.path.name


def a_tmpfs_covers_a_lower(scene: Scene) -> None:
    scene.stack.enter_context(kernel.mounted("cover", scene.layers[0].path, "tmpfs"))
    scene.layers[0].path = None


def a_copy_is_mounted_over_a_lower(scene: Scene) -> None:
    place = scene.layers[0].path
    copied(place, place.with_name("copy"))
    kernel.mount(place.with_name("copy"), place, None, kernel.MS_BIND)
    scene.stack.callback(gone, place)
    scene.layers[0].path = None


def the_upper_is_renamed(scene: Scene) -> None:
    upper = next(layer for layer in scene.layers if layer.role == "upper")
    upper.path = upper.path.rename(upper.path.with_name("moved-upper"))


def the_upper_is_renamed_and_a_copy_takes_its_place(scene: Scene) -> None:
    upper = next(layer for layer in scene.layers if layer.role == "upper")
    place = upper.path
    the_upper_is_renamed(scene)
    copied(upper.path, place)


def the_upper_is_renamed_and_an_empty_one_takes_its_place(scene: Scene) -> None:
    upper = next(layer for layer in scene.layers if layer.role == "upper")
    place = upper.path
    the_upper_is_renamed(scene)
    place.mkdir()


def the_work_directory_is_swapped(scene: Scene) -> None:
    work = scene.layers[-1].path.with_name("u-work")
    copied(work, work.with_name("copy-work"))
    work.rename(work.with_name("old-work"))
    work.with_name("copy-work").rename(work)


MOTIONS = [a_lower_is_renamed, a_lower_is_renamed_and_a_copy_takes_its_place,
           a_lower_is_renamed_and_other_files_take_its_place,
           the_parent_of_all_layers_is_renamed_and_a_copy_takes_its_place, two_lowers_are_swapped,
           a_tmpfs_covers_a_lower, a_copy_is_mounted_over_a_lower, the_upper_is_renamed,
           the_upper_is_renamed_and_a_copy_takes_its_place, the_upper_is_renamed_and_an_empty_one_takes_its_place,
           the_work_directory_is_swapped]


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
@pytest.mark.parametrize("motion", MOTIONS, ids=lambda motion: motion.__name__)
@pytest.mark.parametrize("options", ["", ",index=on"])
@pytest.mark.parametrize("container", [False, True])
def test_no_answer_is_wrong_after_this_motion(lab, mapper, kind, motion: Callable[[Scene], None], options, container):
    with Scene(f"{motion.__name__.replace('_', ' ')}, {kind}{options}", lab, mapper) as scene:
        ground = scene.stack.enter_context(kernel.filesystem(kind, scene.base / "ground"))
        scene.lower(ground / "store" / "l1")
        scene.lower(ground / "store" / "l2")
        scene.upper(ground / "store" / "u")
        lay(scene, "early", "late")
        scene.mount(options)
        scene.start()
        if container:
            scene.contain()
        happen(scene, "early")
        motion(scene)
        check(scene, inside=container)
        happen(scene, "late")
        check(scene)


@pytest.mark.parametrize(("kinds", "writable"), [("tmpfs", False), ("ext4 ext4", False), ("tmpfs ext4", True)])
@pytest.mark.parametrize("motion", [two_lowers_are_swapped, a_lower_is_renamed_and_a_copy_takes_its_place,
                                    a_lower_is_renamed_and_other_files_take_its_place])
def test_no_answer_is_wrong_when_the_process_is_younger_than_the_motion(lab, mapper, kinds, motion, writable):
    name = f"{motion.__name__.replace('_', ' ')} before the process"
    with Scene(f"{name}{', writable' * writable}", lab, mapper) as scene:
        grounds = [scene.stack.enter_context(kernel.filesystem(kind, scene.base / f"ground{number}"))
                   for number, kind in enumerate(kinds.split())]
        for below, ground in zip("ll" if len(grounds) == 2 else "lm", (grounds[0], grounds[-1]), strict=True):
            scene.lower(ground / below)
        if writable:
            scene.upper(grounds[0] / "u")
        lay(scene, "early")
        scene.mount()
        pass_tick(scene.base)
        if len(grounds) == 1 or motion is not two_lowers_are_swapped:
            motion(scene)
        else:
            mounts_are_swapped(scene, *grounds)
        sleep(0.03)  # the tick of the clock that processes start by is 10 ms
        scene.start()
        happen(scene, "early", writable=writable)
        check(scene)


def test_no_answer_is_wrong_when_lowers_are_swapped_in_the_second_of_the_mount(lab, mapper):
    with Scene("two lowers are swapped in the second of the mount", lab, mapper) as scene:
        ground = scene.stack.enter_context(kernel.filesystem("ext4 of seconds", scene.base / "ground"))
        scene.lower(ground / "l1")
        scene.lower(ground / "l2")
        scene.upper(scene.base / "u")
        lay(scene, "early")
        while time() % 1 > 0.5:
            sleep(0.05)
        scene.mount()
        two_lowers_are_swapped(scene)
        scene.start()
        happen(scene, "early")
        check(scene)


@pytest.mark.parametrize("kinds", ["tmpfs tmpfs", "ext4 ext4"])
@pytest.mark.parametrize("writable", [False, True])
def test_no_answer_is_wrong_when_an_older_mount_is_moved_over_the_layers(lab, mapper, kinds, writable):
    with Scene(f"an older mount is moved over the layers{', writable' * writable}", lab, mapper) as scene:
        ground, decoy = (scene.stack.enter_context(kernel.filesystem(kind, scene.base / name))
                         for name, kind in zip(("ground", "decoy"), kinds.split(), strict=True))
        for name in ("l1", "l2"):
            scene.lower(ground / name)
        lay(scene, "early")
        if writable:
            scene.upper(scene.base / "u")
        for layer in scene.layers[:2]:
            shutil.copytree(layer.path, decoy / layer.path.name)
            for file in filter(Path.is_file, (decoy / layer.path.name).rglob("*")):
                fill(file, f"decoy {file.name}")
        scene.mount()
        kernel.mount(decoy, ground, None, kernel.MS_MOVE)
        scene.stack.callback(kernel.mount, ground, decoy, None, kernel.MS_MOVE)
        for layer in scene.layers:
            if layer.path.parent == ground:
                layer.path = None
        sleep(0.03)
        scene.start()
        happen(scene, "early", writable=writable)
        check(scene)


@pytest.mark.parametrize("place", ["nothing", "a clone of its image", "another filesystem"])
@pytest.mark.parametrize("options", [",xino=off", ",xino=on"])
@pytest.mark.parametrize("writable", [True, False])
def test_no_answer_is_wrong_when_a_lower_filesystem_left(lab, mapper, place, options, writable):
    with Scene(f"the lower filesystem left, then {place}{options}{', writable' * writable}", lab, mapper) as scene:
        first = scene.stack.enter_context(kernel.filesystem("ext4", scene.base / "one"))
        second = scene.base / "two"
        with kernel.filesystem("ext4", second):
            scene.lower(first / "l")
            layer = scene.lower(second / "l")
            if writable:
                scene.upper(scene.base / "u")
            lay(scene, "early", "late")
            os.sync()
            shutil.copy(second.with_suffix(".img"), second.with_suffix(".clone"))
            scene.mount(options)
            scene.start()
            happen(scene, "early", writable=writable)
        layer.path = None
        if place == "a clone of its image":
            scene.stack.enter_context(kernel.loop_mounted(second.with_suffix(".clone"), second, "ext4"))
        elif place == "another filesystem":
            scene.stack.enter_context(kernel.mounted("other", second, "tmpfs"))
            copied(first / "l", second / "l")
        check(scene)
        happen(scene, "late", writable=writable)
        check(scene)


@pytest.mark.parametrize("container", [False, True])
def test_no_answer_is_wrong_when_linked_layer_names_are_retargeted(lab, mapper, container):
    with Scene(f"layer links retargeted{', container' * container}", lab, mapper) as scene:
        scene.lower(scene.base / "l1")
        scene.lower(scene.base / "l2")
        upper = scene.upper(scene.base / "u")
        lay(scene, "early", "late")
        for name in ("l1", "l2", "u"):
            (scene.base / f"to-{name}").symlink_to(name)
        scene.mount(options=f"lowerdir={scene.base}/to-l1:{scene.base}/to-l2,"
                            f"upperdir={scene.base}/to-u,workdir={upper.path}-work")
        scene.start()
        if container:
            scene.contain()
        happen(scene, "early")
        for name, other in {"l1": "l2", "l2": "l1", "u": "copy-u"}.items():
            (scene.base / f"to-{name}").unlink()
            (scene.base / f"to-{name}").symlink_to(other)
        copied(upper.path, scene.base / "copy-u")
        check(scene, inside=container)
        happen(scene, "late")
        check(scene)
