"""An overlay as a process sees it: where it is mounted, its options, its layers and what can be reached of them."""

from mapsd.light import NamedTuple
from mapsd.model import Absent, FileFacts, Found, Layer, LayerDir, Mount, Refused
from mapsd.model.layers import Directory, LayerView, OverlayView
from mapsd.resolve.certainty import Certainty, Listing, certainty
from mapsd.resolve.layerfile import filesystem_of
from mapsd.resolve.mounts import inside
from mapsd.resolve.moved import mounted_later
from mapsd.resolve.overlays import OVERLAY, Overlay, build
from mapsd.resolve.scene import Scene
from mapsd.resolve.switches import Defaults, switches

_DEPTH = 1  # overlays below an overlay: FILESYSTEM_MAX_STACK_DEPTH is 2
_RELATIVE = ("it is relative to where mount(2) was called, which the kernel does not keep, and no directory that is "
             "known has it")
_YOUNGER = "its text names another directory by now, one that was mounted after the overlay"
_NOWHERE = "neither the observer nor the process has such a directory: it may be in another mount namespace"


class Asking(NamedTuple):
    """What is asked beside the scene: how to list a layer, and the module's defaults."""

    listed: Listing
    defaults: Defaults


def overlays(scene: Scene, asking: Asking) -> tuple[OverlayView, ...]:
    """Return the overlays of a process's mount table, and the one that its root lies on where the table lacks it."""
    mounts = [mount for mount in scene.table.all if mount.fs_type == OVERLAY]
    root = root_mount(scene)
    if root is not None and root.fs_type == OVERLAY and root.id not in {mount.id for mount in mounts}:
        mounts.insert(0, root)
    return tuple(_viewed(mount, _is_covered(mount, scene), scene, asking, 0) for mount in mounts)


def root_mount(scene: Scene) -> Mount | None:
    """Return the mount of the process's root as the process would name it, None where it is not known.

    A process that was chrooted below a mount's root does not list that mount; the observer may.
    """
    if scene.root_mount is None:
        return None
    listed = scene.table.by_id(scene.root_mount)
    host = scene.host.by_id(scene.root_mount)
    if listed is not None or host is None or scene.root is None:
        return listed
    path = inside(host, scene.root)
    return None if path is None else host._replace(root=b"/" + path, mount_point=b"/")


def _is_covered(mount: Mount, scene: Scene) -> bool | None:
    seen = scene.process.named(mount.mount_point)
    if isinstance(seen, Refused):
        return None
    return isinstance(seen, Absent) or seen.mount_id != mount.id


def _viewed(mount: Mount, covered: bool | None, scene: Scene, asking: Asking, depth: int) -> OverlayView:
    overlay = build(mount, scene)
    layers = tuple(_layer(layer, overlay, scene, asking, depth) for layer in overlay.guessed())
    work = overlay.options.work
    works = scene.machine.directories(work, overlay.bases) if work is not None else ()
    # Several directories fit a relative text: none is better than another.
    only = works[0] if work is not None and works and (len(works) == 1 or work.startswith(b"/")) else None
    found = _directory(only, work or b"", scene) if only is not None else None
    return OverlayView(mount, covered, switches(overlay.options, asking.defaults), work, found, layers)


def _layer(layer: Layer, overlay: Overlay, scene: Scene, asking: Asking, depth: int) -> LayerView:
    best = _best(layer, overlay, scene, asking)
    if isinstance(best, Refused):
        return LayerView(layer.role, layer.position, layer.text, None, None, False, best.reason, best.needs)
    found, sure = best
    inside_it = scene.machine.entry(found, b"", overlay.prefix)
    inner = _inner(found, scene)
    view = None if inner is None or depth >= _DEPTH else _viewed(inner, None, scene, asking, depth + 1)
    reason, needs = _why(sure, inside_it)
    return LayerView(layer.role, layer.position, layer.text, _directory(found, layer.text, scene), sure.yes,
                     not isinstance(inside_it, Refused), reason, needs, view)


def _best(layer: Layer, overlay: Overlay, scene: Scene, asking: Asking) -> tuple[LayerDir, Certainty] | Refused:
    """Return the directory of a layer that is certain, else the first that its text names, else why there is none."""
    named = () if layer.role == "upper" else scene.machine.directories(layer.text, overlay.bases)
    found = dict.fromkeys(one for one in (layer.dir, *named) if one is not None)
    tried = [(one, certainty(layer._replace(dir=one), overlay, asking.listed, scene)) for one in found
             if not _is_younger(one, overlay, scene)]
    if tried:
        return next((one for one in tried if one[1].yes), tried[0])
    return Refused(_YOUNGER) if found else _not_found(layer.text, scene)


def _is_younger(found: LayerDir, overlay: Overlay, scene: Scene) -> bool:
    """Return whether a directory can be no layer of an overlay: it lies on this one, or was mounted after it."""
    itself = filesystem_of(found.facts, scene)[0] == overlay.mount.device
    return itself or mounted_later(found.facts, overlay.mount, scene)


def _why(sure: Certainty, inside_it: Found) -> tuple[str, str]:
    if isinstance(inside_it, Refused):
        return f"it cannot be searched: {inside_it.reason}", inside_it.needs
    return sure.reason, sure.needs


def _directory(found: LayerDir, text: bytes, scene: Scene) -> Directory:
    device, fs_type = filesystem_of(found.facts, scene)
    seen = scene.process.named(text) if text.startswith(b"/") else Absent()
    same = isinstance(seen, FileFacts) and (seen.st_dev, seen.inode) == (found.facts.st_dev, found.facts.inode)
    openable = scene.proc + b"/root" + text if same else None
    return Directory(found.path or None if found.mine else None, openable, device, found.facts.inode, fs_type)


def _inner(directory: LayerDir, scene: Scene) -> Mount | None:
    """Return the mount of the overlay that a layer's directory lies on, None where it lies on none."""
    identity = directory.facts.mount_id
    mount = scene.mount(identity)
    return mount if mount is not None and mount.fs_type == OVERLAY else None


def _not_found(text: bytes, scene: Scene) -> Refused:
    if not text.startswith(b"/"):
        return Refused(_RELATIVE)
    for found in (scene.machine.named(text), scene.process.named(text)):
        if isinstance(found, Refused):
            return Refused(f"it cannot be opened: {found.reason}", found.needs)
    return Refused(_NOWHERE)
