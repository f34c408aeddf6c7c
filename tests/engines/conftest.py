"""Engines that really run, each once for all tests that ask about it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.engines import lab
from tests.engines.images import Image, made

_GROUPS = Path("/sys/fs/cgroup")


@pytest.fixture(scope="session")
def space() -> Iterator[lab.Space]:
    if os.geteuid() != 0:
        missing("engines", "needs root to run engines")
    lacking = lab.lacking()
    if lacking:
        missing("engines", f"not installed: {lacking}")
    # Sockets have short names.
    base = Path(tempfile.mkdtemp(prefix="mapsd-"))
    before = groups()
    found = lab.Space(base)
    try:
        yield found
    finally:
        found.close()
        shutil.rmtree(base, ignore_errors=True)
        shutil.rmtree(Path("/run/containerd/runc", lab.GROUP), ignore_errors=True)
        for path in sorted(groups() - before, reverse=True):
            # Those of another run at the same time are in use.
            with suppress(OSError):
                path.rmdir()


def groups() -> set[Path]:
    """Return the control groups near the roots: engines leave theirs."""
    tops = (lab.GROUP, f"{lab.GROUP}-runc", f"{lab.GROUP}-crun", "libpod_parent", "docker", "lxc.payload.web",
            "lxc.monitor.web", "lxc.pivot", "payload")
    starts = (_GROUPS, *_GROUPS.glob("*"))
    return {Path(path) for top in tops for start in starts for path, _, _ in os.walk(start / top)}


@pytest.fixture(scope="session")
def images(space: lab.Space) -> dict[str, Image]:
    return made(space.base)


@pytest.fixture(scope="session")
def rootfs(space: lab.Space, images: dict[str, Image]) -> Path:
    """A root of one directory."""
    path = space.base / "rootfs"
    for name in ("bin", "dev", "proc", "sys", "etc", "run", "tmp", "usr", "opt/lab"):
        (path / name).mkdir(parents=True)
    shutil.copy(images["app"].archive.parent / "mapper", path / "bin/mapper")
    (path / "opt/lab/libro.so").write_bytes(b"x" * 5000)
    return path


@pytest.fixture(scope="module", params=["podman", "podman-idmapped", "podman-read-only", "rootless", "rootless-fuse",
                                        "docker", "docker-remapped", "docker-fuse", "containerd",
                                        "containerd-native"])
def engine(request: pytest.FixtureRequest, space: lab.Space, images: dict[str, Image]) -> Iterator[lab.Engine]:
    name = request.param
    if name == "docker":
        running = lab.docker(space, images)
    elif name == "docker-remapped":
        running = lab.docker(space, images, name, ["-s", "overlay2", f"--userns-remap={lab.USER}"], ("app",))
    elif name == "docker-fuse":
        running = lab.docker(space, images, name, ["-s", "fuse-overlayfs"], ("app",))
    elif name == "containerd-native":
        running = lab.containerd(space, images, name, "native", ("app",))
    elif name == "containerd":
        running = lab.containerd(space, images)
    elif name == "podman-idmapped":
        maps = ["--uidmap", "0:6100000:65536", "--gidmap", "0:6100000:65536"]
        running = lab.podman(space, images, name, containers=("app",), more=maps)
    elif name == "podman-read-only":
        running = lab.podman(space, images, name, containers=("app",), more=["--read-only"],
                             mapped=[lab.MAPPED[0], lab.MAPPED[5]])
    elif name == "podman":
        running = lab.podman(space, images, name)
    else:
        fuse = ["--storage-opt", "overlay.mount_program=/usr/bin/fuse-overlayfs"] if name == "rootless-fuse" else []
        running = lab.podman(space, images, name, lab.as_user(space, name), fuse)
    with running as found:
        yield found
