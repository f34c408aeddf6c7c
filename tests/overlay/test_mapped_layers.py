"""Layers that were mounted through a mount that is gone, as containers/storage does where it maps ids."""

from collections.abc import Callable
from pathlib import Path

import pytest

import mapsd
from tests.overlay import kernel
from tests.overlay.battery import happen, lay
from tests.overlay.files import identity
from tests.overlay.scenes import Scene
from tests.overlay.test_layers import (
    a_lower_is_renamed_and_a_copy_takes_its_place,
    copied,
)
from tests.overlay.test_layers_command import check as check_layers
from tests.overlay.test_layers_command import of
from tests.overlay.truth import check


def nothing(_scene: Scene) -> None:
    """Leave all as it is."""


def the_links_are_swapped(scene: Scene) -> None:
    one, two = links(scene)
    first = one.readlink()
    relinked(one, two.readlink())
    relinked(two, first)


def a_link_leads_to_a_copy(scene: Scene) -> None:
    one, _ = links(scene)
    copied(scene.layers[0].path, scene.layers[0].path.with_name("decoy"))
    relinked(one, Path("../one/decoy"))


def links(scene: Scene) -> tuple[Path, Path]:
    driver = scene.layers[0].path.parent.parent
    return driver / "l/ONE", driver / "l/TWO"


def relinked(link: Path, to: Path) -> None:
    link.unlink()
    link.symlink_to(to)


def mounted(scene: Scene, kind: str, more: str) -> None:
    """Mount an overlay by the short names of two layers below a mount of their store, which then goes."""
    ground = scene.stack.enter_context(kernel.filesystem(kind, scene.base / "ground"))
    driver = ground / "overlay"
    for name in ("one", "two"):
        scene.lower(driver / name / "diff")
        (driver / "l").mkdir(exist_ok=True)
        (driver / "l" / name.upper()).symlink_to(f"../{name}/diff")
    own = scene.upper(driver / "own/diff").path
    lay(scene, "early", "late")
    mapped = driver / "own/mapped/0"
    with kernel.mounted(driver, mapped, None, kernel.MS_BIND):
        scene.mount(more, f"lowerdir={mapped}/l/ONE:{mapped}/l/TWO,upperdir={own},workdir={own}-work")


@pytest.mark.parametrize(("kind", "more", "container"), [("ext4", "", True), ("tmpfs", ",uuid=off", False)])
@pytest.mark.parametrize("motion", [nothing, a_lower_is_renamed_and_a_copy_takes_its_place, the_links_are_swapped,
                                    a_link_leads_to_a_copy], ids=lambda motion: motion.__name__)
def test_no_answer_is_wrong_where_the_texts_lead_nowhere(lab, mapper, kind, more, container,
                                                         motion: Callable[[Scene], None]):
    with Scene(f"mapped layers, {motion.__name__}, {kind}{more}", lab, mapper) as scene:
        mounted(scene, kind, more)
        scene.start()
        if container:
            scene.contain()
        happen(scene, "early")
        motion(scene)
        check(scene, inside=container)
        check_layers(scene, inside=container)
        happen(scene, "late")
        check(scene)


def test_the_layers_are_found_by_their_short_names(lab, mapper):
    with Scene("mapped layers, found", lab, mapper) as scene:
        mounted(scene, "ext4", "")
        scene.start()
        _, *lowers = of(scene)["layers"]
        assert [identity(one["directory"]["path"]) for one in lowers] == [layer.identity for layer in scene.layers[:2]]
        # The text has not led there: their places are the engine's word.
        assert [(one["certain"], one["reachable"]) for one in lowers] == [(False, True)] * 2
        assert all("changed places" in one["reason"] for one in lowers)


def test_a_name_opens_the_file_of_the_layer_that_has_its_handle(lab, mapper):
    with Scene("mapped layers, which", lab, mapper) as scene:
        mounted(scene, "ext4", "")
        scene.start()
        for number, layer in enumerate(scene.layers[:2]):
            winner = mapsd.which(scene.target.pid, scene.named(f"layer{number}").encode()).winner
            assert winner is not None
            assert winner.backing is not None, winner
            assert (winner.backing.path, winner.proof) == (bytes(layer.path / f"layer{number}"), "sole-candidate")
