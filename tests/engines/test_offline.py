"""The disk of a host that does not run: whose containers it has, and which layer's file a name of theirs opens."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mapsd
from mapsd.errors import NoHost, NotOnDisk, StackUnknown, UsageError
from mapsd.model.disks import StoredWhich
from tests.cli.command import BOUND, CHECKOUT, MAPSD, NOBODY
from tests.conftest import missing, shown_to_all
from tests.engines import stacks, stores
from tests.schema import validate

ID, OTHER, USER = "a" * 64, "c" * 64, 61_234
IMAGE = ["layer2", "layer1", "layer0"]


def asked(root: Path, path: str, word: str = "web") -> StoredWhich:
    with mapsd.Disk(os.fsencode(root)) as disk:
        return disk.which(disk.container(word), os.fsencode(path))


def run(*words: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([MAPSD, *map(str, words)], capture_output=True, text=True, check=False, timeout=BOUND)
    assert "Traceback" not in done.stderr
    return done


def opens(found: StoredWhich) -> str | None:
    return os.fsdecode(found.winner.backing.path) if found.winner is not None and found.winner.backing else None


@pytest.fixture
def web(tmp_path: Path) -> list[Path]:
    """A container of a store of root's with four layers, whose attributes were kept."""
    if os.geteuid() != 0:
        missing("root", "needs root for trusted attributes")
    directories = stacks.storage(tmp_path, 4)
    os.setxattr(directories[0], "trusted.overlay.impure", b"y")
    return directories


