"""`mapsd which` on real overlays: the named file is the one that the kernel opens, and what hides what is so."""

import os
import subprocess

import pytest

from tests.layerschemas import of_which
from tests.overlay import kernel
from tests.overlay.battery import rootless
from tests.overlay.capabilities import LACKING
from tests.overlay.child import told
from tests.overlay.inside import within
from tests.overlay.laid import BOTH, HIDING, bind, cover, data_only, hide, live, reachable, rename, writable
from tests.overlay.named import answers, check, told_as, way
from tests.overlay.scenes import Scene
from tests.overlay.test_layer_names import mounted_from
from tests.overlay.test_nested import Nested

NAMES = ("", *BOTH, "dir", "only1", "only2", "tree", "tree/sub", "anew", "anew/y", "moved", "fresh", "nothing",
         "dir/nothing/at/all", "both/below")


@pytest.mark.parametrize("kinds", [("tmpfs", "tmpfs"), ("ext4", "ext4"), ("ext4", "tmpfs")], ids="-on-".join)
@pytest.mark.parametrize("options", ["", ",metacopy=on", ",index=on", ",xino=on", ",index=on,nfs_export=on"])
@pytest.mark.parametrize("container", [False, True])
def test_the_named_file_is_the_one_that_the_kernel_opens(lab, mapper, kinds, options, container):
    with writable(f"which{options}", lab, mapper, kinds) as scene:
        scene.mount(options)
        scene.start()
        if container:
            scene.contain()
        check(scene, NAMES, inside=container)
        live(scene)
        check(scene, NAMES, inside=container)


def test_each_layer_is_said_to_have_what_it_has(lab, mapper):
    with writable("the way through the layers", lab, mapper) as scene:
        scene.mount(",metacopy=on")
        scene.start()
        live(scene)
        assert {name: way(scene, name) for name in NAMES} == {
            "": "upper:0  merged, lower:1  merged, lower:2  merged",
            "both": "upper:0 both opens, lower:1 both hidden by upper:0 both, lower:2 both hidden by upper:0 both",
            "dir": "upper:0 dir merged, lower:1 dir merged, lower:2 dir merged",
            "dir/both": "lower:1 dir/both opens, lower:2 dir/both hidden by lower:1 dir/both",
            "dir/changed": "upper:0 dir/changed metacopy, lower:1 dir/changed opens, lower:2 dir/changed hidden by "
                           "lower:1 dir/changed",
            "gone": "upper:0 gone whiteout, lower:1 gone hidden by upper:0 gone, lower:2 gone hidden by upper:0 gone",
            "tree": "upper:0 tree whiteout, lower:1 tree hidden by upper:0 tree, lower:2 tree hidden by upper:0 tree",
            "tree/a": "upper:0 tree whiteout, lower:1 tree/a hidden by upper:0 tree, lower:2 tree/a hidden by "
                      "upper:0 tree",
            "tree/sub": "upper:0 tree whiteout, lower:1 tree/sub hidden by upper:0 tree, lower:2 tree/sub hidden by "
                        "upper:0 tree",
            "tree/sub/b": "upper:0 tree whiteout, lower:1 tree/sub/b hidden by upper:0 tree, lower:2 tree/sub/b hidden "
                          "by upper:0 tree",
            "anew": "upper:0 anew merged, lower:1 anew hidden by upper:0 anew, lower:2 anew hidden by upper:0 anew",
            "anew/x": "upper:0 anew passed, lower:1 anew/x hidden by upper:0 anew, lower:2 anew/x hidden by "
                      "upper:0 anew",
            "anew/y": "upper:0 anew passed, upper:0 anew/y opens",
            "renamed": "upper:0 renamed whiteout, lower:1 renamed hidden by upper:0 renamed, lower:2 renamed hidden by "
                       "upper:0 renamed",
            "moved": "upper:0 moved metacopy, lower:1 renamed opens, lower:2 renamed hidden by lower:1 renamed",
            "late": "lower:1 late opens, lower:2 late hidden by lower:1 late",
            "only1": "lower:1 only1 opens", "only2": "lower:2 only2 opens", "fresh": "upper:0 fresh opens",
            "nothing": "", "dir/nothing/at/all": "", "both/below": "upper:0 both blocked"}


