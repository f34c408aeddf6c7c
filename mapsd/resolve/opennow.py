"""The file that an overlay reads now at a name that is known to be its file's: no page needs to be looked at."""

from mapsd.model import Vma
from mapsd.parse.overlay_xattrs import OVERLAY_FID, overlay_handle
from mapsd.resolve.candidates import candidates
from mapsd.resolve.finding import Finding
from mapsd.resolve.opened import by_handle, opened
from mapsd.resolve.overlays import Overlay
from mapsd.resolve.scene import Place
from mapsd.resolve.vma import Resolver


def reads_now(vma: Vma, place: Place, overlay: Overlay, resolver: Resolver) -> Finding | None:
    """Return the file that holds the data of an overlay's live file at this moment, None where more must be asked.

    The same of a symbolic link.
    """
    seen, path, scene = place.facts, place.inner, resolver.scene
    if seen is None or path is None:
        return None
    wanted = overlay_handle(seen.handle)
    # A handle inside the handle is another overlay's: a layer's file is then one more name to look up.
    plain = seen.kind == "file" and wanted is not None and wanted.handle.type != OVERLAY_FID
    found = candidates(vma, place, overlay, scene) if plain else None
    if found is not None:
        winner = by_handle(seen, path, found, overlay, scene)
    else:
        winner, _ = opened(seen, overlay.mount, path, scene, overlays=resolver.overlay)
    return Finding(winner.backing, winner.proof, True, winner.evidence) if winner.backing is not None else None
