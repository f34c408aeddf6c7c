"""The upper file that a mapping may hold: by its name, by its handle, in the index, or unlinked."""

from mapsd.model import Backing, FileFacts, Found
from mapsd.parse.overlay_xattrs import index_name
from mapsd.ports import InLayer, same_handle
from mapsd.resolve.layerfile import Candidate, backing_of, filesystem_of, path_of
from mapsd.resolve.lowers import Question
from mapsd.resolve.moved import mounted_later
from mapsd.resolve.overlays import Overlay
from mapsd.resolve.scene import Scene


def unlinked_upper(overlay: Overlay, scene: Scene) -> Backing:
    """Return what is known of an upper copy that no name leads to any more."""
    device = fs_type = None
    if overlay.upper is not None:
        device, fs_type = filesystem_of(overlay.upper.facts, scene)
    path = path_of(overlay.layers[0]) if overlay.layers else None
    return Backing(None, device, None, fs_type, True, "upper", 0, path)


def named_upper(asked: Question) -> Candidate | None:
    """Return the upper file at a name that is not known to be the mapping's own: page frames must confirm it."""
    overlay = asked.overlay
    directory = overlay.upper or overlay.guess
    if directory is None or asked.path is None:
        return None
    found = asked.scene.machine.entry(directory, asked.path, overlay.prefix)
    if not isinstance(found, FileFacts) or found.kind != "file" or "metacopy" in dict(found.xattrs):
        return None
    upper = overlay.layers[0]._replace(dir=directory)
    return Candidate(backing_of(found, upper, asked.scene), InLayer(directory, asked.path))


def indexed(asked: Question) -> Candidate | None:
    """Return the upper copy of a lower hard link, which the index names by the lower file's handle."""
    overlay, machine = asked.overlay, asked.scene.machine
    if overlay.options.work is None or not overlay.maybe("index", asked.scene):
        return None
    for work in machine.directories(overlay.options.work, overlay.bases):
        entry = b"index/" + index_name(asked.wanted)
        found = machine.entry(work, entry, overlay.prefix)
        if isinstance(found, FileFacts) and found.kind == "file" and "metacopy" not in dict(found.xattrs):
            return Candidate(backing_of(found, overlay.layers[0], asked.scene), InLayer(work, entry))
    return None


def upper_of(asked: Question) -> tuple[Candidate, FileFacts | None]:
    """Return the upper file that the handle names, and what it is, None where it was not found."""
    overlay, scene = asked.overlay, asked.scene
    if overlay.upper is not None and asked.path is not None:
        found: Found = scene.machine.entry(overlay.upper, asked.path, overlay.prefix)
        if isinstance(found, FileFacts) and same_handle(found.handle, asked.wanted.handle):
            at = InLayer(overlay.upper, asked.path)
            return Candidate(backing_of(found, overlay.layers[0], scene), at), found
    ref = asked.by_handle(asked.wanted)
    found = scene.machine.by_handle(ref, overlay.prefix)
    if isinstance(found, FileFacts) and not mounted_later(found, overlay.mount, scene):
        return Candidate(backing_of(found, overlay.layers[0], scene), ref), found
    return Candidate(unlinked_upper(overlay, scene), None), None
