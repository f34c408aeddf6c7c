"""The file that an overlay reads now at a name that is known to be its file's: no page needs to be looked at."""

from mapsd.model import Vma
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
    found = candidates(vma, place, overlay, scene) if seen.kind == "file" else None
    if found is not None:
        winner = by_handle(seen, path, found, overlay, scene)
    else:
        winner, _ = opened(seen, overlay.mount, path, scene, overlays=resolver.overlay)
    return Finding(winner.backing, winner.proof, True, winner.evidence) if winner.backing is not None else None
