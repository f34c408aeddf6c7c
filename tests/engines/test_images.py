"""The images of a disk's stores, also those that no container was made from, their layers, and who uses them."""

import json
import os
import subprocess
from pathlib import Path

import pytest

import mapsd
from mapsd.errors import NotOnDisk, UsageError
from mapsd.model.disks import Images, PlacedLayers
from tests.cli.command import BOUND, MAPSD
from tests.engines import stacks, stores
from tests.engines.bboltfile import written
from tests.engines.stores import DIFFS, IMAGE, INDEX, MANIFEST, STEPS, digest
from tests.schema import validate

ID, OTHER = "a" * 64, "c" * 64
SNAPSHOTS = f"{stores.SNAPSHOTTER}/snapshots"
META = "io.containerd.metadata.v1.bolt/meta.db"
BLOBS = "io.containerd.content.v1.content/blobs/sha256"
# Another image: the base of the first alone, without a name.
BASE = json.dumps({"rootfs": {"type": "layers", "diff_ids": DIFFS[:1]}, "history": [{"created_by": STEPS[0]}]}).encode()


def found(root: Path) -> Images:
    with mapsd.Disk(os.fsencode(root)) as disk:
        return disk.images()


def layers(root: Path, word: str) -> PlacedLayers:
    with mapsd.Disk(os.fsencode(root)) as disk:
        return disk.image_layers(disk.image(word))