UNSEEN = {  # what root without CAP_SYS_ADMIN is told, and how surely the file is known
    "": ("upper:0  merged, lower:1  merged, lower:2  merged", "inferred"),
    "both": ("upper:0 both opens, lower:1 both hidden by upper:0 both, lower:2 both hidden by upper:0 both", "proven"),
    "dir/both": ("lower:1 dir/both opens, lower:2 dir/both unknown by lower:1 dir/both", "proven"),
    "dir": ("upper:0 dir merged, lower:1 dir unknown, lower:2 dir unknown", "inferred"),
    "gone": ("upper:0 gone whiteout, lower:1 gone hidden by upper:0 gone, lower:2 gone hidden by upper:0 gone", None),
    "anew/x": ("lower:1 anew/x unknown, lower:2 anew/x unknown by lower:1 anew/x", None),
    "late": ("lower:1 late opens, lower:2 late hidden by lower:1 late", "proven"),
    "fresh": ("upper:0 fresh opens", "proven")}


def test_without_the_attributes_the_file_is_known_and_what_hangs_on_them_is_unknown(lab, mapper):
    with writable("which, attributes unseen", lab, mapper) as scene:
        scene.mount()
        scene.start()
        live(scene)
        found = told(lambda: answers(scene, list(UNSEEN), LACKING["no SYS_ADMIN"]))
    assert {name: (told_as(answer), answer["confidence"]) for name, answer in found.items()} == UNSEEN
    unknown = [met for answer in found.values() for one in answer["overlays"] for met in one["met"]
               if met["what"] == "unknown"]
    assert {tuple(met["needs"]) for met in unknown} == {("CAP_SYS_ADMIN",)}
    assert (found["dir"]["needs"], found[""]["needs"]) == (["CAP_SYS_ADMIN"], None)
    assert not any(one["attributes_visible"] for answer in found.values() for one in answer["overlays"])


def test_where_a_file_may_be_a_metacopy_the_attributes_decide(lab, mapper):
    with writable("which, metacopies unseen", lab, mapper) as scene:
        scene.mount(",metacopy=on")
        scene.start()
        live(scene)
        found = told(lambda: answers(scene, ["both", "dir/changed", "late", "fresh"], LACKING["no SYS_ADMIN"]))
    assert {name: answer["backing"] is not None for name, answer in found.items()} == {
        "both": False, "dir/changed": False, "late": False, "fresh": True}
    assert all(answer["needs"] == ["CAP_SYS_ADMIN"] for answer in found.values() if answer["backing"] is None)


@pytest.mark.parametrize("new", ["two", "sub/two"])
@pytest.mark.parametrize("rebuilt", [False, True])
def test_redirects_of_directories_are_followed(lab, mapper, new, rebuilt):
    with writable(f"which, redirect {new}", lab, mapper) as scene:
        rename(scene, new)
        if rebuilt:
            kernel.umount(scene.merged)
            scene.mount(",redirect_dir=on")
        scene.start()
        names = (new, f"{new}/both", f"{new}/changed", "dir", "dir/both", "sub")
        check(scene, names)
        shown = f"upper:0 {new} passed"
        assert way(scene, f"{new}/both") == (
            f"{shown}, lower:1 dir/both opens, lower:2 dir/both hidden by lower:1 dir/both")
        assert way(scene, f"{new}/changed") == (
            f"{shown}, upper:0 {new}/changed opens, lower:1 dir/changed hidden by upper:0 {new}/changed, "
            f"lower:2 dir/changed hidden by upper:0 {new}/changed")
        assert way(scene, new) == f"upper:0 {new} merged, lower:1 dir merged, lower:2 dir merged"
        assert way(scene, "dir/both") == ("upper:0 dir whiteout, lower:1 dir/both hidden by upper:0 dir, "
                                          "lower:2 dir/both hidden by upper:0 dir")


