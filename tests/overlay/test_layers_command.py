"""`mapsd layers` on real overlays: every layer in its place, its directory the mounted one or said not to be."""

import os
from pathlib import Path

import pytest

from tests.layerschemas import of_layers
from tests.overlay import kernel
from tests.overlay.battery import rootless
from tests.overlay.capabilities import LACKING, drop
from tests.overlay.child import told
from tests.overlay.files import identity
from tests.overlay.inside import within
from tests.overlay.laid import writable
from tests.overlay.scenes import Layer, Scene, gone
from tests.overlay.test_layer_names import mounted_from
from tests.overlay.test_layers import MOTIONS
from tests.overlay.test_nested import Nested
from tests.overlay.truth import exact


def of(scene: Scene, answer: dict | None = None) -> dict:
    """Return the overlay at the scene's mount point, as the process names it."""
    found = exact(of_layers(scene.target.pid) if answer is None else answer)
    point = scene.named("").rstrip("/") or "/"
    return next(one for one in found["overlays"] if one["mount"]["mount_point"] == point)


def check(scene: Scene, *, inside: bool = False, user: bool = False) -> None:
    """Ask as every observer: no layer is missing or in another's place, and no certain one is another directory."""
    pid = scene.target.pid
    faithful(scene, of(scene))
    for numbers in LACKING.values():
        faithful(scene, of(scene, told(lambda numbers=numbers: drop(numbers) or of_layers(pid))))
    if inside:
        faithful(scene, of(scene, within(pid, lambda: of_layers(pid), user=user)), here=False)


def faithful(scene: Scene, found: dict, *, here: bool = True) -> None:
    truth = sorted(scene.layers, key=lambda layer: layer.index)
    assert [(one["role"], one["index"]) for one in found["layers"]] == [(one.role, one.index) for one in truth]
    for layer, one in zip(truth, found["layers"], strict=True):
        directory = one["directory"]
        if one["certain"]:
            assert (directory["device"], directory["inode"]) == layer.identity
        if directory is not None and directory["path"] is not None and here:
            assert identity(directory["path"]) == (directory["device"], directory["inode"])
        if directory is not None and directory["openable_path"] is not None and here:
            assert identity(directory["openable_path"]) == (directory["device"], directory["inode"])


def known(found: dict, layer: Layer) -> dict:
    """Return a layer that must be certain, reachable and named."""
    one = next(each for each in found["layers"] if each["index"] == layer.index)
    assert (one["certain"], one["reachable"]) == (True, True)
    assert identity(one["directory"]["path"]) == layer.identity
    return one


@pytest.mark.parametrize("kinds", [("tmpfs", "tmpfs"), ("ext4", "ext4"), ("ext4", "tmpfs")], ids="-on-".join)
@pytest.mark.parametrize("container", [False, True])
def test_every_layer_is_in_its_place_and_certain(lab, mapper, kinds, container):
    with writable("layers", lab, mapper, kinds) as scene:
        scene.mount()
        scene.start()
        if container:
            scene.contain()
        check(scene, inside=container)
        found = of(scene)
        for layer in scene.layers:
            one = known(found, layer)
            assert one["text"] == str(layer.path)
        assert found["covered"] is False
        assert found["work"]["text"] == f"{scene.top.path}-work"
        assert identity(found["work"]["directory"]["path"]) == identity(f"{scene.top.path}-work")


@pytest.mark.parametrize("container", [False, True])
def test_layers_of_a_filesystem_without_a_uuid_are_certain(lab, mapper, container):
    with writable("layers, no UUID", lab, mapper, ("ext4", "ext4")) as scene:
        scene.mount(",uuid=off")
        scene.start()
        if container:
            scene.contain()
        check(scene, inside=container)
        for layer in scene.layers:
            assert known(of(scene), layer)["needs"] is None


@pytest.mark.parametrize("motion", MOTIONS, ids=lambda motion: motion.__name__)
@pytest.mark.parametrize("container", [False, True])
@pytest.mark.parametrize("more", ["", ",uuid=off"])
def test_no_directory_that_took_a_layers_name_is_certain(lab, mapper, motion, container, more):
    with writable(f"layers, {motion.__name__}{more}", lab, mapper) as scene:
        scene.mount(more)
        scene.start()
        if container:
            scene.contain()
        motion(scene)
        check(scene, inside=container)


