"""A path by which the observer opens the file that a process's name opens."""

from mapsd.light import Iterator
from mapsd.model import FileFacts, Mount
from mapsd.resolve.mounts import join, rest
from mapsd.resolve.scene import Place, Scene, same_file


def host_path(place: Place, scene: Scene) -> bytes | None:
    """Return a path of the observer's that opens the same file of the same filesystem, None where none is found."""
    if place.verdict != "live" or place.path is None or place.facts is None:
        return None
    for path in dict.fromkeys(_tries(place, scene)):
        seen = scene.machine.named(path)
        if same_file(seen, place.facts) and isinstance(seen, FileFacts) and seen.kind == place.facts.kind and (
                seen.handle == place.facts.handle):
            return path
    return None


def _tries(place: Place, scene: Scene) -> Iterator[bytes]:
    if place.path is not None:
        yield place.path
    if place.inner is None or place.mount is None:
        return
    for mount in scene.host.of_device(place.mount.device):
        root = mount.root.strip(b"/")
        if not root or place.inner == root or place.inner.startswith(root + b"/"):
            yield _through(mount, place.inner)


def _through(mount: Mount, below: bytes) -> bytes:
    """Return the path of a file through *mount*, from its path inside the filesystem."""
    return b"/" + join(mount.mount_point, rest(below, mount.root.strip(b"/")) if mount.root != b"/" else below)
