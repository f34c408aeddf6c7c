"""The file that an overlay reads now at a name that is known to be its file's: no page needs to be looked at."""

from mapsd.model import Backing, Evidence, FileFacts, Vma
from mapsd.ports import InLayer
from mapsd.resolve.candidates import Candidates, candidates
from mapsd.resolve.comparison import lower_finding
from mapsd.resolve.finding import Finding
from mapsd.resolve.layerfile import Candidate, asker, backing_of, in_layer
from mapsd.resolve.lookup import Hit, Piece, lookup
from mapsd.resolve.mounts import inside
from mapsd.resolve.overlays import OVERLAY, Overlay
from mapsd.resolve.scene import Place, Scene
from mapsd.resolve.vma import Resolver

_DEPTH = 8  # overlays on overlays; the kernel allows two (FILESYSTEM_MAX_STACK_DEPTH)


def reads_now(vma: Vma, place: Place, overlay: Overlay, resolver: Resolver, depth: int = _DEPTH) -> Finding | None:
    """Return the file that holds the data of an overlay's live file at this moment, None where more must be asked."""
    if place.inner is None or place.facts is None:
        return None
    found = candidates(vma, place, overlay, resolver.scene)
    if found is None:
        return _looked_up(place.inner, place.facts, overlay, resolver, depth)
    return _named(found, place.facts, overlay, resolver.scene)


def _named(found: Candidates, seen: FileFacts, overlay: Overlay, scene: Scene) -> Finding | None:
    """Return the file where the overlay's handle names it, or the lower file that it was copied from."""
    if found.copy == "no" and found.lower is not None and found.sure and not found.others:
        told = Evidence("lookup", "the overlay's handle names this file, and the upper layer has no copy of its data")
        return lower_finding(found, found.lower, "sole-candidate", True, (told,))
    if found.copy != "yes" or found.upper is None:
        return None
    if found.pure_upper:
        told = Evidence("lookup", "the overlay's handle names an upper file that never had a lower one")
        return Finding(found.upper.backing, "sole-candidate", True, (told,))
    if not _shows(seen, found.upper, overlay, scene):
        return None
    told = Evidence("lookup", "the upper layer has a copy of its data, whose times and size the overlay shows")
    return Finding(found.upper.backing, "sole-candidate", True, (told,))


def _shows(seen: FileFacts, copy: Candidate, overlay: Overlay, scene: Scene) -> bool:
    """Return whether the overlay shows the times and size of a copy: those of its real file (ovl_getattr)."""
    if not isinstance(copy.ref, InLayer):
        return False
    there = scene.machine.entry(copy.ref.layer, copy.ref.path, overlay.prefix)
    return isinstance(there, FileFacts) and _alike(there, seen)


def _alike(one: FileFacts, other: FileFacts) -> bool:
    return (one.changed, one.size) == (other.changed, other.size)


def _looked_up(path: bytes, seen: FileFacts, overlay: Overlay, resolver: Resolver, depth: int) -> Finding | None:
    """Return the file where a lookup in the layers ends, if the overlay shows its times and size.

    Only where nothing can be hidden from the lookup: every layer is where it was mounted, and its attributes are seen.
    """
    scene = resolver.scene
    visible = overlay.options.userxattr or scene.machine.reads_trusted()
    if not visible or not overlay.settled or (overlay.has_upper() and overlay.upper is None):
        return None
    outcome = lookup(overlay.layers, path, asker(overlay, scene))
    if not isinstance(outcome, Hit) or not _alike((outcome.metadata or outcome.data).facts, seen):
        return None
    backing = _bottom(outcome.data, resolver, depth)
    if backing is None:
        return None
    above = outcome.metadata
    if above is not None:
        backing = backing._replace(metadata=backing_of(above.facts, above.layer, scene))
    told = Evidence("lookup", "the lookup in the layers ends at a file whose times and size the overlay shows")
    return Finding(backing, "lookup", True, (told,))


def _bottom(piece: Piece, resolver: Resolver, depth: int) -> Backing | None:
    """Return what a layer's file reads now: itself, or where the layer is an overlay what that one reads."""
    scene = resolver.scene
    mount = scene.host.by_id(piece.facts.mount_id) or scene.table.by_id(piece.facts.mount_id)
    if mount is None:
        return None
    if mount.fs_type != OVERLAY:
        return in_layer(piece, scene).backing
    place = Place("live", None, piece.facts, mount, inner=inside(mount, piece.facts.path))
    vma = Vma(0, 0, "r--s", 0, mount.device, piece.facts.inode, b"")
    below = reads_now(vma, place, resolver.overlay(mount), resolver, depth - 1) if depth else None
    if below is None or below.backing is None:
        return None
    outer = backing_of(piece.facts, piece.layer, scene)
    return below.backing._replace(through=(outer, *below.backing.through))
