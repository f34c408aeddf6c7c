"""`mapsd translate` on real overlays: a file of a layer is seen under the names that open its bytes, and no others."""

import itertools
import os
import shutil
import threading
from pathlib import Path

import pytest

from mapsd import Session
from mapsd.model import DeviceId
from mapsd.model.translated import Inside, Numbered, OnHost
from mapsd.recorder.session import RecordedSession
from mapsd.recorder.written import record
from tests.overlay import older
from tests.overlay.battery import rootless
from tests.overlay.capabilities import LACKING, drop
from tests.overlay.child import told as told_by
from tests.overlay.files import device, fill
from tests.overlay.laid import HIDING, bind, cover, data_only, hide, live, reachable, rename, writable
from tests.overlay.scenes import Scene
from tests.overlay.test_layer_names import mounted_from
from tests.overlay.test_nested import Nested
from tests.overlay.translating import Truth, asked, names, regular, told, visible, wrong


def every(scene: Scene) -> list[Path]:
    """Return the regular files of every layer."""
    return [file for layer in scene.layers for file in regular(layer.path)]


def inside(scene: Scene, said: list[str]) -> list[str]:
    """Return what is said of names of the overlay, without where it is mounted."""
    top = f"{scene.merged}".removeprefix(scene.root)
    return [one.replace(f"{top}/", "", 1) for one in said if one.startswith(("-", f"{top}/"))]


def way(scene: Scene, layer: int, below: str) -> list[str]:
    """Return what is said of a file of a layer as text."""
    return inside(scene, told(names(scene.target.pid, OnHost(os.fsencode(scene.layers[layer].path / below)))))


@pytest.mark.parametrize("kinds", [("tmpfs", "tmpfs"), ("ext4", "tmpfs")], ids="-on-".join)
@pytest.mark.parametrize("options", ["", ",metacopy=on", ",index=on", ",xino=on", ",index=on,nfs_export=on"])
@pytest.mark.parametrize("container", [False, True])
def test_the_names_of_a_file_are_those_that_open_its_bytes(lab, mapper, kinds, options, container):
    with writable(f"translate{options}", lab, mapper, kinds) as scene:
        scene.mount(options)
        scene.start()
        if container:
            scene.contain()
        live(scene)
        assert wrong(Truth(scene.target.pid, every(scene), "/" if container else str(scene.base))) == []


def test_what_hides_a_file_is_said(lab, mapper):
    with writable("translate, hidden", lab, mapper) as scene:
        scene.mount(",metacopy=on")
        scene.start()
        live(scene)
        assert {below: way(scene, 0, below) for below in ("both", "gone", "tree/a", "anew/x", "dir/changed", "late",
                                                          "renamed")} == {
            "both": ["both hidden by copied-up"], "gone": ["gone hidden by whiteout"],
            "tree/a": ["tree/a hidden by whiteout"], "anew/x": ["anew/x hidden by opaque"],
            "dir/changed": ["dir/changed visible"], "late": ["late visible"], "renamed": ["moved visible"]}
        assert way(scene, 1, "late") == ["late hidden by file"]
        assert way(scene, 2, "dir/changed") == ["dir/changed metadata"]
        assert way(scene, 2, "fresh") == ["fresh visible"]
        [copied] = [one for one in names(scene.target.pid, OnHost(os.fsencode(scene.layers[0].path / "both")))
                    if one.what == "hidden"]
        assert copied.by is not None
        assert (copied.by.layer.role, copied.by.path, copied.opens.path) == (
            "upper", b"both", os.fsencode(scene.top.path / "both"))


@pytest.mark.parametrize("new", ["two", "sub/two"])
def test_a_directory_that_was_renamed_is_followed_backwards(lab, mapper, new):
    with writable(f"translate, redirect {new}", lab, mapper) as scene:
        rename(scene, new)
        scene.start()
        assert wrong(Truth(scene.target.pid, every(scene), str(scene.base))) == []
        assert way(scene, 0, "dir/both") == [f"{new}/both visible"]
        (scene.merged / "dir").mkdir()
        fill(scene.merged / "dir/both", "made anew")
        assert wrong(Truth(scene.target.pid, every(scene), str(scene.base))) == []
        assert way(scene, 0, "dir/both") == [f"{new}/both visible"]


