"""Stores written from the documented formats: what cannot run here, and what changes while nobody looks."""

import json
import os
from pathlib import Path

import pytest

from mapsd.model.containers import Container, ImageLayer, Unidentified
from tests.engines import stores
from tests.engines.stores import DIFFS, IMAGE, INDEX, MANIFEST, STEPS, digest

ID = "a" * 64


def asked(directory: bytes, lowers: tuple[bytes, ...] = ()) -> Container:
    found = stores.container(directory, lowers)
    assert isinstance(found, Container), found
    return found


def refused(directory: bytes) -> str:
    found = stores.container(directory)
    assert isinstance(found, Unidentified), found
    return found.reason


def layers(found: Container, *directories: str) -> None:
    """Check the layers of the image of every store here."""
    seen = stores.image_layers(found)
    wanted = [ImageLayer(number, one, digest(one.encode()), directory.encode(), step) for number, (one, directory, step)
              in enumerate(zip(DIFFS, directories, STEPS, strict=True), 1)]
    assert (list(seen.layers), seen.reason) == (wanted, None)
    assert [seen.of(one.directory) for one in wanted] == wanted
    assert (seen.of(None), seen.of(b"/elsewhere")) == (None, None)


def test_a_container_of_podmans(tmp_path):
    found = asked(stores.storage(tmp_path, [stores.podman()]))
    assert found[:8] == ("podman", ID, "web", "docker.io/library/app:1", IMAGE, digest(MANIFEST), None, None)
    assert (found.store, found.reason) == (os.fsencode(tmp_path), None)
    layers(found, *(f"{tmp_path}/overlay/layer{number}/diff" for number in range(3)))


def test_a_container_that_need_not_outlive_the_machines_run(tmp_path):
    directory = stores.storage(tmp_path, [stores.podman()])
    os.rename(tmp_path / "overlay-containers/containers.json", tmp_path / "overlay-containers/volatile-containers.json")
    assert asked(directory).id == ID


def test_a_container_in_a_pod_of_cri_o(tmp_path):
    found = asked(stores.storage(tmp_path, stores.crio()))
    assert found[:8] == ("cri-o", "d" * 64, "web", "registry.example/app:1", IMAGE, digest(MANIFEST), "shop-7f", "prod")
    layers(found, *(f"{tmp_path}/overlay/layer{number}/diff" for number in range(3)))


def test_the_pods_own_container_of_cri_o(tmp_path):
    records = stores.crio()
    stores.storage(tmp_path, records)
    found = asked(f"{tmp_path}/overlay/{records[1]['layer']}/diff".encode())
    assert (found.engine, found.name, found.pod, found.namespace) == (
        "cri-o", "k8s_POD_shop-7f_prod_uid_0", "shop-7f", "prod")


def test_without_the_pods_own_container_the_pod_is_not_known(tmp_path):
    found = asked(stores.storage(tmp_path, stores.crio()[:1]))
    assert (found.name, found.pod, found.namespace) == ("web", None, None)
    assert "pod and namespace are not known" in (found.reason or "")


def test_layers_and_image_of_a_further_store(tmp_path):
    shared, own = tmp_path / "shared", tmp_path / "own"
    stores.storage(shared, [stores.podman(ID, "x" * 64)])
    directory = stores.storage(own, [stores.podman()])
    only = [one for one in json.loads((own / "overlay-layers/layers.json").read_text()) if one["id"] == "b" * 64]
    stores.put(own, {"overlay-layers/layers.json": only, "overlay-images/images.json": []})
    for path in (own / "overlay-images").glob("*/*"):
        path.unlink()
    lowers = tuple(f"{shared}/overlay/layer{number}/diff".encode() for number in (2, 1, 0))
    found = asked(directory, lowers)
    assert (found.store, found.others) == (os.fsencode(own), (os.fsencode(shared),))
    assert found.image_digest == digest(MANIFEST)
    layers(found, *(f"{shared}/overlay/layer{number}/diff" for number in range(3)))
    assert "gap" in (stores.image_layers(found._replace(others=())).reason or "")


def test_an_image_that_was_removed_or_called_otherwise(tmp_path):
    directory = stores.storage(tmp_path, [stores.podman()])
    images = json.loads((tmp_path / "overlay-images/images.json").read_text())
    stores.put(tmp_path, {"overlay-images/images.json": [{**images[0], "names": []}]})
    assert asked(directory).image_digest == digest(MANIFEST)
    assert "does not have the name any more" in (asked(directory).reason or "")
    stores.put(tmp_path, {"overlay-images/images.json": []})
    found = asked(directory)
    assert (found.image, found.image_id, found.image_digest) == ("docker.io/library/app:1", IMAGE, None)
    assert "removed" in (found.reason or "")


def test_a_container_of_dockers(tmp_path):
    found = asked(stores.docker(tmp_path))
    assert found[:8] == ("docker", ID, "web", "app:1", IMAGE, digest(MANIFEST), None, None)
    assert found.reason is None
    layers(found, *(f"{tmp_path}/overlay2/cache{number}/diff" for number in range(3)))


def test_a_container_of_dockers_with_users_remapped(tmp_path):
    found = asked(stores.docker(tmp_path / "231072.231072"))
    assert (found.id, found.store) == (ID, os.fsencode(tmp_path / "231072.231072"))