def whiteout(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mknod(path, 0o020000, 0)


def write(base: Path, **files: str) -> None:
    stores.put(base, {name.replace("_", "/"): text for name, text in files.items()})


def whole_disk(base: Path) -> None:
    """Write a disk with a store of every kind."""
    storage, docker = base / "var/lib/containers/storage", base / "var/lib/docker"
    stores.storage(storage, [stores.podman(name="pod")])
    stacks.linked(storage / "overlay", ["b" * 64, *IMAGE])
    (storage / "overlay/.has-mount-program").write_text("false")
    stores.docker(docker, name="/dock")
    stacks.linked(docker / "overlay2", ["b" * 64, "b" * 64 + "-init", "cache2", "cache1", "cache0"])
    own = stores.containerd(base / "var/lib/containerd", "k8s.io", OTHER, record=stores.kubernetes())
    for number in range(1, 5):
        Path(os.fsdecode(own)).parents[1].joinpath(f"{number}/fs").mkdir(parents=True)
    stores.storage(base / "home/lab/.local/share/containers/storage", [stores.podman(name="rootless")])
    stores.put(base, {"etc/passwd": "lab:x:1000:1000::/home/lab:/bin/sh\nnobody:x:9:9::/:\nodd\n"})


def test_every_container_of_a_disk_is_listed(tmp_path):
    whole_disk(tmp_path)
    done = run("containers", "--json", "--root", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    listed = validate(json.loads(done.stdout), "containers")["containers"]
    assert {(one["engine"], one["name"]) for one in listed} == {
        ("podman", "pod"), ("docker", "dock"), ("containerd", "web"), ("podman", "rootless")}
    assert all(one["pids"] == [] and len(one["layers"]) == 3 and one["layers"][0]["step"] for one in listed)
    rows = [line.split() for line in run("containers", "--root", tmp_path).stdout.splitlines()]
    assert rows[0][-2:] == ["PID", "PROCESSES"]
    assert {tuple(row[-2:]) for row in rows[1:]} == {("-", "0")}


@pytest.mark.parametrize(("word", "driver", "names"), [
    ("pod", "var/lib/containers/storage/overlay", ["b" * 64, *IMAGE]),
    ("dock", "var/lib/docker/overlay2", ["b" * 64, "b" * 64 + "-init", "cache2", "cache1", "cache0"]),
    (OTHER[:12], f"var/lib/containerd/{stores.SNAPSHOTTER}/snapshots", ["4", "3", "2", "1"])])
def test_the_layers_of_a_container_are_those_of_its_engine_in_order(tmp_path, word, driver, names):
    whole_disk(tmp_path)
    done = run("layers", word, "--json", "--root", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    found = validate(json.loads(done.stdout), "stored-layers")
    inside = "fs" if driver.endswith("snapshots") else "diff"
    assert [one["path"] for one in found["layers"]] == [f"{tmp_path}/{driver}/{name}/{inside}" for name in names]
    assert [one["reason"] for one in found["layers"]] == [None] * len(names)
    image = [one["image_layer"] for one in found["layers"] if one["image_layer"] is not None]
    assert [one["diff_id"] for one in reversed(image)] == stores.DIFFS
    assert [one["step"] for one in reversed(image)] == stores.STEPS
    text = run("layers", word, "--root", tmp_path).stdout
    assert text.splitlines()[3].startswith("LAYER")
    assert all(f"{tmp_path}/{driver}/{name}/{inside}" in text for name in names)


def test_the_topmost_layer_that_has_a_name_wins(web):
    upper, _, middle, base = web
    write(base, etc_a="base", etc_b="base", etc_c="base")
    write(middle, etc_b="middle")
    write(upper, etc_c="upper")
    root = upper.parents[2]
    assert [opens(asked(root, f"/etc/{name}")) for name in "abc"] == [
        str(base / "etc/a"), str(middle / "etc/b"), str(upper / "etc/c")]
    found = asked(root, "/etc/c")
    assert (found.winner.proof, found.winner.backing.layer_role, found.winner.backing.layer_index) == (
        "lookup", "upper", 0)
    assert [(one.what, one.layer.position) for one in found.met] == [("opens", 0), ("hidden", 3)]


def test_whiteouts_and_opaque_directories_hide_what_is_below(web):
    upper, top, _, base = web
    write(base, etc_gone="x", opt_old="x", opt_also="x")
    whiteout(upper / "etc/gone")
    write(top, opt_new="x")
    os.setxattr(top / "opt", "trusted.overlay.opaque", b"y")
    root = upper.parents[2]
    done = run("which", "web", "/etc/gone", "--json", "--root", root)
    assert (done.returncode, done.stderr) == (1, "mapsd: 'web': '/etc/gone': No such file or directory\n")
    found = validate(json.loads(done.stdout), "stored-which")
    assert (found["exists"], [one["what"] for one in found["met"]]) == (False, ["whiteout", "hidden"])
    assert asked(root, "/opt/old").exists is False
    assert opens(asked(root, "/opt/new")) == str(top / "opt/new")
    found = asked(root, "/opt")
    assert [(one.what, one.layer.position) for one in found.met] == [("merged", 1), ("hidden", 3)]
    text = run("which", "web", "/opt/old", "--root", root).stdout
    assert "opaque" in text
    assert "opens      nothing" in text


def test_links_are_followed_inside_the_container(web):
    upper, _, _, base = web
    write(base, usr_lib_real="x", secret="x")
    (upper / "lib").symlink_to("/usr/lib")
    (upper / "out").symlink_to("../../../../../../../../etc/passwd")
    (upper / "loop").symlink_to("loop")
    root = upper.parents[2]
    found = asked(root, "/lib/./real")
    assert (opens(found), found.way.path, [one.text for one in found.way.links]) == (
        str(base / "usr/lib/real"), b"/usr/lib/real", [b"/usr/lib"])
    assert asked(root, "/out").exists is False
    loop = asked(root, "/loop")
    assert (loop.exists, loop.winner.proof) == (None, "none")
    done = run("which", "web", "/loop", "--json", "--root", root)
    assert done.returncode == 0
    assert validate(json.loads(done.stdout), "stored-which")["confidence"] == "unknown"


def test_a_copy_without_attributes_answers_only_what_does_not_hang_on_them(web):
    upper, top, _, base = web
    write(base, etc_a="x", only_b="x")
    write(top, etc_c="x")
    whiteout(upper / "etc/w")
    os.removexattr(upper, "trusted.overlay.impure")
    root = upper.parents[2]
    found = asked(root, "/etc/a")
    assert (found.exists, found.winner.proof, found.visible) == (None, "none", False)
    assert "may have lost them" in found.winner.reason
    assert opens(asked(root, "/only/b")) == str(base / "only/b")
    assert asked(root, "/etc/w").exists is False
    # A redirect may lead on from what is there.
    assert asked(root, "/etc/none").exists is None
    # Its bytes may lie below it.
    assert asked(root, "/etc/c").winner.proof == "none"
    assert "merged by" in run("which", "web", "/etc/a", "--root", root).stdout


def test_another_containers_layers_say_that_attributes_were_kept(web):
    upper, top, _, base = web
    write(base, etc_a="x")
    write(top, etc_c="x")
    root = upper.parents[2]
    os.removexattr(upper, "trusted.overlay.impure")
    stores.put(root, {"overlay-containers/containers.json": [stores.podman(), stores.podman(OTHER, "d" * 64, "job")]})
    layers = json.loads((root / "overlay-layers/layers.json").read_text())
    stores.put(root, {"overlay-layers/layers.json": [*layers, {"id": "d" * 64, "parent": "layer2"}]})
    stacks.linked(root / "overlay", ["d" * 64, *IMAGE])
    assert asked(root, "/etc/a").winner.proof == "none"
    os.setxattr(root / "overlay" / ("d" * 64) / "diff", "trusted.overlay.impure", b"y")
    assert opens(asked(root, "/etc/a")) == str(base / "etc/a")


def test_attributes_of_the_other_family_make_the_answer_unknown(web):
    upper, top, _, base = web
    write(base, opt_old="x")
    write(top, opt_new="x")
    os.setxattr(top / "opt", "user.overlay.opaque", b"y")
    found = asked(upper.parents[2], "/opt/old")
    assert (found.exists, found.winner.proof) == (None, "none")
    assert "another family" in found.winner.reason
    # What is no mark may be there: it decides nothing.
    os.removexattr(top / "opt", "user.overlay.opaque")
    os.setxattr(top / "opt", "user.overlay.origin", b"")
    assert opens(asked(upper.parents[2], "/opt/old")) == str(base / "opt/old")


def test_a_redirect_is_followed_and_said_to_be(web):
    upper, _, _, base = web
    write(base, old_a="x")
    (upper / "new").mkdir()
    os.setxattr(upper / "new", "trusted.overlay.redirect", b"/old")
    found = asked(upper.parents[2], "/new/a")
    assert opens(found) == str(base / "old/a")
    assert any("nofollow" in one.detail for one in found.winner.evidence)


def test_in_a_users_store_redirects_are_refused_and_user_attributes_count(tmp_path):
    upper, top, _, base = stacks.storage(tmp_path, 4)
    write(base, old_a="x", opt_old="x")
    write(top, opt_new="x")
    (upper / "new").mkdir()
    os.setxattr(upper, "user.overlay.impure", b"y")
    os.setxattr(upper / "new", "user.overlay.redirect", b"/old")
    os.setxattr(top / "opt", "user.overlay.opaque", b"y")
    if os.geteuid() == 0:
        os.chown(tmp_path, USER, USER)
    assert asked(tmp_path, "/opt/old").exists is False
    found = asked(tmp_path, "/new/a")
    assert (found.exists, found.form) == (None, "user")
    assert "refuses to follow" in found.winner.reason


def test_a_store_that_was_unpacked_by_a_user_is_not_taken_for_one_of_the_users(tmp_path):
    upper, top, _, base = stacks.storage(tmp_path, 4)
    write(base, opt_old="x")
    write(top, opt_new="x")
    # What a container of the container's own left: the copy kept it, and lost what is not a user's.
    (upper / "home/store").mkdir(parents=True)
    os.setxattr(upper / "home/store", "user.overlay.impure", b"y")
    if os.geteuid() == 0:
        os.chown(tmp_path, USER, USER)
    found = asked(tmp_path, "/opt/old")
    assert (found.exists, found.visible) == (None, False)


def test_fuse_overlayfs_has_whiteouts_of_its_own(tmp_path):
    upper, top, _, base = stacks.storage(tmp_path, 4, program="true")
    write(base, etc_gone="x", etc_stays="x", opt_old="x")
    write(upper, **{"etc_.wh.gone": ""})
    write(top, **{"opt_.wh..wh..opq": "", "opt_new": "x", "etc_.wh.stays": "", "etc_stays": "x"})
    write(upper, copied="x", moved_c="x")
    os.setxattr(upper / "copied", "user.fuseoverlayfs.origin", b"copied\0")
    os.setxattr(upper / "moved", "user.fuseoverlayfs.origin", b"before\0")
    if os.geteuid() == 0:
        os.chown(tmp_path, USER, USER)
    assert [asked(tmp_path, path).exists for path in ("/etc/gone", "/etc/.wh.gone", "/opt/old", "/opt/new")] == [
        False, False, False, True]
    both = asked(tmp_path, "/etc/stays")
    assert (both.exists, both.form) == (None, "fuse-user")
    assert [asked(tmp_path, path).exists for path in ("/copied", "/moved", "/moved/c")] == [True, None, None]


def test_where_fuse_overlayfs_hides_less_than_overlayfs_the_answer_is_unknown(tmp_path):
    upper, top, middle, base = stacks.storage(tmp_path, 4, program="true")
    write(base, c_b="x", a_b_b="x", a_plain="x")
    write(upper, c_a="x", copied="x")
    write(top, c="x", **{"a_b_.wh..wh..opq": "", "a_b_c": "x"})
    write(base, **{"a_.wh..wh..opq": ""})
    os.setxattr(upper / "copied", "user.fuseoverlayfs.origin", b"copied\0")
    if os.geteuid() == 0:
        os.chown(tmp_path, USER, USER)
    assert [asked(tmp_path, path).exists for path in ("/c/b", "/a/b/b", "/a/plain", "/copied")] == [
        None, None, True, True]
    assert not list(middle.iterdir())


def test_a_store_that_does_not_note_who_merged_it_is_unknown_for_a_user(tmp_path):
    stacks.storage(tmp_path, 3, program=None)
    if os.geteuid() == 0:
        os.chown(tmp_path, USER, USER)
    with pytest.raises(StackUnknown, match="has-mount-program"):
        asked(tmp_path, "/etc")


def test_layers_that_the_engine_would_not_mount_are_not_believed(web):
    root = web[0].parents[2]
    (web[0].parent / "lower").write_text("l/LAYER2:l/LAYER0")
    with pytest.raises(StackUnknown, match="not those of its records"):
        asked(root, "/etc")
    (web[0].parent / "lower").unlink()
    done = run("layers", "web", "--root", root)
    assert (done.returncode, done.stderr.count("\n")) == (70, 1)


@pytest.mark.parametrize("name", ["diff1", "composefs-data"])
def test_a_form_of_layers_that_is_not_read_is_refused(web, name):
    (web[2].parent / name).mkdir()
    with pytest.raises(StackUnknown, match="form that is not read"):
        asked(web[0].parents[2], "/etc")


def test_parents_in_a_circle_spoil_one_container_only(web):
    root = web[0].parents[2]
    write(web[3], etc_a="x")
    records = [stores.podman(), stores.podman(OTHER, "d" * 64, "round")]
    layers = [*json.loads((root / "overlay-layers/layers.json").read_text()), {"id": "d" * 64, "parent": "e" * 64},
              {"id": "e" * 64, "parent": "d" * 64}]
    stores.put(root, {"overlay-containers/containers.json": records, "overlay-layers/layers.json": layers})
    with pytest.raises(StackUnknown, match="no end"):
        asked(root, "/etc/a", "round")
    assert opens(asked(root, "/etc/a")) == str(web[3] / "etc/a")
    assert len(json.loads(run("containers", "--json", "--root", root).stdout)["containers"]) == 2


def test_records_that_are_torn_spoil_one_container_only(tmp_path):
    stores.docker(tmp_path)
    stores.docker(tmp_path, OTHER, "/torn")
    path = tmp_path / f"containers/{OTHER}/config.v2.json"
    path.write_bytes(path.read_bytes()[:20])
    done = run("containers", "--json", "--root", tmp_path)
    found = validate(json.loads(done.stdout), "containers")
    assert ([one["name"] for one in found["containers"]], len(found["skipped"]), done.returncode) == (["web"], 1, 0)
    assert OTHER in done.stderr
    assert done.stderr.count("\n") == 1


def test_links_out_of_the_disk_lead_nowhere(tmp_path, web):
    outside, disk = web[0].parents[2], tmp_path / "disk"
    (disk / "var/lib").mkdir(parents=True)
    (disk / "var/lib/docker").symlink_to(outside)
    (disk / "var/lib/containers").symlink_to("../../..")
    done = run("containers", "--root", disk)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    # A link of the disk's own begins at its root.
    inner = disk / "srv/store"
    stacks.storage(inner, 3)
    (disk / "var/lib/docker").unlink()
    (disk / "var/lib/docker").symlink_to("/srv/store")
    with mapsd.Disk(os.fsencode(disk)) as opened:
        assert opened.stores() == [os.fsencode(inner)]


def test_a_layers_directory_that_is_a_link_is_not_entered(web):
    secret = web[3].parent.parent / "secret"
    write(secret, etc_a="x")
    (web[3]).rmdir()
    web[3].symlink_to(secret)
    found = asked(web[0].parents[2], "/etc/a")
    assert (found.exists, opens(found)) == (None, None)
    with mapsd.Disk(os.fsencode(web[0].parents[2])) as disk:
        assert disk.layers(disk.container("web")).layers[3].reason


def test_stores_are_found_where_the_settings_say(tmp_path):
    toml = '[storage]\ngraphroot = "/srv/pods"\n[storage.options]\nadditionalimagestores = ["/srv/shared"]\n'
    stores.put(tmp_path, {"etc/containers/storage.conf": toml, "etc/docker/daemon.json": {"data-root": "/srv/docker"},
                          "etc/containerd/config.toml": 'version = 2\nroot = "/srv/containerd"\n'})
    stores.storage(tmp_path / "srv/pods", [stores.podman(name="pod")])
    stores.docker(tmp_path / "srv/docker/6100000.6100000", name="/dock")
    stores.containerd(tmp_path / "srv/containerd", "lab", "one", record={})
    with mapsd.Disk(os.fsencode(tmp_path)) as disk:
        assert {(one.container.name or one.container.id) for one in disk.containers().running} == {
            "pod", "dock", "one"}
    for name in ("etc/containers/storage.conf", "etc/docker/daemon.json", "etc/containerd/config.toml"):
        for text in (b"\xff[", b"[]", b'{"data-root": 5}', b"root = 5", b"storage = 1", b"[storage]\noptions = 3"):
            (tmp_path / name).write_bytes(text)
            with mapsd.Disk(os.fsencode(tmp_path)) as disk:
                assert isinstance(disk.stores(), list)


def test_images_may_lie_in_a_shared_store(web):
    root = web[0].parents[2]
    disk, shared = root / "disk/var/lib/containers/storage", root / "disk/usr/lib/containers/storage"
    stacks.storage(shared, 4)
    stacks.storage(disk, 4)
    only = [{"id": stacks.OWN, "parent": "layer2"}]
    stores.put(disk, {"overlay-layers/layers.json": only})
    stores.put(shared, {"overlay-containers/containers.json": []})
    for name in IMAGE:
        os.rename(disk / "overlay" / name, disk / f"away-{name}")
    with mapsd.Disk(os.fsencode(root / "disk")) as opened:
        layers = opened.layers(opened.container("web")).layers
    assert [os.fsdecode(one.directory) for one in layers[1:]] == [str(shared / "overlay" / one / "diff")
                                                                  for one in IMAGE]


def test_without_capabilities_trusted_attributes_are_unknown(web):
    root = web[0].parents[2]
    write(web[1], etc_c="x")
    write(web[3], etc_a="x", only_b="x")
    shown_to_all(root)
    for path in root.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    # No access time is changed, which the owner alone may leave alone: so as root's own, without its capabilities.
    bare = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", MAPSD]
    done = subprocess.run([*bare, "which", "web", "/etc/a", "--json", "--root", root], capture_output=True, text=True,
                          check=False)
    found = validate(json.loads(done.stdout), "stored-which")
    assert (done.returncode, found["exists"], found["needs"]) == (0, None, ["CAP_SYS_ADMIN"])
    done = subprocess.run([*NOBODY, MAPSD, "containers", "--root", root], capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("words", "said"), [
    (["layers", "42"], "no process runs on a disk"), (["which", "self", "/"], "no process runs on a disk"),
    (["layers"], "one container or image is needed"), (["which", "web"], "one container and one path"),
    (["which", "web", "etc"], "not an absolute path"), (["layers", "web", "--procfs", "/proc"], "exclude each other"),
    (["layers", "web", "--from", "x"], "exclude each other")])
def test_what_is_not_understood_is_status_2_and_one_line(tmp_path, words, said):
    done = run(*words, "--root", tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr


def test_a_daemon_is_not_asked_about_a_disk(tmp_path):
    done = run("--socket", tmp_path / "none", "layers", "web", "--root", tmp_path)
    assert (done.returncode, "asks no daemon" in done.stderr) == (2, True)


def test_a_container_that_is_not_there_or_not_the_only_one(tmp_path):
    stores.storage(tmp_path, [stores.podman(), stores.podman(OTHER, "d" * 64)])
    with mapsd.Disk(os.fsencode(tmp_path)) as disk:
        with pytest.raises(UsageError, match="several"):
            disk.container("web")
        assert disk.container(OTHER[:5]).id == OTHER
        with pytest.raises(NotOnDisk):
            disk.container("none")
    done = run("layers", "container:\x1b[2J", "--root", tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr[:-1].isprintable()


def test_a_disk_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(NoHost):
        mapsd.Disk(os.fsencode(tmp_path / "none"))
    done = run("containers", "--root", tmp_path / "none")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (70, "", 1)


def test_a_name_of_the_library_is_absolute(web):
    with mapsd.Disk(os.fsencode(web[0].parents[2])) as disk:
        for path in (b"etc", b"", b"/a\0b"):
            with pytest.raises(UsageError):
                disk.which(disk.container("web"), path)


def test_the_example_of_the_page_runs():
    example = (CHECKOUT / "docs/offline.md").read_text().split("```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-c", example], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
