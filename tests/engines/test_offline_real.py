"""Copies of stores whose engines really ran, and whose containers ended: the disk says what a mount of them shows."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import pytest

import mapsd
from mapsd.model.disks import StoredWhich
from tests.engines import lab
from tests.engines.images import Image
from tests.engines.test_offline import opens

SHOWN = Path(__file__).with_name("shown.py")
FUSE = ["--storage-opt", "overlay.mount_program=/usr/bin/fuse-overlayfs"]
BOTH = ("app", "deep")


class Copied(NamedTuple):
    """A copy of a store on a disk, and what its engine said of the containers."""

    name: str
    disk: Path
    containers: list[lab.Running]
    unused: list[Image]


Start = Callable[[lab.Space, dict[str, Image]], AbstractContextManager[lab.Engine]]
STARTS: dict[str, tuple[str, Start]] = {
    "podman": ("podman/store", lambda space, images: lab.podman(space, images, "off-podman", containers=BOTH)),
    "rootless": ("rootless/store", lambda space, images: lab.podman(
        space, images, "off-rootless", lab.as_user(space, "off-rootless"), containers=BOTH)),
    "fuse": ("fuse/store", lambda space, images: lab.podman(
        space, images, "off-fuse", lab.as_user(space, "off-fuse"), FUSE, containers=("app",), unused=("deep",))),
    "docker": ("docker/data", lambda space, images: lab.docker(space, images, "off-docker", containers=BOTH)),
    "containerd": ("containerd/root", lambda space, images: lab.containerd(
        space, images, "off-containerd", containers=BOTH))}


@pytest.fixture(scope="module", params=STARTS)
def copied(request: pytest.FixtureRequest, space: lab.Space, images: dict[str, Image]) -> Iterator[Copied]:
    where, start = STARTS[request.param]
    disk = space.base / f"disk-{request.param}"
    disk.mkdir()
    with start(space, images) as engine:
        for one in engine.containers:
            os.kill(one.pid, signal.SIGKILL)
        lab.until(lambda: not any(map(is_running, engine.containers)), "the containers end")
        engine.stop()
        # What Podman leaves behind tidies up in the store for a while.
        lab.until(lambda: is_copied(space, space.base / f"off-{where}", disk / "storage"), "the store is copied")
    yield Copied(request.param, disk, engine.containers, [images["deep"]] if request.param == "fuse" else [])
    shutil.rmtree(disk)


def is_running(one: lab.Running) -> bool:
    return lab.text_of(one.pid, "stat").rpartition(b") ")[2][:1] not in {b"", b"Z"}


def is_copied(space: lab.Space, store: Path, copy: Path) -> bool:
    """Copy a store, and return whether nothing of it went away meanwhile."""
    shutil.rmtree(copy, ignore_errors=True)
    return subprocess.run(space.inside("cp", "-a", "--one-file-system", store, copy), capture_output=True,
                          check=False).returncode == 0


def test_every_container_is_listed_as_its_engine_called_it(copied):
    with mapsd.Disk(os.fsencode(copied.disk)) as disk:
        found = disk.containers()
    assert found.unidentified == ()
    assert {(one.container.id, one.container.name, one.container.image, one.container.image_id)
            for one in found.running} == {(one.id, one.name, one.image_name, one.image_id) for one in copied.containers}


def test_every_image_is_listed_as_its_engine_called_it_with_its_containers(copied):
    with mapsd.Disk(os.fsencode(copied.disk)) as disk:
        found = disk.images()
        assert found.unidentified == ()
        unused = {((f"localhost/{one.name}",), one.id, frozenset()) for one in copied.unused}
        assert {(one.image.names, one.image.id, frozenset(made.id for made in one.containers)) for one in found.images
                } == {((one.image_name,), one.image_id, frozenset({one.id})) for one in copied.containers} | unused
        for image in copied.unused:
            seen = disk.image_layers(disk.image(image.name))
            assert [(one.layer.diff_id, one.layer.step, one.reason) for one in seen.layers] == [
                (layer, step, "") for layer, step in zip(image.layers, image.steps, strict=True)]
        digests = {one.image_name: one.image_digest for one in copied.containers}
        # Docker has no digest of an image that was loaded.
        assert all(one.image.digest == digests[one.image.names[0]] for one in found.images if one.containers)
        for one in copied.containers:
            seen = disk.image_layers(disk.image(one.image_name))
            own = [layer.directory for layer in disk.layers(disk.container(one.id)).layers if layer.image is not None]
            assert [placed.layer.directory for placed in reversed(seen.layers)] == own
            assert [placed.layer.diff_id for placed in seen.layers] == one.image.layers
            assert [placed.layer.step for placed in seen.layers] == one.image.steps
            assert not [placed.reason for placed in seen.layers if placed.reason]


def test_the_layers_are_those_of_the_image_below_the_containers_own(copied):
    for one in copied.containers:
        with mapsd.Disk(os.fsencode(copied.disk)) as disk:
            found = disk.layers(disk.container(one.id))
        image = [layer.image for layer in found.layers if layer.image is not None]
        assert [layer.diff_id for layer in reversed(image)] == one.image.layers
        assert [layer.step for layer in reversed(image)] == one.image.steps
        assert all(Path(os.fsdecode(layer.directory)).is_dir() and not layer.reason for layer in found.layers)
        assert found.layers[0].role == "upper"
        assert found.layers[0].image is None


def test_each_name_opens_what_a_mount_of_the_layers_shows(copied):
    for one in copied.containers:
        with mapsd.Disk(os.fsencode(copied.disk)) as disk:
            container = disk.container(one.id)
            directories = [Path(os.fsdecode(layer.directory)) for layer in disk.layers(container).layers]
            names = sorted({f"/{path.relative_to(top)}" for top in directories for path in top.rglob("*")})
            found = {name: disk.which(container, os.fsencode(name)) for name in [*names, "/none", "/bin/none"]}
        truth = shown(copied, directories[0], one)
        assert not {name for name in truth if name not in found}
        links = {name for name, what in truth.items() if what == "symlink"}
        assert not {name: (truth.get(name), one) for name, one in found.items()
                    if name not in links and said(one) != truth.get(name)}
        hidden = {"/opt/lab/libwhite.so", "/opt/lab/libgone.so", "/opt/lab/opq/libold.so"}
        assert set(found) - set(truth) >= {"/none", *(hidden if one.image.name == "lab/app:1" else ())}


def said(found: StoredWhich) -> str | None:
    """Return what is said of a name, as shown.py says it; anything else where it is not known."""
    if found.exists is False:
        return None
    if found.winner is None or found.winner.proof != "lookup" or found.winner.reason:
        return f"unknown: {found.winner}"
    path = opens(found)
    if path is None:
        return "directory"
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if Path(path).is_file() else "other"


def shown(copied: Copied, own: Path, one: lab.Running) -> dict[str, str]:
    """Return what the layers show, mounted in a namespace of its own as the engine mounted them."""
    base = own.parents[1]
    (work := base / "oracle-work").mkdir(exist_ok=True)
    told = own.parent / "lower"
    lower = told.read_text() if told.exists() else ":".join(f"{Path(path).parent.name}/fs" for path in one.lowers)
    options = f"lowerdir={lower},upperdir={own.relative_to(base)},workdir={work.name}"
    top = base / "oracle"
    if copied.name == "fuse":
        command = ["fuse-overlayfs", "-o", options, str(top)]
    else:
        more = ",userxattr" if copied.name == "rootless" else ""
        command = ["mount", "-t", "overlay", "overlay", "-o", options + more, str(top)]
    done = subprocess.run(["unshare", "-m", "--propagation", "private", sys.executable, SHOWN, top, *command],
                          cwd=base, capture_output=True, text=True, check=False, timeout=lab.BOUND)
    shutil.rmtree(top, ignore_errors=True)
    shutil.rmtree(work, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found