def test_a_container_that_was_made_from_an_id(tmp_path):
    directory = stores.docker(tmp_path)
    path = tmp_path / f"containers/{ID}/config.v2.json"
    for image in (IMAGE, IMAGE[7:19]):
        config = json.loads(path.read_text()) | {"Config": {"Image": image}}
        stores.put(tmp_path, {f"containers/{ID}/config.v2.json": config})
        found = asked(directory)
        assert (found.image, found.image_id, found.image_digest) == ("app:1", IMAGE, digest(MANIFEST))
    names = {"Repositories": {"app": {"app:1": IMAGE, "app:2": IMAGE}}}
    stores.put(tmp_path, {"image/overlay2/repositories.json": names})
    assert asked(directory).image is None
    names["Repositories"][IMAGE[7:19]] = {f"{IMAGE[7:19]}:latest": digest(b"an image that is called so")}
    stores.put(tmp_path, {"image/overlay2/repositories.json": names})
    assert asked(directory).image == IMAGE[7:19]


def test_a_name_that_stands_for_another_image_by_now(tmp_path):
    directory = stores.docker(tmp_path)
    other = {"Repositories": {"app": {"app:1": digest(b"other")}}}
    stores.put(tmp_path, {"image/overlay2/repositories.json": other})
    found = asked(directory)
    assert (found.image, found.image_id, found.image_digest) == ("app:1", IMAGE, None)
    assert "another image by now" in (found.reason or "")


def test_a_container_of_kubernetes_in_containerd(tmp_path):
    directory = stores.containerd(tmp_path, "k8s.io", ID, record=stores.kubernetes(), updated=99)
    found = asked(directory)
    assert found[:8] == ("containerd", ID, "web", "registry.example/app:1", IMAGE, digest(INDEX), "shop-7f", "prod")
    assert found.reason is None
    layers(found, *(f"{tmp_path}/{stores.SNAPSHOTTER}/snapshots/{number}/fs" for number in (1, 2, 3)))


def test_an_image_that_kubernetes_did_not_ask_for_is_not_the_containers(tmp_path):
    record = stores.kubernetes(digest(b"the older one, with the same layers"))
    found = asked(stores.containerd(tmp_path, "k8s.io", ID, record=record))
    assert (found.image, found.image_id, found.image_digest) == ("docker.io/library/app:1", None, None)
    assert "given again" in (found.reason or "")
    seen = stores.image_layers(found)
    assert [one.diff_id for one in seen.layers] == DIFFS
    assert [one.step for one in seen.layers] == [None] * 3


@pytest.mark.parametrize("data", ["docker/containerd/daemon", "containerd"])
def test_a_container_of_docker_29(tmp_path, data):
    store = tmp_path / data
    directory = stores.containerd(store, "moby", ID, record={}, between=[f"{ID}-init"], image=None)
    stores.put(tmp_path / "docker", {f"containers/{ID}/config.v2.json": {
        "ID": ID, "Name": "/web", "Image": digest(INDEX), "Driver": "overlayfs", "Config": {"Image": "app:1"},
        "ImageManifest": {"digest": digest(MANIFEST)}}})
    found = asked(directory)
    assert found[:8] == ("docker", ID, "web", "app:1", IMAGE, digest(INDEX), None, None)
    assert found.reason is None
    layers(found, *(f"{store}/{stores.SNAPSHOTTER}/snapshots/{number}/fs" for number in (1, 2, 3)))


def test_docker_29_without_its_own_directory_has_no_names(tmp_path):
    found = asked(stores.containerd(tmp_path, "moby", ID, record={}, between=[f"{ID}-init"], image=None))
    assert (found.engine, found.id, found.name, found.image) == ("docker", ID, None, None)
    assert found.reason


def test_an_image_name_that_was_given_again_since(tmp_path):
    found = asked(stores.containerd(tmp_path, "default", "one", record={}, updated=30))
    assert (found.image, found.image_id, found.image_digest) == ("docker.io/library/app:1", None, None)
    assert "given again" in (found.reason or "")


def test_an_image_name_that_stands_for_other_layers_since(tmp_path):
    found = asked(stores.containerd(tmp_path, "default", "one", record={}, target=stores.OTHER))
    assert (found.image_id, found.image_digest) == (None, None)
    assert "another image by now" in (found.reason or "")
    seen = stores.image_layers(found)
    # Without its image a layer's digest is in its snapshot's name for the base only.
    assert [one.diff_id for one in seen.layers] == [DIFFS[0], None, None]
    assert seen.reason


def test_a_snapshot_that_containerd_does_not_know_is_no_containers(tmp_path):
    directory = stores.containerd(tmp_path, "default", "one", record={})
    stores.containerd(tmp_path / "other", "default", "two", record={})
    meta = "io.containerd.metadata.v1.bolt/meta.db"
    os.replace(tmp_path / "other" / meta, tmp_path / meta)
    assert "does not know the snapshot" in refused(directory)


@pytest.mark.parametrize("directory", [b"/", b"", b"/a/b", b"/x/overlay/y/merged", b"/x/overlay2", b"/x/snapshots/1/fs",
                                       b"/x/io.containerd.snapshotter.v1.overlayfs/snapshots/one/fs", b"/\xff/overlay"])
def test_a_directory_of_no_store_is_nobodys(directory):
    assert stores.container(directory) is None


def test_a_layer_of_no_container_is_refused(tmp_path):
    stores.storage(tmp_path, [stores.podman()])
    assert "no containers have the layer" in refused(f"{tmp_path}/overlay/layer2/diff".encode())
    stores.docker(tmp_path / "docker")
    assert "no containers have the layer" in refused(f"{tmp_path}/docker/overlay2/cache2/diff".encode())


def test_a_store_that_is_gone_or_closed(tmp_path):
    directory = stores.storage(tmp_path / "gone", [stores.podman()])
    os.rename(tmp_path / "gone", tmp_path / "moved")
    assert "no such directory" in refused(directory)
    assert Path(tmp_path, "moved").exists()
