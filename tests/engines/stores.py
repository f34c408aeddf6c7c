"""Stores of engines, written from the documented formats: for what cannot run here, and for what nobody should write.

The image has three layers; the container's own comes on top.
"""

import hashlib
import json
import os
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mapsd.engines import stores as reader
from mapsd.linux.tree import Files, tree_at
from mapsd.model import Absent, Refused
from mapsd.model.containers import Container, ImageLayers, Unidentified
from tests.engines.bboltfile import written

DIFFS = [f"sha256:{hashlib.sha256(name).hexdigest()}" for name in (b"base", b"middle", b"top")]
STEPS = ["ADD rootfs.tar", "RUN apt-get install -y libssl3", "COPY . /app"]
CONFIG = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": DIFFS},
                     "history": [{"created_by": STEPS[0]}, {"created_by": "ENV A=1", "empty_layer": True},
                                 {"created_by": STEPS[1]}, {"created_by": STEPS[2]}]}).encode()


@contextmanager
def trees() -> Iterator[Callable[[bytes], Files | Absent | Refused]]:
    """Give what opens directories, and close them."""
    made: list[Files] = []

    def opened(path: bytes) -> Files | Absent | Refused:
        tree = tree_at(path, os.open)
        if isinstance(tree, Files):
            made.append(tree)
        return tree
    try:
        yield opened
    finally:
        for one in made:
            one.close()


def container(directory: bytes, lowers: Sequence[bytes] = ()) -> Container | Unidentified | None:
    """Return what the reader says of a layer's directory."""
    with trees() as opened:
        return reader.container(directory, lowers, opened)


def image_layers(found: Container) -> ImageLayers:
    """Return what the reader says of a container's image."""
    with trees() as opened:
        return reader.image_layers(found, opened)


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


IMAGE = digest(CONFIG)
MANIFEST = json.dumps({"schemaVersion": 2, "config": {"digest": IMAGE},
                       "layers": [{"digest": digest(one.encode())} for one in DIFFS]}).encode()
OTHER = json.dumps({"schemaVersion": 2, "config": {"digest": digest(b"another platform's")}, "layers": []}).encode()
INDEX = json.dumps({"schemaVersion": 2, "manifests": [{"digest": digest(OTHER)}, {"digest": digest(b"not pulled")},
                                                      {"digest": digest(MANIFEST)}]}).encode()


def chain() -> list[str]:
    found = [DIFFS[0]]
    for one in DIFFS[1:]:
        found.append(digest(f"{found[-1]} {one}".encode()))
    return found


def put(base: Path, files: dict[str, bytes | str | list | dict]) -> None:
    """Write files; what is neither bytes nor text is JSON."""
    for name, data in files.items():
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, list | dict):
            data = json.dumps(data)  # noqa: PLW2901  (written below)
        path.write_bytes(data.encode() if isinstance(data, str) else data)


# containers/storage


def storage(base: Path, containers: list[dict], **more: bytes | str | list | dict) -> bytes:
    """Write a store of Podman's or CRI-O's, and return the directory of the first container's own layer."""
    image = IMAGE[7:]
    layers = [{"id": f"layer{number}", "parent": f"layer{number - 1}" if number else "", "diff-digest": one,
               "compressed-diff-digest": digest(one.encode())} for number, one in enumerate(DIFFS)]
    layers += [{"id": one["layer"], "parent": "layer2"} for one in containers]
    put(base, {
        "overlay-containers/containers.json": containers,
        "overlay-layers/layers.json": layers,
        "overlay-images/images.json": [{"id": image, "digest": digest(MANIFEST), "names": ["docker.io/library/app:1"],
                                        "layer": "layer2"}],
        f"overlay-images/{image}/={b64encode(IMAGE.encode()).decode()}": CONFIG,
        "libpod/bolt_state.db": written({b"ctr": {one["id"].encode(): {b"config": b"{}"} for one in containers},
                                         b"id-registry": {}}), **more})
    return str(base / "overlay" / containers[0]["layer"] / "diff").encode()


def podman(identity: str = "a" * 64, layer: str = "b" * 64, name: str = "web", **metadata: object) -> dict:
    """Return Podman's record of a container."""
    told = {"image-name": "docker.io/library/app:1", "image-id": IMAGE[7:], "name": name, "created-at": 1, **metadata}
    return {"id": identity, "names": [name], "image": IMAGE[7:], "layer": layer, "metadata": json.dumps(told)}


def crio() -> list[dict]:
    """Return CRI-O's records of a pod's container and of the pod's own."""
    pod, one = "c" * 64, "d" * 64
    told = {"pod-name": "k8s_shop-7f_prod_uid_0", "pod-id": pod, "image-name": "registry.example/app:1",
            "image-id": IMAGE[7:], "name": "k8s_web_shop-7f_prod_uid_0", "metadata-name": "web", "created-at": 1}
    sandbox = {**told, "name": "k8s_POD_shop-7f_prod_uid_0", "metadata-name": "shop-7f", "uid": "uid",
               "namespace": "prod", "pod": True, "image-name": "registry.example/pause:3"}
    return [{"id": one, "names": [told["name"]], "image": IMAGE[7:], "layer": "e" * 64, "metadata": json.dumps(told)},
            {"id": pod, "names": [sandbox["name"], sandbox["pod-name"]], "image": IMAGE[7:], "layer": "f" * 64,
             "metadata": json.dumps(sandbox)}]