@pytest.mark.parametrize("how", [*HIDING, "a link"])
def test_what_a_lower_layer_hides_is_said(lab, mapper, how):
    with Scene(f"translate, {how} in a lower", lab, mapper) as scene:
        hiding = hide(scene, how)
        if how == "a link":
            shutil.rmtree(hiding.path / "dir")
            (hiding.path / "dir").symlink_to("tree")
        scene.mount()
        scene.start()
        assert wrong(Truth(scene.target.pid, every(scene), str(scene.base))) == []
        by = {"opaque": "opaque", "a link": "blocked"}.get(how, "whiteout")
        assert way(scene, 1, "dir/below") == [f"dir/below hidden by {by}"]


@pytest.mark.parametrize("options", [",redirect_dir=on,metacopy=on", ""])
def test_every_name_of_an_object_of_a_data_only_layer_is_found(lab, mapper, options):
    with Scene(f"translate, data-only{options}", lab, mapper) as scene:
        first = data_only(scene, {"one": b"/objects/aa", "deep/same": b"/objects/aa", "two": b"/objects/bb"})
        scene.mount(options)
        scene.start()
        assert {one.user_path for one in names(scene.target.pid, OnHost(os.fsencode(first.path / "objects/aa")))
                if one.layer} == {os.fsencode(scene.merged / name) for name in ("one", "deep/same")}
        assert way(scene, 2, "objects/bb") == ["two visible"]
        assert way(scene, 2, "objects/aa") == ["one hidden by file", "deep/same hidden by file"]
        assert way(scene, 0, "one") == ["one metadata"]


@pytest.mark.parametrize("inner_upper", [False, True])
@pytest.mark.parametrize("container", [False, True])
def test_a_file_below_two_overlays_is_found_through_both(lab, mapper, inner_upper, container):
    with Nested("translate, nested", lab, mapper) as scene:
        scene.immovable()
        scene.deepen(1, "ext4", inner_upper=inner_upper, outer_upper=True)
        scene.start()
        if container:
            scene.contain()
        scene.reach("one/write-s").write_bytes(b"written to")
        scene.reach("one/gone-s").unlink()
        files = [file for layer in scene.sources for file in regular(layer.path)]
        truth = Truth(scene.target.pid, [*files, *regular(scene.layers[-1].path), *regular(scene.top.path)],
                      "/" if container else str(scene.base))
        assert [one for one in wrong(truth, weak=container) if "WRONG" in one] == []
        said = {file.name: told(names(scene.target.pid, OnHost(os.fsencode(file)))) for file in files
                if file.parent.name == "one"}
        top = scene.named("one")
        for name, what in {"plain": "visible", "write": "hidden by file", "gone": "hidden by whiteout"}.items():
            assert f"{top}/{name}-s {what}" in said[f"{name}-s"]
        through = visible(scene.target.pid, OnHost(os.fsencode(scene.middles[0] / "one/plain-s")))
        assert scene.named("one/plain-s") in through


def test_every_hard_link_of_a_file_is_found(lab, mapper):
    with writable("translate, hard links", lab, mapper) as scene:
        os.link(scene.layers[0].path / "late", scene.layers[0].path / "dir/link")
        os.link(scene.layers[0].path / "late", scene.layers[1].path / "other")
        scene.mount()
        scene.start()
        scene.contain()
        pid = scene.target.pid
        late = OnHost(os.fsencode(scene.layers[0].path / "late"))
        assert wrong(Truth(pid, every(scene), "/")) == []
        assert visible(pid, late) == {"/late", "/dir/link", "/other"}
        scene.reach("dir/link").unlink()
        assert visible(pid, late) == {"/late", "/other"}


def test_a_root_below_the_overlays_and_a_bind_of_a_part_of_it(lab, mapper):
    with writable("translate, chrooted", lab, mapper) as scene:
        scene.mount()
        scene.start()
        live(scene)
        pid, layer = scene.target.pid, scene.layers[0].path
        bound = bind(scene)
        assert visible(pid, OnHost(os.fsencode(layer / "dir/both"))) >= {f"{scene.merged}/dir/both", f"{bound}/both"}
        scene.target.ask("chroot", scene.merged / "dir")
        assert told(names(pid, OnHost(os.fsencode(layer / "dir/both")))) == ["/both visible"]
        assert told(names(pid, OnHost(os.fsencode(layer / "dir/changed")))) == ["/changed hidden by copied-up"]
        [outside] = names(pid, OnHost(os.fsencode(layer / "late")))
        assert (outside.what, outside.user_path) == ("unreachable", None)


