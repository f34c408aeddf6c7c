"""An overlay's lower layer that is itself an overlay, on kernels that print the inner name.

Linux 6.7 to 6.15, and some stable releases of 2026, show a lower file of the outer overlay by the path
and device of the inner one, through the private clone that the outer overlay made of its lower mount
(924577e4f6ca "ovl: Fix nested backing file paths"). What the outer overlay did is asked of the outer one.
"""

from mapsd.light import TYPE_CHECKING, NamedTuple
from mapsd.model import Absent, Answer, Evidence, FileFacts, Layer, Mount, Vma
from mapsd.ports import InRoot
from mapsd.resolve.bottoms import hit
from mapsd.resolve.finding import Finding
from mapsd.resolve.layerfile import backing_of
from mapsd.resolve.mounts import inside, is_below, join, rest, strip_root
from mapsd.resolve.overlays import OVERLAY, Overlay
from mapsd.resolve.scene import Place, Scene, same_file

if TYPE_CHECKING:
    from mapsd.resolve.vma import Resolver

_REASON = "a nested overlay: the kernel keeps the inner name only"
_UNSEEN = "the mount is in no namespace: a read-only one that was unmounted, or a layer of an unseen overlay"


class _Above(NamedTuple):
    """An outer overlay, and the layer of it that lies on the mapping's superblock."""

    mount: Mount
    overlay: Overlay
    layer: Layer


def answer(vma: Vma, place: Place, resolver: "Resolver") -> Answer:
    """Answer for a mapping that the kernel names by the private clone of an outer overlay's lower layer."""
    scene = resolver.scene
    above = [_Above(mount, overlay, layer) for mount in scene.table.all if mount.fs_type == OVERLAY
             for overlay in (resolver.overlay(mount),) for layer in _layers_on(overlay, place, vma, scene)]
    if not above:
        return resolver.assemble(vma, place._replace(verdict="unknown", reason=_UNSEEN),
                                 resolver.unmounted(vma, place))
    finding = _held(vma, place, above, resolver)._replace(nested=True)
    named = [found for option in above for found in (_outer_name(vma, option, place, resolver),) if found is not None]
    named = named or _by_links(vma, place, above, resolver)
    if len({agrees for _, agrees, _ in named}) != 1:
        return resolver.assemble(vma, place._replace(verdict="unknown", reason=_REASON), finding)
    path, agrees, mount = named[0]
    seen = Evidence("lookup", f"the outer overlay's {'file' if agrees else 'upper copy'} at this path was compared")
    possible = finding.possible._replace(layers=resolver.overlay(mount).layers)
    return resolver.assemble(vma, place._replace(verdict="live", path=path, mount=mount, inner=None),
                             finding._replace(agrees=agrees, evidence=(*finding.evidence, seen), possible=possible))


def _layers_on(overlay: Overlay, place: Place, vma: Vma, scene: Scene) -> list[Layer]:
    """Return the lower layers of *overlay* that lie on the superblock of the mapping."""
    found = []
    for layer in overlay.lowers():
        mount = _mount_of(layer, scene)
        if layer.dir is not None and ((mount is not None and mount.device == vma.device) or (
                place.facts is not None and layer.dir.facts.st_dev == place.facts.st_dev)):
            found.append(layer)
    return found


def _mount_of(layer: Layer, scene: Scene) -> Mount | None:
    if layer.dir is None:
        return None
    return scene.mount(layer.dir.facts.mount_id)


def _held(vma: Vma, place: Place, above: list[_Above], resolver: "Resolver") -> Finding:
    """Return what the mapping holds: its file is one of the inner overlay, under the name that the kernel keeps."""
    scene = resolver.scene
    for _, _, layer in above:
        mount = _mount_of(layer, scene)
        if layer.dir is None or mount is None or place.facts is None or place.inner is None:
            continue
        path = b"/" + join(layer.dir.path, place.inner)
        seen = scene.machine.named(path)
        live = isinstance(seen, FileFacts) and same_file(seen, place.facts) and seen.mount_id == mount.id
        there = place._replace(verdict="live" if live else "unknown", mount=mount, inner=inside(mount, path))
        finding = resolver.held(vma, there, resolver.overlay(mount))
        if finding.backing is None or not isinstance(seen, FileFacts) or not live:
            return finding
        outer = backing_of(seen, layer, scene)
        return finding._replace(backing=finding.backing._replace(through=(outer, *finding.backing.through)))
    return resolver.unmounted(vma, place)


def _outer_name(vma: Vma, option: _Above, place: Place, resolver: "Resolver") -> tuple[bytes, bool, Mount] | None:
    """Return (user path, whether it still has this data, mount) where the outer overlay confirms the inner name.

    The outer overlay names no lower file by handle and keeps no link to it. Where its upper layer has
    nothing at the path the name was never touched; else what the path opens is compared by page
    frame, and a copy is known by the inode number that it keeps of the lower file.
    """
    mount, overlay, layer = option
    scene = resolver.scene
    text = b"/" + (place.inner or b"")
    if place.facts is None or place.inner is None or not is_below(text, mount.root):
        return None
    path = b"/" + join(mount.mount_point, rest(text, mount.root))
    seen = scene.process.named(path)
    low = hit(overlay.lowers(), overlay, join(text), scene)
    if not isinstance(seen, FileFacts) or seen.mount_id != mount.id or low is None:
        return None
    if low.layer != layer or not same_file(low.facts, place.facts):
        return None
    if not overlay.has_upper():
        return path, True, mount
    copy = None
    if overlay.upper is not None:
        copy = scene.machine.entry(overlay.upper, join(text), overlay.prefix)
    if isinstance(copy, Absent):
        # A directory on the way may be redirected: the whole lookup must still end at this file.
        now = hit(overlay.layers, overlay, join(text), scene)
        return (path, True, mount) if now is not None and same_file(now.facts, place.facts) else None
    verdict = resolver.means.compare(vma, InRoot(path)).verdict
    if verdict == "same":
        return path, True, mount
    kept = isinstance(copy, FileFacts) and copy.inode != seen.inode and seen.inode == place.facts.inode
    return (path, False, mount) if verdict == "different" and kept else None


def _by_links(vma: Vma, place: Place, above: list[_Above], resolver: "Resolver") -> list[tuple[bytes, bool, Mount]]:
    """Return the names of exe and fd links that open this very data through an outer overlay: these links are right.

    A file with several names is left out: the link may be another one's.
    """
    scene = resolver.scene
    mounts = {option.mount.id: option.mount for option in above}
    if place.facts is None or place.facts.nlink != 1:
        return []
    for text in scene.process.links():
        path = strip_root(text, scene.root)
        seen = scene.process.named(path) if path is not None else None
        if path is None or not isinstance(seen, FileFacts) or seen.kind != "file" or seen.mount_id not in mounts:
            continue
        if resolver.means.compare(vma, InRoot(path)).verdict == "same":
            return [(path, True, mounts[seen.mount_id])]
    return []