def test_a_layer_of_which_nothing_shows_is_not_certain(lab, mapper):
    with Scene("layers, shadowed", lab, mapper) as scene:
        above, below = scene.lower(scene.base / "l1"), scene.lower(scene.base / "l2")
        for layer in (above, below):
            scene.fill(layer, "same")
        scene.upper(scene.base / "u")
        scene.mount()
        scene.start()
        check(scene)
        found = of(scene)
        known(found, above)
        one = found["layers"][2]
        assert (one["certain"], one["reachable"], one["needs"]) == (False, True, None)
        assert "nothing that was compared shows through" in one["reason"]


def test_without_an_upper_layer_there_is_none(lab, mapper):
    with Scene("layers, read-only", lab, mapper) as scene:
        for name in ("l1", "l2"):
            scene.fill(scene.lower(scene.base / name), f"of-{name}")
        scene.mount()
        scene.start()
        check(scene)
        found = of(scene)
        assert found["work"] is None
        known(found, scene.layers[0])
        # Nothing says when it was mounted, so that the others may have changed places since.
        assert "changed places" in found["layers"][1]["reason"]


def test_data_only_layers_come_last(lab, mapper):
    with Scene("layers, data-only", lab, mapper) as scene:
        scene.fill(scene.lower(scene.base / "l1"), "file")
        scene.lower(scene.base / "d1", "data")
        scene.lower(scene.base / "d2", "data")
        scene.mount(",redirect_dir=on,metacopy=on")
        scene.start()
        check(scene)
        found = of(scene)
        assert [one["certain"] for one in found["layers"]] == [True, False, False]
        assert all(one["reachable"] for one in found["layers"])


@pytest.mark.parametrize("decoy", [False, True])
def test_relative_layers_are_resolved(lab, mapper, decoy):
    with Scene(f"layers, relative{', decoy' * decoy}", lab, mapper) as scene:
        for number in range(70):
            scene.fill(scene.lower(scene.base / f"{number}"), f"only{number}")
        scene.upper(scene.base / "u")
        texts = ":".join(str(number) for number in range(70))
        mounted_from(scene, scene.base, f"lowerdir={texts},upperdir=u,workdir=u-work", scene.merged)
        scene.start()
        if decoy:
            for number in range(70):
                (scene.merged / f"{number}").mkdir()
            scene.target.ask("chdir", scene.merged)
        check(scene)
        found = of(scene)
        for layer, one in zip(sorted(scene.layers, key=lambda each: each.index), found["layers"], strict=True):
            assert one["text"] == ("u" if layer.role == "upper" else f"{layer.index - 1}")
            assert identity(one["directory"]["path"]) == layer.identity
            # Where several directories have the name, the place is not that of a text that was unmoved.
            assert one["certain"] or (decoy and "changed places" in one["reason"])


def test_a_relative_layer_that_nothing_resolves_is_not_found(lab, mapper):
    with Scene("layers, nowhere", lab, mapper) as scene:
        hidden = scene.base / "hidden" / "deep"
        scene.fill(scene.lower(hidden / "l1"), "file")
        scene.fill(scene.lower(hidden / "l2"), "file")
        mounted_from(scene, hidden, "lowerdir=l1:l2", scene.merged)
        scene.start()
        check(scene)
        for one in of(scene)["layers"]:
            assert (one["directory"], one["certain"], one["reachable"]) == (None, None, False)
            assert one["reason"].startswith("it is relative to where mount(2) was called")


def test_a_layer_in_another_mount_namespace_is_not_found(lab, mapper):
    with Scene("layers, another namespace", lab, mapper) as scene:
        scene.start()
        scene.target.ask("newns")
        # What the process mounted there only it sees, and after the pivot nobody names it.
        only = scene.base / "only"
        only.mkdir()
        shown = scene.target.inside(f"{only}")
        within(scene.target.pid, lambda: kernel.mount("x", only, "tmpfs"))
        layer = Path(os.fsdecode(shown)) / "l1"
        scene.layers = [Layer("lower", 1, layer), Layer("lower", 2, layer.with_name("l2"))]
        for each in scene.layers:
            scene.fill(each, f"only{each.index}", "proc/file")
        scene.settle()
        scene.target.ask("overlay", scene.merged, f"lowerdir={only}/l1:{only}/l2".encode().hex())
        check(scene, inside=True)
        one = of(scene)["layers"][0]
        assert one["directory"]["path"] is None
        assert (one["directory"]["device"], one["directory"]["inode"]) == scene.layers[0].identity
        assert one["certain"] is True
        scene.contain()
        check(scene)
        one = of(scene)["layers"][0]
        assert (one["directory"], one["reachable"]) == (None, False)
        assert "another mount namespace" in one["reason"]