def test_a_mount_that_covers_a_name_hides_what_lies_below_it(lab, mapper):
    with writable("translate, covered", lab, mapper) as scene:
        scene.mount()
        scene.start()
        cover(scene)
        assert way(scene, 0, "both") == ["both hidden by mount"]
        assert sorted(way(scene, 0, "late")) == ["both visible", "late visible"]


def test_a_file_that_is_mounted_in_a_container_is_found_there(lab, mapper):
    with writable("translate, bind mounts", lab, mapper) as scene:
        source = scene.base / "volume"
        fill(source / "deep/data", "a volume")
        fill(source / "conf", "a file of a volume")
        for name in ("mnt", "tmp"):
            (scene.layers[0].path / name).mkdir()
        (scene.layers[0].path / "etc").write_bytes(b"")
        scene.mount()
        scene.start()
        scene.target.ask("newns")
        scene.target.ask("bind", source / "deep", scene.merged / "mnt")
        scene.target.ask("bind", source / "conf", scene.merged / "etc")
        scene.target.ask("pivot", scene.merged)
        pid = scene.target.pid
        data, conf = source / "deep/data", source / "conf"
        assert told(names(pid, OnHost(os.fsencode(data)))) == ["/mnt/data visible"]
        assert told(names(pid, OnHost(os.fsencode(conf)))) == ["/etc visible"]
        major, minor = map(int, device(data).split(":"))
        assert visible(pid, Numbered(DeviceId(major, minor), data.stat().st_ino)) == {"/mnt/data"}
        assert visible(pid, Numbered(DeviceId(major, minor), conf.stat().st_ino)) == {"/etc"}
        for file, wanted in ((data, Numbered(DeviceId(major, minor), data.stat().st_ino)), (conf, OnHost(bytes(conf)))):
            [name] = names(pid, wanted)
            assert name.file.path == name.opens.path == bytes(file)
        os.link(data, source / "deep/again")
        assert visible(pid, OnHost(os.fsencode(data))) == {"/mnt/data", "/mnt/again"}


def test_a_path_inside_a_layer_means_a_file_of_every_layer_that_has_it(lab, mapper):
    with writable("translate, inside", lab, mapper) as scene:
        scene.mount()
        scene.start()
        scene.contain()
        live(scene)
        pid = scene.target.pid
        for path in (b"/both", b"/l1/both", b"/store/l1/both", os.fsencode(scene.layers[0].path / "both")):
            found = names(pid, Inside(path))
            assert {(one.layer.role, one.layer.position) for one in found} == (
                {("upper", 0), ("lower", 1), ("lower", 2)} if path == b"/both" else {("lower", 1)}), path
        assert [(one.layer.role, told((one,))) for one in names(pid, Inside(b"/both"))] == [
            ("upper", ["/both visible"]), ("lower", ["/both hidden by copied-up"]),
            ("lower", ["/both hidden by file"])]
        assert names(pid, Inside(b"/nowhere")) == names(pid, Inside(b"/dir")) == names(pid, Inside(b"/")) == ()


@pytest.mark.parametrize("kinds", [("ext4", "ext4"), ("ext4", "tmpfs")], ids="-on-".join)
@pytest.mark.parametrize("options", ["", ",xino=on", ",metacopy=on"])
def test_numbers_of_layers_files_and_of_the_overlays_own_lead_to_names(lab, mapper, kinds, options):
    with writable(f"translate, numbers{options}", lab, mapper, kinds) as scene:
        scene.mount(options)
        scene.start()
        scene.contain()
        live(scene)
        pid = scene.target.pid
        for name, layer in (("late", 0), ("only2", 1), ("fresh", 2)):
            file = scene.layers[layer].path / name
            major, minor = map(int, device(file).split(":"))
            assert told(names(pid, Numbered(DeviceId(major, minor), file.stat().st_ino))) == [f"/{name} visible"]
        overlay = scene.target.map(Path("/late"))
        for name in ("late", "both", "moved", "fresh", "dir/changed"):
            overlay = scene.target.map(Path(f"/{name}"))
            number, inode = shown(pid, overlay)
            assert f"/{name}" in visible(pid, Numbered(number, inode)), name
            stat = scene.reach(name).stat()
            seen = visible(pid, Numbered(DeviceId(os.major(stat.st_dev), os.minor(stat.st_dev)), stat.st_ino))
            assert f"/{name}" in seen, name
        assert names(pid, Numbered(number, 1 << 40)) == ()