# Docker


def docker(base: Path, identity: str = "a" * 64, name: str = "/web", **more: bytes | str | list | dict) -> bytes:
    """Write a store of Docker's with overlay2, and return the directory of the container's own layer."""
    image, own = "image/overlay2", "b" * 64
    files: dict = {f"{image}/layerdb/mounts/{identity}/mount-id": own,
                   f"{image}/layerdb/mounts/{identity}/init-id": own + "-init",
                   f"{image}/layerdb/mounts/{identity}/parent": chain()[-1],
                   f"{image}/imagedb/content/sha256/{IMAGE[7:]}": CONFIG,
                   f"{image}/repositories.json": {"Repositories": {"app": {
                       "app:1": IMAGE, f"app@{digest(MANIFEST)}": IMAGE}}},
                   f"containers/{identity}/config.v2.json": {"ID": identity, "Name": name, "Image": IMAGE,
                                                             "Driver": "overlay2", "Config": {"Image": "app:1"}}}
    for number, (one, name_of_it) in enumerate(zip(DIFFS, chain(), strict=True)):
        at = f"{image}/layerdb/sha256/{name_of_it[7:]}"
        files |= {f"{at}/diff": one, f"{at}/cache-id": f"cache{number}"}
        if number:
            files[f"{at}/parent"] = chain()[number - 1]
        files[f"{image}/distribution/v2metadata-by-diffid/sha256/{one[7:]}"] = [
            {"Digest": digest(one.encode()), "SourceRepository": "docker.io/library/app"}]
    put(base, {**files, **more})
    return str(base / "overlay2" / own / "diff").encode()


# containerd

SNAPSHOTTER = "io.containerd.snapshotter.v1.overlayfs"


def snapshots(group: str, keys: list[str], parents: list[str | None]) -> tuple[dict, dict]:
    """Return what the snapshotter and containerd know of snapshots, in the order of their directories' numbers."""
    backend = {key: f"{group}/{number}/{key}" for number, key in enumerate(keys, 1)}
    mine, theirs = {}, {}
    for number, (key, parent) in enumerate(zip(keys, parents, strict=True), 1):
        above = {b"parent": backend[parent].encode()} if parent else {}
        mine[backend[key].encode()] = {b"id": varint(number), b"kind": b"\x02", **above}
        theirs[key.encode()] = {b"name": backend[key].encode(), b"parent": (parent or "").encode()}
    return mine, theirs


def varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def moment(seconds: int) -> bytes:
    """Return a time as Go writes it in binary."""
    return b"\1" + (62_135_596_800 + seconds).to_bytes(8, "big") + bytes(4) + b"\xff\xff"


def labels(**more: str) -> dict:
    return {name.replace("_", ".").encode(): value.encode() for name, value in more.items()}


def containerd(base: Path, group: str, identity: str, *, record: dict, between: list[str] | None = None,
               image: str | None = "docker.io/library/app:1", target: bytes = INDEX, updated: int = 10,
               meta: bytes | None = None) -> bytes:
    """Write a store of containerd's, and return the directory of the container's own snapshot."""
    keys = [*chain(), *(between or []), identity]
    mine, theirs = snapshots(group, keys, [None, *keys[:-1]])
    named = {b"updatedat": moment(updated), b"target": {b"digest": digest(target).encode()}}
    itself = {b"createdat": moment(20), b"snapshotter": b"overlayfs", b"snapshotKey": identity.encode(),
              b"image": (image or "").encode(), **record}
    known = {b"v1": {b"version": b"\x06", group.encode(): {
        b"containers": {identity.encode(): itself}, b"images": {image.encode(): named} if image else {},
        b"snapshots": {b"overlayfs": theirs}}}}
    blobs = "io.containerd.content.v1.content/blobs/sha256"
    put(base, {f"{SNAPSHOTTER}/metadata.db": written({b"v1": {b"snapshots": mine, b"parents": {}}}),
               "io.containerd.metadata.v1.bolt/meta.db": meta or written(known),
               **{f"{blobs}/{digest(one)[7:]}": one for one in (CONFIG, MANIFEST, OTHER, INDEX)}})
    return str(base / SNAPSHOTTER / "snapshots" / str(len(keys)) / "fs").encode()


def kubernetes(image_ref: str = IMAGE) -> dict:
    """Return what Kubernetes adds to the record of a container."""
    asked = json.dumps({"Version": "v1", "Metadata": {
        "Config": {"image": {"image": IMAGE, "user_specified_image": "registry.example/app:1"}},
        "ImageRef": image_ref}}).encode()
    kind = b"github.com/containerd/cri/pkg/store/container/Metadata"
    extension = b"\x0a" + varint(len(kind)) + kind + b"\x12" + varint(len(asked)) + asked
    return {b"labels": labels(io_kubernetes_pod_name="shop-7f", io_kubernetes_pod_namespace="prod",
                              io_kubernetes_container_name="web", io_kubernetes_pod_uid="uid"),
            b"extensions": {b"io.cri-containerd.container.metadata": extension}}
