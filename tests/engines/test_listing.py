"""Every container of a store, and the directories of its layers: also those that do not run."""

import json
import os
from pathlib import Path

from mapsd.engines import listing
from mapsd.engines.listing import Kind
from mapsd.linux.tree import tree_at
from mapsd.model.containers import Container, Unidentified
from tests.engines import stores

ID, OTHER = "a" * 64, "c" * 64


def listed(store: Path) -> list[Container | Unidentified]:
    with stores.trees() as opened:
        return list(listing.containers(os.fsencode(store), opened))


def stack(found: Container) -> tuple[bytes, ...] | Unidentified:
    with stores.trees() as opened:
        return listing.stack(found, opened)


def directories(store: Path, *names: str) -> tuple[bytes, ...]:
    return tuple(os.fsencode(store / name) for name in names)


def test_the_containers_of_podmans_store(tmp_path):
    own = stores.storage(tmp_path, [stores.podman(), stores.podman(OTHER, "d" * 64, "job")])
    one, two = listed(tmp_path)
    assert [one.name, two.name] == ["web", "job"]
    assert one == stores.container(own)
    assert stack(one) == (own, *directories(tmp_path, *(f"overlay/layer{number}/diff" for number in (2, 1, 0))))


def test_a_container_that_is_spoilt_leaves_the_others(tmp_path):
    records = [stores.podman("../x"), stores.podman(), stores.podman(OTHER, "d" * 64, "x\x1b")]
    stores.storage(tmp_path, records)
    spoilt, good, unnamed = listed(tmp_path)
    assert isinstance(spoilt, Unidentified)
    assert (good.name, unnamed.id, unnamed.name) == ("web", OTHER, None)


def test_the_containers_of_dockers_store(tmp_path):
    alone = stores.container(stores.docker(tmp_path))
    stores.docker(tmp_path, OTHER, "/job")
    (tmp_path / f"containers/{OTHER}/config.v2.json").write_text("{")
    good, spoilt = listed(tmp_path)
    assert good == alone
    assert isinstance(spoilt, Unidentified)
    assert stack(good) == directories(tmp_path, f"overlay2/{'b' * 64}/diff", f"overlay2/{'b' * 64}-init/diff",
                                      *(f"overlay2/cache{number}/diff" for number in (2, 1, 0)))


def test_the_containers_of_containerds_store(tmp_path):
    own = stores.containerd(tmp_path, "k8s.io", ID, record=stores.kubernetes())
    found = listed(tmp_path)
    assert found == [stores.container(own)]
    numbers = directories(tmp_path, *(f"{stores.SNAPSHOTTER}/snapshots/{number}/fs" for number in (4, 3, 2, 1)))
    assert stack(found[0]) == numbers


def test_a_container_whose_snapshot_is_gone_is_said_to_be(tmp_path):
    stores.containerd(tmp_path, "k8s.io", ID, record={b"snapshotKey": b"other"})
    (found,) = listed(tmp_path)
    assert isinstance(found, Unidentified)
    assert ID in found.reason


def test_the_containers_of_docker_29(tmp_path):
    store = tmp_path / "var/lib/docker/containerd/daemon"
    own = stores.containerd(store, "moby", ID, record={}, between=[f"{ID}-init"], image=None)
    config = {"ID": ID, "Name": "/web", "Image": stores.digest(stores.INDEX), "Config": {"Image": "app:1"}}
    stores.put(tmp_path, {f"var/lib/docker/containers/{ID}/config.v2.json": config})
    (found,) = listed(store)
    assert (found.name, found.image, found.image_id) == ("web", "app:1", stores.IMAGE)
    assert stack(found)[:2] == (own, own[:-4] + b"4/fs")


def test_stores_are_found_where_they_usually_are(tmp_path):
    made = {"var/lib/containers/storage": [Kind("storage", "overlay")], "var/lib/docker": [Kind("docker", "overlay2")],
            "var/lib/docker/231072.231072": [Kind("docker", "overlay2")],
            "var/lib/containerd": [Kind("containerd", "")],
            "home/lab/.local/share/containers/storage": [Kind("storage", "overlay")]}
    for path, (kind,) in made.items():
        if kind.name == "storage":
            stores.storage(tmp_path / path, [stores.podman()])
        elif kind.name == "docker":
            stores.docker(tmp_path / path)
        else:
            stores.containerd(tmp_path / path, "lab", "one", record={})
    tree = tree_at(os.fsencode(tmp_path), os.open)
    try:
        assert {path.decode(): listing.kinds(tree, path) for path in listing.usual(tree)} == made
    finally:
        tree.close()
    store = tree_at(os.fsencode(tmp_path / "var/lib/docker"), os.open)
    try:
        assert listing.usual(store) == [b""]
    finally:
        store.close()


def test_a_directory_that_is_no_store_has_none(tmp_path):
    (tmp_path / "image").mkdir()
    (tmp_path / "x-containers").write_text(json.dumps([]))
    assert [one for one in listed(tmp_path) if isinstance(one, Container)] == []
    assert isinstance(listed(tmp_path / "none")[0], Unidentified)
