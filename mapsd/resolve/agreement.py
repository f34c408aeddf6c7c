"""Whether a path still opens the data that a mapping holds, as the layers tell where the kernel names the held file."""

from mapsd.light import NamedTuple
from mapsd.model import Absent, Backing, Evidence, FileFacts, Vma
from mapsd.resolve.candidates import is_metacopy
from mapsd.resolve.layerfile import filesystem_of, is_uncopied, shows_alone
from mapsd.resolve.overlays import OVERLAY, Overlay
from mapsd.resolve.scene import Place, Scene, same_file


class HeldFile(NamedTuple):
    """The file that a mapping is known to hold, and what its layer shows of it (None: it was not found there)."""

    backing: Backing
    facts: FileFacts | None


def agreement(vma: Vma, overlay: Overlay, place: Place, held: HeldFile, scene: Scene) -> tuple[
        bool | None, tuple[Evidence, ...]]:
    """Return whether a live path opens the held file (None: not known), and what was seen."""
    backing, facts = held
    # Under a nested overlay the bottom file's role is the inner overlay's; the outer one's is the first crossed.
    role = backing.through[0].layer_role if backing.through else backing.layer_role
    if role is None or facts is None or place.facts is None:
        return None, ()
    if not overlay.has_upper():
        return True, ()
    if role == "upper" and not backing.through and _is_no_lower(vma, overlay, scene):
        return True, (Evidence("lookup", f"no lower layer is on device {vma.device}, and an upper file stays"),)
    if overlay.upper is None or place.inner is None:
        return None, ()
    upper = scene.machine.entry(overlay.upper, place.inner, overlay.prefix)
    if role == "upper":
        return (True, ()) if same_file(upper, facts) else (None, ())
    # The overlay shows its real file's ctime: another one is a copy's, which an index may keep under another name.
    if isinstance(upper, Absent) and is_uncopied(place.facts, facts, overlay):
        return True, ()
    if isinstance(upper, FileFacts) and _is_copy(upper, facts, place.facts) and not any(
            is_metacopy(one, overlay, scene) is not False for one in (upper, facts)):
        seen = "the path shows the size or the time of the copy in the upper layer, which the lower file has not"
        return False, (Evidence("lookup", seen),)
    return None, ()


def _is_no_lower(vma: Vma, overlay: Overlay, scene: Scene) -> bool:
    """Return whether the held file is on a filesystem that no lower layer is on: then it is the upper layer's."""
    below = [filesystem_of(layer.dir.facts, scene) if layer.dir else None for layer in overlay.lowers()]
    return overlay.settled and all(one is not None and one[1] not in {None, OVERLAY} and one[0] != vma.device
                                   for one in below)


def _is_copy(upper: FileFacts, lower: FileFacts, shown: FileFacts) -> bool:
    """Return whether the overlay shows of its file what its upper file has, and what its lower file has not."""
    if upper.kind != "file" or upper.size != shown.size:
        return False
    return lower.size != shown.size or (shows_alone(shown, upper) and lower.changed != shown.changed)
