"""Columns of a process and its container."""

from mapsd.light import Callable
from mapsd.views.columns.row import Column, Row, Value


def _container(field: str) -> Callable[[Row], Value]:
    return lambda row: None if row.container is None else getattr(row.container, field)


def _called(row: Row) -> str | None:
    """Return a container's name, its id where it has none."""
    found = row.container
    return None if found is None else found.name or found.id or "(no engine)"


OF_PROCESSES = (
    Column("PID", "the process", lambda row: str(row.process.pid), "process"),
    Column("NAME", "its name, as in comm", lambda row: row.process.name, "process"),
    Column("UID", "its real user id", lambda row: str(row.process.uid), "process"),
    Column("EXE", "the program that it executes, as the kernel names it", lambda row: row.process.exe, "process",
           long=True),
    Column("ROOT", "its root directory, as the kernel names it", lambda row: row.process.root, "process", long=True),
    Column("MOUNT_NAMESPACE", "its mount namespace",
           lambda row: None if row.process.mount_namespace is None else str(row.process.mount_namespace), "process"),
    Column("CONTAINER", "its container's name, or id; `(no engine)` for a root and namespaces that no engine made",
           _called, "process"),
    Column("CONTAINER_ID", "the engine's id of it", _container("id"), "process", long=True),
    Column("ENGINE", "the engine: docker, containerd, podman, cri-o, buildah, lxc, systemd-nspawn, runc or crun",
           _container("engine"), "process"),
    Column("IMAGE", "the image's name that the container was made from", _container("image"), "process", long=True),
    Column("IMAGE_DIGEST", "the digest of the image's manifest or index", _container("image_digest"), "process",
           long=True),
    Column("POD", "its pod", _container("pod"), "process"),
    Column("POD_NAMESPACE", "the pod's namespace", _container("namespace"), "process"),
)