def shown(pid: int, address: int) -> tuple[DeviceId, int]:
    """Return the device and inode that maps shows at an address."""
    for line in Path(f"/proc/{pid}/maps").read_bytes().splitlines():
        if int(line.split(b"-")[0], 16) == address:
            major, _, minor = line.split()[3].partition(b":")
            return DeviceId(int(major, 16), int(minor, 16)), int(line.split()[4])
    raise AssertionError(address)


def test_without_the_attributes_nothing_is_called_hidden_that_may_have_another_name(lab, mapper):
    with writable("translate, attributes unseen", lab, mapper) as scene:
        scene.mount(",redirect_dir=on")
        (scene.merged / "dir").rename(scene.merged / "sub")
        scene.start()
        scene.contain()
        truth = Truth(scene.target.pid, every(scene), "/")
        for numbers in LACKING.values():
            said = told_by(lambda numbers=numbers: [*(drop(numbers) or ()), *wrong(truth, weak=True)])
            assert said == []


def test_an_overlay_in_a_user_namespace(lab, mapper):
    with reachable("translate, userxattr", lab, mapper, "tmpfs") as scene:
        rootless(scene)
        truth = Truth(scene.target.pid, every(scene), str(scene.base))
        assert wrong(truth, weak=True) == []


@pytest.mark.parametrize("what", ["a link", "a directory", "nothing"])
def test_what_is_no_file_is_no_file_of_a_container(lab, mapper, what):
    with writable("translate, no files", lab, mapper) as scene:
        (scene.layers[0].path / "link").symlink_to("late")
        scene.mount()
        scene.start()
        path = scene.layers[0].path / {"a link": "link", "a directory": "dir", "nothing": "none"}[what]
        found = asked(scene.target.pid, OnHost(os.fsencode(path)))
        assert found.views[0].names == ()
        assert {"a link": "symbolic link", "a directory": "directory", "nothing": "No such file"}[what] in found.problem


def test_containers_are_asked_once_each_and_every_process_of_them_is_named(lab, mapper):
    with writable("translate, two containers", lab, mapper) as one, Scene("translate, the other", lab, mapper) as other:
        other.layers = [other.lower(one.layers[0].path), other.lower(one.layers[1].path)]
        other.upper(other.base / "u")
        for scene in (one, other):
            scene.mount()
            scene.start()
            scene.contain()
        live(other)
        late, both = (OnHost(os.fsencode(one.layers[0].path / name)) for name in ("late", "both"))
        pids = [one.target.pid, other.target.pid, os.getpid(), os.getppid()]
        with Session() as session:
            found = session.translate(late, among=pids)
            assert {view.pids[0]: told(view.names) for view in found.views
                    if view.process.pid in pids[:2]} == {
                one.target.pid: ["/late visible"], other.target.pid: ["/late visible"]}
            found = session.translate(both, among=pids)
        assert [told(view.names) for view in found.views[:2]] == [
            ["/both visible"], ["/both hidden by copied-up"]]