@pytest.mark.parametrize("how", HIDING)
@pytest.mark.parametrize("writable_too", [False, True])
def test_what_a_lower_layer_hides_is_said(lab, mapper, how, writable_too):
    with Scene(f"which, {how} in a lower", lab, mapper) as scene:
        hide(scene, how, upper=writable_too)
        scene.mount()
        scene.start()
        # Without an upper layer nothing says when it was mounted: directories that are this new may have been moved.
        check(scene, ("dir", "dir/below", "dir/both", "both"), weak=not writable_too)
        by = "dir" if how == "opaque" else "dir/below"
        first = "lower:1 dir passed" if how == "opaque" else "lower:1 dir/below whiteout"
        assert way(scene, "dir/below") == f"{first}, lower:2 dir/below hidden by lower:1 {by}"
        merged = "hidden by lower:1 dir" if how == "opaque" else "merged"
        if writable_too:
            assert way(scene, "dir") == f"lower:1 dir merged, lower:2 dir {merged}"


@pytest.mark.parametrize("options", [",redirect_dir=on,metacopy=on", ""])
@pytest.mark.parametrize("writable_too", [False, True])
def test_the_bytes_of_a_data_only_layer_are_found(lab, mapper, options, writable_too):
    with Scene(f"which, data-only{options}", lab, mapper) as scene:
        data_only(scene, {"one": b"/objects/aa", "two": b"/objects/bb"}, upper=writable_too)
        scene.mount(options)
        scene.start()
        check(scene, ("one", "two", "objects/aa", ""), weak=not writable_too)
        assert way(scene, "objects/aa") == ""
        if not writable_too:
            return
        assert way(scene, "one") == ("lower:1 one metacopy, data:2 objects/aa opens, data:3 objects/aa hidden by "
                                     "data:2 objects/aa")
        assert way(scene, "two") == "lower:1 two metacopy, data:3 objects/bb opens"


@pytest.mark.parametrize("inner_upper", [False, True])
@pytest.mark.parametrize("outer_upper", [False, True])
@pytest.mark.parametrize("container", [False, True])
def test_an_overlay_on_an_overlay_is_crossed(lab, mapper, inner_upper, outer_upper, container):
    with Nested("which, nested", lab, mapper) as scene:
        scene.immovable()
        scene.deepen(1, "ext4", inner_upper=inner_upper, outer_upper=outer_upper)
        scene.start()
        if container:
            scene.contain()
        names = ["one/plain-s", "one/write-s", "one/gone-s", "two/plain-s", "two", "nothing"]
        if outer_upper:
            scene.reach("one/write-s").write_bytes(b"written to")
            scene.reach("one/gone-s").unlink()
        check(scene, names, inside=container, weak=container or not outer_upper)
        if outer_upper and not container:
            below = "lower:1 two/plain-s opens"
            if inner_upper:
                below = "upper:0 two/plain-s opens, lower:1 two/plain-s hidden by upper:0 two/plain-s"
            assert way(scene, "two/plain-s") == f"lower:1 two/plain-s opens | {below}"


def test_seventy_layers_are_told_apart(lab, mapper):
    with Scene("which, 70 layers", lab, mapper) as scene:
        texts = []
        for number in range(70):
            layer = scene.lower(scene.base / f"{number}")
            scene.fill(layer, "all", f"only{number}", *(["dir/deep"] if number % 10 == 9 else []))
            texts.append(str(number))
        scene.upper(scene.base / "u")
        mounted_from(scene, scene.base, f"lowerdir={':'.join(texts)},upperdir=u,workdir=u-work", scene.merged)
        scene.start()
        check(scene, ("all", "only0", "only69", "dir", "dir/deep"))
        assert way(scene, "all") == "lower:1 all opens, " + ", ".join(
            f"lower:{number} all hidden by lower:1 all" for number in range(2, 71))
        assert way(scene, "only69") == "lower:70 only69 opens"


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_an_overlay_in_a_user_namespace(lab, mapper, kind):
    with reachable("which, userxattr", lab, mapper, kind) as scene:
        rootless(scene)
        within(scene.target.pid, lambda: live(scene) and None, user=True)
        check(scene, NAMES, inside=True)
        check(scene, NAMES, inside=True, user=True)
        assert way(scene, "anew/x") == ("upper:0 anew passed, lower:1 anew/x hidden by upper:0 anew, lower:2 anew/x "
                                        "hidden by upper:0 anew")