@pytest.mark.parametrize("inner_upper", [False, True])
def test_a_layer_that_is_an_overlay_says_what_it_is_made_of(lab, mapper, inner_upper):
    with Nested("layers, nested", lab, mapper) as scene:
        scene.deepen(1, "ext4", inner_upper=inner_upper, outer_upper=True)
        scene.start()
        bottoms = [layer for layer in scene.layers if layer is not scene.top]
        [outer] = [one for one in exact(of_layers(scene.target.pid))["overlays"]
                   if one["mount"]["mount_point"] == str(scene.merged)]
        assert [one["overlay"] is not None for one in outer["layers"]] == [False, True, False]
        inner = outer["layers"][1]["overlay"]
        assert inner["mount"]["mount_point"] == str(scene.middles[0])
        scene.layers = bottoms
        for layer in bottoms:
            layer.identity = identity(layer.path)
        faithful(scene, inner)
        for layer in bottoms if inner_upper else bottoms[:1]:
            known(inner, layer)


def test_every_overlay_of_the_process_is_listed_and_a_covered_one_is_said_to_be(lab, mapper):
    with writable("layers, several", lab, mapper) as scene:
        scene.mount()
        scene.start()
        other = scene.base / "other"
        other.mkdir()
        kernel.mount("overlay", other, "overlay", 0, f"lowerdir={scene.layers[0].path}:{scene.layers[1].path}")
        scene.stack.callback(gone, other)
        points = [one["mount"]["mount_point"] for one in exact(of_layers(scene.target.pid))["overlays"]]
        assert points.index(str(scene.merged)) < points.index(str(other))
        kernel.mount("tmpfs", other, "tmpfs")
        scene.stack.callback(gone, other)
        covered = {one["mount"]["mount_point"]: one["covered"]
                   for one in exact(of_layers(scene.target.pid))["overlays"]}
        assert (covered[str(scene.merged)], covered[str(other)]) == (False, True)


def test_a_chroot_below_the_overlays_root_still_sees_it(lab, mapper):
    with writable("layers, chrooted", lab, mapper) as scene:
        scene.mount()
        scene.start()
        scene.target.ask("chroot", scene.merged / "dir")
        found = exact(of_layers(scene.target.pid))["overlays"]
        assert [one["mount"]["mount_point"] for one in found] == ["/"]
        faithful(scene, found[0])
        assert [one["certain"] for one in found[0]["layers"]] == [True, True, True]


def test_options_are_said_in_words(lab, mapper):
    with writable("layers, options", lab, mapper) as scene:
        scene.mount(",metacopy=on,redirect_dir=on,index=on,volatile")
        scene.start()
        options = {one["name"]: one for one in of(scene)["options"]}
        assert {name for name, one in options.items() if one["printed"]} >= {"rw", "metacopy", "redirect_dir", "index"}
        assert options["metacopy"]["value"] == "on"
        assert options["metacopy"]["meaning"].startswith("a change of owner, mode or times copies only metadata up")
        # What was `volatile` is printed as `fsync=volatile` by newer kernels.
        assert "worthless" in (options.get("fsync") or options["volatile"])["meaning"]
        assert all(one["meaning"] for one in options.values() if one["printed"] and one["name"] != "seclabel")
        default = Path("/sys/module/overlay/parameters/nfs_export").read_text().strip()
        assert options["nfs_export"] == {"name": "nfs_export", "value": "on" if default == "Y" else "off",
                                         "printed": False, "meaning": options["nfs_export"]["meaning"]}
        assert (options["userxattr"]["printed"], options["userxattr"]["value"]) == (False, "off")


def test_an_overlay_in_a_user_namespace_is_never_certain_without_proof(lab, mapper):
    with (kernel.mounted(lab, Path("/mnt"), None, kernel.MS_BIND),
          Scene("layers, userxattr", Path("/mnt"), Path("/mnt") / mapper.name) as scene):
        for name in ("l1", "l2"):
            scene.fill(scene.lower(scene.base / name), f"of-{name}")
        scene.upper(scene.base / "u")
        rootless(scene)
        check(scene, inside=True, user=True)
        options = {one["name"]: one for one in of(scene)["options"]}
        assert options["userxattr"]["printed"]
        assert all(one["reachable"] for one in of(scene)["layers"])
