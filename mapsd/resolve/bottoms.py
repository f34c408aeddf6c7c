"""The files at the bottom of overlays that lie on one another: a layer's file may be another overlay's."""

from mapsd.light import TYPE_CHECKING
from mapsd.model import Layer, Vma
from mapsd.resolve.candidates import candidates, is_metacopy
from mapsd.resolve.layerfile import Candidate, asker, backing_of, in_layer
from mapsd.resolve.lookup import Hit, Piece, lookup
from mapsd.resolve.mounts import inside
from mapsd.resolve.overlays import OVERLAY, Overlay
from mapsd.resolve.scene import Place, Scene

if TYPE_CHECKING:
    from mapsd.resolve.vma import Resolver


def hit(layers: tuple[Layer, ...], overlay: Overlay, path: bytes | None, scene: Scene) -> Piece | None:
    """Return the data file that a lookup in *layers* ends at, None where it ends at none."""
    outcome = lookup(layers, path, asker(overlay, scene)) if path is not None else None
    return outcome.data if isinstance(outcome, Hit) else None


def holds_data(piece: Piece, overlay: Overlay, resolver: "Resolver") -> bool:
    """Return whether a layer's file is known to hold its data itself, in each overlay on the way down."""
    if is_metacopy(piece.facts, overlay, resolver.scene) is not False:
        return False
    mount = resolver.scene.mount(piece.facts.mount_id)
    if mount is None or mount.fs_type != OVERLAY:
        return True
    inner = resolver.overlay(mount)
    below = hit(inner.guessed(), inner, inside(mount, piece.facts.path), resolver.scene)
    return below is None or holds_data(below, inner, resolver)


def bottoms(vma: Vma, piece: Piece, resolver: "Resolver") -> list[Candidate]:
    """Return the files that a layer's file may stand for: itself, or those below where the layer is an overlay."""
    scene = resolver.scene
    mount = scene.mount(piece.facts.mount_id)
    if mount is None or mount.fs_type != OVERLAY:
        return [in_layer(piece, scene)]
    inner = resolver.overlay(mount)
    place = Place("live", None, piece.facts, mount, inner=inside(mount, piece.facts.path))
    found = candidates(vma._replace(inode=piece.facts.inode), place, inner, scene)
    if found is None:
        deeper = hit(inner.guessed(), inner, place.inner, scene)
        below = bottoms(vma, deeper, resolver) if deeper else []
    elif found.copy == "no":
        below = [one for one in (found.lower,) if one is not None]
    else:
        below = [one for one in (found.lower, found.upper) if one is not None]
    return [_through(one, piece, scene) for one in below]


def _through(one: Candidate, piece: Piece, scene: Scene) -> Candidate:
    """Return a candidate that lies below one more overlay's layer."""
    outer = backing_of(piece.facts, piece.layer, scene)
    return one._replace(backing=one.backing._replace(through=(outer, *one.backing.through)))