def test_a_chroot_below_the_overlays_root(lab, mapper):
    with writable("which, chrooted", lab, mapper) as scene:
        scene.mount()
        scene.start()
        live(scene)
        scene.target.ask("chroot", scene.merged / "dir")
        scene.root = str(scene.merged / "dir")
        scene.merged = scene.merged / "dir"
        check(scene, ("both", "changed", "", "nothing"))
        assert way(scene, "both") == "lower:1 dir/both opens, lower:2 dir/both hidden by lower:1 dir/both"


def test_a_bind_of_a_directory_of_an_overlay(lab, mapper):
    with writable("which, bound", lab, mapper) as scene:
        scene.mount()
        scene.start()
        live(scene)
        scene.merged = bind(scene)
        check(scene, ("both", "changed", "", "nothing"))
        assert way(scene, "both") == "lower:1 dir/both opens, lower:2 dir/both hidden by lower:1 dir/both"


def test_what_covers_a_name_is_what_it_opens(lab, mapper):
    with writable("which, covered", lab, mapper) as scene:
        scene.mount()
        scene.start()
        cover(scene)
        check(scene, ("both",))
        assert way(scene, "both") == "lower:1 late opens, lower:2 late hidden by lower:1 late"


def test_other_objects_than_files_are_found(lab, mapper):
    with writable("which, other objects", lab, mapper) as scene:
        os.mkfifo(scene.layers[1].path / "fifo")
        os.mknod(scene.layers[0].path / "device", 0o20600, os.makedev(1, 3))
        scene.mount()
        scene.start()
        os.mkfifo(scene.reach("late-fifo"))
        assert way(scene, "fifo") == "lower:2 fifo opens"
        assert way(scene, "device") == "lower:1 device opens"
        assert way(scene, "late-fifo") == "upper:0 late-fifo opens"


@pytest.mark.parametrize("container", [False, True])
def test_layers_that_were_moved_are_never_taken_for_others(lab, mapper, container):
    with writable("which, moved layers", lab, mapper) as scene:
        scene.mount()
        scene.start()
        if container:
            scene.contain()
        live(scene)
        one, two = scene.layers[0].path, scene.layers[1].path
        one.rename(one.with_name("aside"))
        two.rename(one)
        one.with_name("aside").rename(two)
        check(scene, NAMES, inside=container, weak=True)


def test_a_copy_that_took_a_files_place_in_the_upper_layer_is_not_taken_for_it(lab, mapper):
    with writable("which, upper file replaced", lab, mapper) as scene:
        scene.mount()
        scene.start()
        live(scene)
        upper = scene.top.path
        with scene.reach("both").open("rb"):
            subprocess.run(["cp", "-a", upper / "both", upper / "copy"], check=True)
            os.utime(upper / "copy", ns=(os.stat(upper / "both").st_atime_ns, os.stat(upper / "both").st_mtime_ns))
            (upper / "copy").rename(upper / "both")
            answer = of_which(scene.target.pid, os.fsencode(scene.named("both")))
        assert os.getxattr(upper / "both", "trusted.overlay.origin")
        assert (answer["backing"], answer["confidence"]) == (None, "unknown")
        assert "disagree" in answer["reason"]


def test_a_hard_link_that_was_copied_up_by_another_name_is_never_wrong(lab, mapper):
    with writable("which, hard links", lab, mapper) as scene:
        os.link(scene.layers[0].path / "late", scene.layers[0].path / "link")
        scene.mount(",index=on")
        scene.start()
        scene.reach("link").write_bytes(b"written to by another name")
        scene.layers = [layer for layer in scene.layers if layer.role != "upper"] + [
            layer for layer in scene.layers if layer.role == "upper"]
        check(scene, ("link", "both"), weak=True)
        answer = way(scene, "late")
        assert "opens" not in answer