def test_a_recording_has_the_names_of_files_that_were_mapped(lab, mapper, tmp_path):
    with writable("translate, recorded", lab, mapper) as scene:
        scene.mount(",metacopy=on")
        scene.start()
        scene.contain()
        held = ("both", "late", "dir/changed", "only2", "renamed")
        for name in held:
            scene.target.map(Path(f"/{name}"))
        live(scene)
        pid, layers = scene.target.pid, [layer.path for layer in scene.layers]
        made = tmp_path / "recording"
        made.write_bytes(b"".join(record([pid]).lines))
        session = RecordedSession(os.fsencode(made))
        of = {name: os.fsencode(layers[1 if name == "only2" else 0] / name) for name in held}
        machine = {name: told(names(pid, OnHost(path))) for name, path in of.items()}
        device_of = dict.fromkeys(held, device(layers[0] / "late"))
        inodes = {name: os.stat(path).st_ino for name, path in of.items()}
        upper = told(names(pid, OnHost(os.fsencode(layers[2] / "both"))))
    assert {name: told(session.translate(OnHost(path), pid).views[0].names) for name, path in of.items()} == machine
    assert machine["both"] == ["/both hidden by copied-up"]
    for name in ("late", "only2", "renamed"):
        major, minor = map(int, device_of[name].split(":"))
        [view] = session.translate(Numbered(DeviceId(major, minor), inodes[name])).views
        assert told(view.names) == machine[name]
    assert told(session.translate(OnHost(os.fsencode(layers[2] / "both"))).views[0].names) == upper
    [view] = session.translate(Inside(b"/both"), pid).views
    assert [told((one,)) for one in view.names] == [
        ["/both visible"], ["/both hidden by copied-up"], ["/both hidden by file"]]
    assert [one.what for one in view.skipped] == ["names"]
    assert session.translate(Inside(b"/fresh")).views[0].names == ()


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_an_upper_directory_that_was_moved_has_its_files_where_it_is_now(lab, mapper, kind):
    with writable("translate, moved upper", lab, mapper, (kind, kind)) as scene:
        scene.mount()
        scene.start()
        scene.contain()
        live(scene)
        moved = scene.top.path.rename(scene.top.path.with_name("moved"))
        fill(scene.top.path / "fresh", "a decoy")
        pid = scene.target.pid
        assert told(names(pid, OnHost(os.fsencode(moved / "fresh")))) == ["/fresh visible"]
        assert visible(pid, OnHost(os.fsencode(scene.top.path / "fresh"))) == set()
        assert told(names(pid, OnHost(os.fsencode(scene.layers[0].path / "both")))) == ["/both hidden by copied-up"]


@pytest.mark.parametrize("known", [True, False])
def test_layers_by_relative_texts_are_found_or_said_to_be_lost(lab, mapper, known):
    with writable("translate, relative layers", lab, mapper) as scene:
        store = scene.layers[0].path.parent
        scene.settle()
        cwd, below = (scene.base, "ground/store/") if known else (store, "")
        mounted_from(scene, cwd, f"lowerdir={below}l1:{below}l2,upperdir={below}u,workdir={below}u-work", scene.merged)
        scene.start()
        scene.contain()
        live(scene)
        if known:
            # Where the overlay is mounted proposes where it was mounted from.
            assert wrong(Truth(scene.target.pid, every(scene), "/")) == []
            return
        [view] = asked(scene.target.pid, OnHost(os.fsencode(store / "l1/late"))).views
        assert view.names == ()
        assert [one.what.split()[:2] for one in view.skipped] == [["2", "layers"]]


@pytest.mark.parametrize("lacking", older.LACKING)
def test_no_name_is_wrong_on_a_kernel_that_lacks_a_call(lab, mapper, lacking):
    with writable(f"translate, {lacking}", lab, mapper) as scene:
        scene.mount(",metacopy=on")
        scene.start()
        scene.contain()
        live(scene)
        truth = Truth(scene.target.pid, every(scene), "/")

        def ask() -> list[object]:
            older.LACKING[lacking]()
            with Session() as session:
                found = session.translate(OnHost(os.fsencode(scene.layers[0].path / "late")),
                                          among=[scene.target.pid, os.getpid()])
            return [wrong(truth, weak=True), [len(view.pids) for view in found.views]]
        assert told_by(ask) == [[], [1, 1]]


def test_while_a_directory_is_renamed_its_files_are_never_called_hidden(lab, mapper):
    with writable("translate, renamed all the time", lab, mapper) as scene:
        scene.mount(",redirect_dir=on")
        scene.start()
        scene.contain()
        late = OnHost(os.fsencode(scene.layers[0].path / "dir/both"))
        stop, said = threading.Event(), []

        def rename() -> None:
            now = "dir"
            for number in itertools.takewhile(lambda _: not stop.is_set(), itertools.count()):
                scene.reach(now).rename(scene.reach(f"dir{number}"))
                now = f"dir{number}"
        thread = threading.Thread(target=rename)
        thread.start()
        try:
            said += ({one.what for one in names(scene.target.pid, late)} for _ in range(100))
        finally:
            stop.set()
            thread.join()
        # The name that it had first is hidden: then it is said that there may be another one.
        assert all(whats & {"visible", "unknown"} for whats in said), said
        assert len(names(scene.target.pid, late)) == 1