def run(*words: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([MAPSD, *map(str, words)], capture_output=True, text=True, check=False, timeout=BOUND)
    assert "Traceback" not in done.stderr
    return done


def podman(base: Path) -> None:
    """Write a store with an image that one of two containers was made from, and one that none was."""
    stores.storage(base, [stores.podman(), stores.podman(OTHER, "d" * 64, "job") | {"image": "e" * 64}])
    listed = json.loads((base / "overlay-images/images.json").read_text())
    stores.put(base, {"overlay-images/images.json": [*listed, {"id": digest(BASE)[7:], "layer": "layer0"}],
                      f"overlay-images/{digest(BASE)[7:]}/={stores.b64encode(digest(BASE).encode()).decode()}": BASE})
    stacks.linked(base / "overlay", ["layer2", "layer1", "layer0"])


def docker(base: Path) -> None:
    stores.docker(base)
    stores.put(base, {f"image/overlay2/imagedb/content/sha256/{digest(BASE)[7:]}": BASE})
    stacks.linked(base / "overlay2", ["cache2", "cache1", "cache0"])


def containerd(base: Path, group: str = "k8s.io", more: dict | None = None, **record: object) -> None:
    """Write a store with further names of images."""
    stores.containerd(base, group, ID, record=record.get("record") or stores.kubernetes(),
                      meta=written(metadata(group, stores.kubernetes(), more or {})))
    for number in range(1, 5):
        (base / SNAPSHOTS / f"{number}/fs").mkdir(parents=True)


def metadata(group: str, record: dict, more: dict) -> dict:
    keys = [*stores.chain(), ID]
    _, theirs = stores.snapshots(group, keys, [None, *keys[:-1]])
    itself = {b"createdat": stores.moment(20), b"snapshotter": b"overlayfs", b"snapshotKey": ID.encode(),
              b"image": b"docker.io/library/app:1", **record}
    named = {b"docker.io/library/app:1": target(INDEX), **more}
    return {b"v1": {b"version": b"\x06", group.encode(): {
        b"containers": {ID.encode(): itself}, b"images": named, b"snapshots": {b"overlayfs": theirs}}}}


def target(data: bytes) -> dict:
    return {b"updatedat": stores.moment(10), b"target": {b"digest": digest(data).encode()}}


def test_the_images_of_podmans_store(tmp_path):
    podman(tmp_path)
    app, base = found(tmp_path).images
    assert app.image[:5] == ("containers/storage", IMAGE, digest(MANIFEST), ("docker.io/library/app:1",),
                             os.fsencode(tmp_path))
    assert ([one.name for one in app.containers], base.containers) == (["web"], ())
    assert (base.image.id, base.image.digest, base.image.names) == (digest(BASE), None, ())
    assert [(one.layers.layers[-1].position, one.layers.reason) for one in (app, base)] == [(3, None), (1, None)]


def test_the_images_of_dockers_store(tmp_path):
    docker(tmp_path)
    images = {one.image.id: one for one in found(tmp_path).images}
    app, base = images[IMAGE], images[digest(BASE)]
    assert app.image[:5] == ("docker", IMAGE, digest(MANIFEST), ("app:1",), os.fsencode(tmp_path))
    assert ([one.name for one in app.containers], app.image.reason) == (["web"], None)
    assert (base.image.names, base.containers, len(base.layers.layers)) == ((), (), 1)
    assert "no digest of one registry" in (base.image.reason or "")


def test_the_images_of_containerds_store(tmp_path):
    more = {b"docker.io/library/app:newest": target(INDEX), digest(MANIFEST).encode(): target(INDEX),
            b"other:1": target(OTHER.encode())}
    containerd(tmp_path, more=more)
    images = {one.image.digest: one for one in found(tmp_path).images}
    app, other = images[digest(INDEX)], images[digest(OTHER.encode())]
    assert app.image[:4] == ("containerd", IMAGE, digest(INDEX), ("docker.io/library/app:1",
                                                                  "docker.io/library/app:newest"))
    assert [one.id for one in app.containers] == [ID]
    assert (other.image.id, other.image.names, other.layers.layers) == (None, ("other:1",), ())
    assert "there is no such file" in (other.image.reason or "")


@pytest.mark.parametrize(("write", "word", "directories"), [
    (podman, "app:1", [f"overlay/layer{number}/diff" for number in range(3)]),
    (docker, "app:1", [f"overlay2/cache{number}/diff" for number in range(3)]),
    (containerd, "docker.io/library/app:1", [f"{SNAPSHOTS}/{number}/fs" for number in (1, 2, 3)])])
def test_the_layers_of_an_image_from_the_base_up(tmp_path, write, word, directories):
    write(tmp_path)
    done = run("layers", word, "--root", tmp_path, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    seen = validate(json.loads(done.stdout), "image-layers")
    assert (seen["image"]["id"], seen["image"]["store"], seen["layers_reason"]) == (IMAGE, str(tmp_path), None)
    assert [(one["position"], one["diff_id"], one["digest"], one["step"], one["path"], one["reason"])
            for one in seen["layers"]] == [
        (number, diff, digest(diff.encode()), step, f"{tmp_path}/{directory}", None) for number, (diff, step, directory)
        in enumerate(zip(DIFFS, STEPS, directories, strict=True), 1)]
    text = run("layers", f"image:{IMAGE[7:20]}", "--root", tmp_path).stdout
    assert text.splitlines()[4].split() == ["POSITION", "DIFF-ID", "DIGEST", "DIRECTORY", "STEP"]
    assert all(f"{tmp_path}/{directory}" in text for directory in directories)


def test_every_image_of_a_disk_is_listed(tmp_path):
    for write, path in ((podman, "containers/storage"), (docker, "docker"), (containerd, "containerd")):
        write(tmp_path / "var/lib" / path)
    done = run("images", "--root", tmp_path, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    listed = validate(json.loads(done.stdout), "images")["images"]
    assert sorted((one["engine"], tuple(one["names"]), len(one["layers"]), len(one["containers"])) for one in listed
                  ) == [("containerd", ("docker.io/library/app:1",), 3, 1), ("containers/storage", (), 1, 0),
                        ("containers/storage", ("docker.io/library/app:1",), 3, 1), ("docker", (), 1, 0),
                        ("docker", ("app:1",), 3, 1)]
    rows = [line.split() for line in run("images", "--root", tmp_path).stdout.splitlines()]
    assert rows[0] == ["IMAGE", "ENGINE", "ID", "DIGEST", "LAYERS", "CONTAINERS", "STORE"]
    assert ["app:1", "docker", IMAGE[7:19], digest(MANIFEST)[:19], "3", "web", f"{tmp_path}/var/lib/docker"] in rows
    assert len(run("images", "-n", "--root", tmp_path).stdout.splitlines()) == 5


def test_an_image_is_named_by_name_digest_or_id(tmp_path):
    podman(tmp_path)
    with mapsd.Disk(os.fsencode(tmp_path)) as disk:
        for word in ("docker.io/library/app:1", "library/app:1", "app:1", IMAGE, IMAGE[7:], IMAGE[:15], IMAGE[7:15],
                     digest(MANIFEST)):
            assert disk.image(word).id == IMAGE
        for word in ("app", "app:2", "sha256:", "", "pp:1"):
            with pytest.raises(NotOnDisk):
                disk.image(word)
    done = run("layers", "image:\x1b[2J", "--root", tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "no image of a store" in done.stderr
    assert "no container or image" in run("layers", "none", "--root", tmp_path).stderr


def test_a_name_in_several_stores_names_none(tmp_path):
    podman(tmp_path / "var/lib/containers/storage")
    podman(tmp_path / "root/.local/share/containers/storage")
    with mapsd.Disk(os.fsencode(tmp_path)) as disk, pytest.raises(UsageError, match="several images"):
        disk.image("app:1")
    assert len(layers(tmp_path / "var/lib/containers/storage", "app:1").layers) == 3


def test_a_container_comes_before_an_image_of_its_name(tmp_path):
    stores.docker(tmp_path, **{"image/overlay2/repositories.json": {"Repositories": {"web": {"web:latest": IMAGE}}}})
    stacks.linked(tmp_path / "overlay2", ["b" * 64, "b" * 64 + "-init", "cache2", "cache1", "cache0"])
    assert all(run("layers", word, "--root", tmp_path).stdout.startswith("container  docker web")
               for word in ("web", "container:web"))
    assert run("layers", "image:web", "--root", tmp_path).stdout.startswith("image   docker web:latest")


def test_layers_that_are_not_unpacked_have_no_directory(tmp_path):
    containerd(tmp_path / "one")
    path = tmp_path / "one" / META
    tree = metadata("k8s.io", stores.kubernetes(), {})
    del tree[b"v1"][b"k8s.io"][b"snapshots"][b"overlayfs"][stores.chain()[2].encode()]
    path.write_bytes(written(tree))
    seen = layers(tmp_path / "one", "app:1")
    assert [bool(one.layer.directory) for one in seen.layers] == [True, True, False]
    assert ("some layers are not unpacked" in (seen.reason or ""), seen.layers[2].reason != "") == (True, True)
    tree[b"v1"][b"k8s.io"][b"snapshots"] = {}
    path.write_bytes(written(tree))
    done = run("layers", "app:1", "--root", tmp_path / "one", "--json")
    seen = validate(json.loads(done.stdout), "image-layers")
    assert ([one["path"] for one in seen["layers"]], seen["layers_reason"]) == ([None] * 3,
                                                                                "no snapshotter has unpacked it")
    assert [one["diff_id"] for one in seen["layers"]] == DIFFS
    assert "?" not in run("images", "--root", tmp_path / "one").stdout


def test_an_image_without_layers_lacks_none(tmp_path):
    empty = json.dumps({"rootfs": {"type": "layers", "diff_ids": []}}).encode()
    manifest = json.dumps({"config": {"digest": digest(empty)}, "layers": []}).encode()
    containerd(tmp_path, more={b"empty:1": target(manifest)})
    stores.put(tmp_path, {f"{BLOBS}/{digest(one)[7:]}": one for one in (empty, manifest)})
    [one] = [one for one in found(tmp_path).images if one.image.names == ("empty:1",)]
    assert (one.image.id, one.layers.layers, one.layers.reason) == (digest(empty), (), None)
    assert "?" not in run("images", "--root", tmp_path).stdout


def test_an_image_of_dockers_in_containerds_store(tmp_path):
    dangling = f"moby-dangling@{digest(MANIFEST)}".encode()
    store = tmp_path / "var/lib/docker/containerd/daemon"
    containerd(store, "moby", {dangling: target(MANIFEST)})
    app, nameless = sorted(found(tmp_path).images, key=lambda one: one.image.names, reverse=True)
    assert (app.image.engine, app.image.names) == ("docker", ("docker.io/library/app:1",))
    assert (nameless.image.id, nameless.image.digest, nameless.image.names) == (IMAGE, digest(MANIFEST), ())


def test_what_buildkit_says_of_an_image_is_none(tmp_path):
    said = json.dumps({"config": {"digest": digest(BASE)}, "layers": []}).encode()
    index = json.dumps({"manifests": [
        {"digest": digest(said), "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
        {"digest": digest(MANIFEST)}]}).encode()
    containerd(tmp_path, more={b"built:1": target(index)})
    stores.put(tmp_path, {f"{BLOBS}/{digest(one)[7:]}": one for one in (BASE, said, index)})
    assert [one.image.id for one in found(tmp_path).images if one.image.names == ("built:1",)] == [IMAGE]


def test_images_of_an_additional_store_are_those_of_the_containers_that_have_none_of_their_own(tmp_path):
    shared, own = tmp_path / "usr/lib/containers/storage", tmp_path / "var/lib/containers/storage"
    podman(shared)
    stores.storage(own, [stores.podman()])
    stores.put(shared, {"overlay-containers/containers.json": []})
    assert {(one.image.store, len(one.containers)) for one in found(tmp_path).images if one.image.id == IMAGE} == {
        (os.fsencode(own), 1), (os.fsencode(shared), 0)}
    stores.put(own, {"overlay-images/images.json": []})
    assert [(one.image.store, len(one.containers)) for one in found(tmp_path).images if one.image.id == IMAGE] == [
        (os.fsencode(shared), 1)]


def test_an_image_that_is_spoilt_leaves_the_others(tmp_path):
    docker(tmp_path / "docker")
    path = tmp_path / f"docker/image/overlay2/imagedb/content/sha256/{digest(BASE)[7:]}"
    path.write_bytes(BASE + b" ")
    stores.put(path.parent, {"..x": "{}", "x\x1b": "{}"})
    done = run("images", "--root", tmp_path / "docker", "--json")
    seen = validate(json.loads(done.stdout), "images")
    good, bad = sorted(seen["images"], key=lambda one: not one["layers"])
    assert (good["id"], len(good["layers"]), good["layers_reason"]) == (IMAGE, 3, None)
    assert (bad["layers"], "not what its digest says" in bad["layers_reason"]) == ([], True)
    assert (done.returncode, len(seen["skipped"]), done.stderr.count("\n")) == (0, 2, 2)
    assert "?" in run("images", "--root", tmp_path / "docker").stdout


def test_records_of_images_that_are_not_fit_to_be_shown(tmp_path):
    stores.storage(tmp_path, [stores.podman()])
    (good,) = json.loads((tmp_path / "overlay-images/images.json").read_text())
    odd = [{"id": "../x", "layer": "layer0"}, {"id": "x", "layer": "../layer0"}, {"id": "f" * 64, "layer": "round"},
           {"id": "e" * 64, "layer": "gone", "names": ["a\x1b[2J", 5, "fine"]}, {"id": 5}]
    listed = json.loads((tmp_path / "overlay-layers/layers.json").read_text())
    stores.put(tmp_path, {"overlay-images/images.json": [*odd, good],
                          "overlay-layers/layers.json": [*listed, {"id": "round", "parent": "round"}]})
    seen = found(tmp_path)
    assert [len(one.layers.layers) for one in seen.images] == [0, 0, 3]
    assert (seen.images[1].image.names, "not printable" in (seen.images[1].image.reason or "")) == (("fine",), True)
    assert all("has a gap, or no end" in (one.layers.reason or "") for one in seen.images[:2])
    assert len(seen.unidentified) == 3


def test_layers_of_another_name_than_their_contents_have_no_directory(tmp_path):
    docker(tmp_path)
    at = tmp_path / f"image/overlay2/layerdb/sha256/{stores.chain()[1][7:]}"
    for name, text in (("diff", digest(b"another")), ("parent", digest(b"another")), ("cache-id", "../../etc")):
        kept = (at / name).read_text()
        (at / name).write_text(text)
        seen = layers(tmp_path, "app:1")
        assert [bool(one.layer.directory) for one in seen.layers] == [True, False, True]
        assert seen.reason is not None
        (at / name).write_text(kept)
    assert layers(tmp_path, "app:1").reason is None


@pytest.mark.parametrize("name", [META, f"{stores.SNAPSHOTTER}/metadata.db"])
def test_a_database_that_is_torn_is_a_reason(tmp_path, name):
    containerd(tmp_path)
    data = (tmp_path / name).read_bytes()
    for size in range(0, len(data), 997):
        (tmp_path / name).write_bytes(data[:size])
        seen = found(tmp_path)
        assert seen.unidentified or all(one.layers.reason or len(one.layers.layers) == 3 for one in seen.images)


def test_directories_that_cannot_be_opened_are_said(tmp_path):
    docker(tmp_path)
    base = tmp_path / "overlay2/cache0/diff"
    base.rmdir()
    base.symlink_to("/etc")
    (tmp_path / "overlay2/cache1/diff").rmdir()
    assert [bool(one.reason) for one in layers(tmp_path, "app:1").layers] == [True, True, False]


def test_without_an_image_the_status_is_1_and_without_a_disk_2(tmp_path):
    done = run("images", "--root", tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    for words in (["images"], ["images", "x", "--root", tmp_path], ["--socket", tmp_path / "s", "images"]):
        done = run(*words)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
