"""The overlays that a process has a name in: those that are mounted, and those that are a layer of these."""

from mapsd.light import Callable, Iterator, NamedTuple
from mapsd.model import DeviceId, FileFacts, Layer, LayerDir, Mount
from mapsd.ports import InRoot
from mapsd.resolve.layout import root_mount
from mapsd.resolve.mounts import inside, join
from mapsd.resolve.overlays import OVERLAY, Overlay, build
from mapsd.resolve.scene import Scene


class Outer(NamedTuple):
    """An overlay of which another one's directory, at *path*, is a *layer*."""

    overlay: Overlay
    layer: Layer
    path: bytes


class Stack(NamedTuple):
    """An overlay, whether it is itself *mounted* in view, and the mounted ones of which it has a layer."""

    overlay: Overlay
    mounted: bool
    outer: tuple[Outer, ...]


def view(scene: Scene) -> tuple[Mount, ...]:
    """Return the mounts that a process may have names on, as it calls them: the one of its root as well."""
    listed = scene.table.all
    if scene.root_mount is None or scene.table.by_id(scene.root_mount) is not None:
        return listed
    root = root_mount(scene) or _root_elsewhere(scene, scene.root_mount)
    return listed if root is None else (root, *listed)


def _root_elsewhere(scene: Scene, mount_id: int) -> Mount | None:
    """Return the mount of a root that lies below a mount's own, in a namespace that is not the observer's."""
    top, mount = scene.process.named(b"/"), scene.machine.place_of(mount_id, InRoot(b"/")).mount
    path = inside(mount, top.path) if mount is not None and isinstance(top, FileFacts) and top.path else None
    return None if mount is None or path is None else mount._replace(root=b"/" + path, mount_point=b"/")


def stacks(mounts: tuple[Mount, ...], scene: Scene, wanted: Callable[[Mount], bool] = lambda _: True) -> tuple[
        Stack, ...]:
    """Return the overlays that are *wanted*, each once; the depth of a stack is 2 (FILESYSTEM_MAX_STACK_DEPTH)."""
    mounted = {mount.device: mount for mount in reversed(mounts) if mount.fs_type == OVERLAY}
    mounted = {device: mount for device, mount in mounted.items() if wanted(mount)}
    overlays = {device: build(mount, scene) for device, mount in mounted.items()}
    outer: dict[DeviceId, list[Outer]] = {device: [] for device in overlays}
    for overlay in tuple(overlays.values()):
        for mount, found in _inner(overlay, scene):
            overlays.setdefault(mount.device, build(mount, scene))
            outer.setdefault(mount.device, []).append(found)
    return tuple(Stack(overlay, device in mounted, tuple(outer[device])) for device, overlay in overlays.items())


def _inner(overlay: Overlay, scene: Scene) -> Iterator[tuple[Mount, Outer]]:
    for layer in overlay.guessed():
        place = place_of(layer.dir, scene)
        if place is not None and place[0].fs_type == OVERLAY and place[0].device != overlay.mount.device:
            yield place[0], Outer(overlay, layer, place[1])


def place_of(found: FileFacts | LayerDir | None, scene: Scene) -> tuple[Mount, bytes] | None:
    """Return the mount that a file lies on and its path inside that filesystem, None where they are not known."""
    facts = found.facts if isinstance(found, LayerDir) else found
    if facts is None:
        return None
    mount = scene.mount(facts.mount_id)
    path = inside(mount, facts.path) if mount is not None and facts.path.startswith(b"/") else None
    return None if mount is None or path is None else (mount, path)


def below(path: bytes, directory: bytes) -> bytes | None:
    """Return the rest of a path below a directory, both inside one filesystem; None where it is not below."""
    if not directory:
        return path
    return path[len(directory) + 1:] if path.startswith(directory + b"/") else None


def user_paths(name: bytes, device: DeviceId, mounts: tuple[Mount, ...]) -> Iterator[tuple[Mount, bytes]]:
    """Yield what a process calls a path inside a filesystem: by every mount that shows it."""
    for mount in mounts:
        root = mount.root.strip(b"/")
        rest = b"" if name == root else below(name, root)
        if mount.device == device and rest is not None and not mount.root.endswith(b"//deleted"):
            yield mount, b"/" + join(mount.mount_point, rest)
