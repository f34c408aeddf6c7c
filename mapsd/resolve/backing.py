"""Which file of which layer an overlay mapping holds.

An overlay's file has at most two data files in its life: the lower one, and the upper copy.
Its own handle (name_to_handle_at with AT_HANDLE_FID, Linux 6.6) names where it came from: the lower
file, or an upper file that never had one. That names one candidate beyond doubt; whether a copy
exists is read in the upper layer after the maps line; page frames settle what is left.
"""

from typing import NamedTuple

from mapsd.model import Absent, Backing, DeviceId, Evidence, FileFacts, Found, Layer, OverlayHandle, Refused, Vma
from mapsd.parse.overlay_xattrs import index_name, origin, overlay_handle
from mapsd.ports import ByHandle, ByVma, FileRef, InLayer, PageFrames, same_handle
from mapsd.resolve.lookup import Hit, Miss, Piece, Undecided, is_whiteout, lookup
from mapsd.resolve.names import Place, Scene, same_file
from mapsd.resolve.overlays import Overlay, ask_in, layer_of

NEEDS_FRAMES = "CAP_SYS_ADMIN"


class Candidate(NamedTuple):
    """A file that the mapping may hold, and how to open it (None: it cannot be)."""

    backing: Backing
    ref: FileRef | None


class Candidates(NamedTuple):
    """What the mapping may hold.

    *copy* says whether an upper copy with data of its own exists: yes, no, or unknown with *reason*.
    *pure_upper* says that there never was a lower file; without it a lower of None was only not found.
    """

    lower: Candidate | None
    upper: Candidate | None
    copy: str
    reason: str = ""
    needs: str = ""
    metadata: Backing | None = None
    unlinked: Backing | None = None
    pure_upper: bool = False


class Finding(NamedTuple):
    """The backing file of one mapping, and whether the overlay's file now has the same data."""

    backing: Backing | None
    proof: str
    agrees: bool | None
    evidence: tuple[Evidence, ...]
    reason: str | None = None
    needs: tuple[str, ...] = ()


def candidates(vma: Vma, place: Place, overlay: Overlay, path: bytes | None, scene: Scene) -> Candidates | None:
    """Return what a mapping of an overlay file may hold, None where its handle does not say.

    *path* is the file's place inside the overlay; only a live name's is given.
    """
    wanted = overlay_handle(place.facts.handle) if place.facts is not None else None
    if wanted is None:
        return None
    return _found(vma, wanted, overlay, path, scene)._replace(unlinked=_unlinked(overlay, scene))


def _unlinked(overlay: Overlay, scene: Scene) -> Backing:
    """Return what is known of an upper copy that no name leads to any more."""
    device = fs_type = None
    if overlay.upper is not None:
        device, fs_type = _filesystem(overlay.upper.facts, scene)
    return Backing(None, device, None, fs_type, "upper", 0, _path_of(overlay.layers[0]))


def _found(vma: Vma, wanted: OverlayHandle, overlay: Overlay, path: bytes | None, scene: Scene) -> Candidates:
    if wanted.upper and overlay.options.flag("nfs_export") == "on":
        return _exported_upper(vma, wanted, overlay, path, scene)
    if wanted.upper:
        return Candidates(None, _upper(vma, wanted, overlay, path, scene)[0], "yes", pure_upper=True)
    lower, facts = _lower(wanted, overlay, path, scene)
    if path is not None:
        found = _with_copy(lower, facts, overlay, path, scene)
    else:
        found = Candidates(lower, None, "unknown", "an upper copy that was unlinked since looks like the lower file")
    if found.copy == "unknown" and found.upper is None:
        return found._replace(upper=_indexed(wanted, overlay, scene))
    return found


def _exported_upper(vma: Vma, wanted: OverlayHandle, overlay: Overlay, path: bytes | None, scene: Scene) -> Candidates:
    # With nfs_export=on an upper file's handle is its own, also where it was copied up: its origin says from where.
    upper, facts = _upper(vma, wanted, overlay, path, scene)
    if facts is None or not scene.machine.reads_trusted():
        return Candidates(None, upper, "unknown", "the upper file's origin cannot be read", "CAP_SYS_ADMIN")
    source = dict(facts.xattrs).get("origin")
    if source is None:
        return Candidates(None, upper, "yes", pure_upper=True)
    named = origin(source)
    lower = _lower(named, overlay, path, scene)[0] if named is not None else None
    return Candidates(lower, upper, "yes" if lower is not None else "unknown", "the upper file's origin was not found")


def _indexed(wanted: OverlayHandle, overlay: Overlay, scene: Scene) -> Candidate | None:
    """Return the upper copy of a lower hard link, which the index names by the lower file's handle."""
    if overlay.options.work is None or not overlay.maybe("index", scene):
        return None
    for work in scene.machine.directories(overlay.options.work, overlay.bases):
        entry = b"index/" + index_name(wanted)
        found = scene.machine.entry(work, entry, overlay.prefix)
        if isinstance(found, FileFacts) and found.kind == "file" and "metacopy" not in dict(found.xattrs):
            return Candidate(backing_of(found, overlay.layers[0], scene), InLayer(work, entry))
    return None


def _upper(vma: Vma, wanted: OverlayHandle, overlay: Overlay, path: bytes | None,
           scene: Scene) -> tuple[Candidate, FileFacts | None]:
    found: Found = Absent()
    if overlay.upper is not None and path is not None:
        found = scene.machine.entry(overlay.upper, path, overlay.prefix)
        if isinstance(found, FileFacts) and same_handle(found.handle, wanted.handle):
            return Candidate(backing_of(found, overlay.layers[0], scene), InLayer(overlay.upper, path)), found
    found = scene.machine.by_handle(wanted, overlay.prefix)
    upper = overlay.layers[0]
    if isinstance(found, FileFacts):
        return Candidate(backing_of(found, upper, scene), ByHandle(wanted)), found
    return Candidate(_unlinked(overlay, scene)._replace(inode=vma.inode), None), None


def _lower(wanted: OverlayHandle, overlay: Overlay, path: bytes | None,
           scene: Scene) -> tuple[Candidate | None, FileFacts | None]:
    found = scene.machine.by_handle(wanted, overlay.prefix)
    if isinstance(found, FileFacts) and found.nlink == 1 and found.path:
        layer = layer_of(overlay, found.path)
        if layer is not None:
            return Candidate(backing_of(found, layer, scene), ByHandle(wanted)), found
    piece = None if path is None else _in_layers(wanted, overlay, path, scene)
    agrees = piece is not None and (isinstance(found, Refused) or same_file(found, piece.facts))
    if agrees and piece is not None and piece.layer.dir is not None:
        return Candidate(backing_of(piece.facts, piece.layer, scene), InLayer(piece.layer.dir, piece.path)), piece.facts
    if isinstance(found, FileFacts):
        return Candidate(backing_of(found, None, scene), ByHandle(wanted)), found
    return None, None


def _in_layers(wanted: OverlayHandle, overlay: Overlay, path: bytes, scene: Scene) -> Piece | None:
    """Return the file with this handle that a lookup without the upper layer ends at."""
    outcome = lookup(overlay.lowers(), path, lambda layer, name: ask_in(overlay, scene, layer, name))
    pieces = (outcome.metadata, outcome.data) if isinstance(outcome, Hit) else ()
    return next((piece for piece in pieces if piece and same_handle(piece.facts.handle, wanted.handle)), None)


def _with_copy(lower: Candidate | None, facts: FileFacts | None, overlay: Overlay, path: bytes,
               scene: Scene) -> Candidates:
    data = _lower_data(lower, facts, overlay, path, scene)
    if not overlay.has_upper():
        return Candidates(data.lower, None, "no", data.reason, data.needs, data.metadata)
    if overlay.upper is None:
        return data._replace(copy="unknown", reason="the upper layer's directory was not found by identity",
                             needs="CAP_DAC_READ_SEARCH")
    found = scene.machine.entry(overlay.upper, path, overlay.prefix)
    if isinstance(found, Refused):
        reason = f"the upper layer cannot be asked: {found.reason}"
        return data._replace(copy="unknown", reason=reason, needs=found.needs)
    if isinstance(found, Absent):
        return _without_copy(data, facts, overlay, scene)
    return _copy(found, data, overlay, path, scene)


def _without_copy(data: Candidates, facts: FileFacts | None, overlay: Overlay, scene: Scene) -> Candidates:
    # With an index a hard link's upper copy is found by the lower file's handle, not by name.
    if (facts is None or facts.nlink != 1) and overlay.maybe("index", scene):
        return data._replace(copy="unknown", reason="a hard link's upper copy may be in the index", needs=NEEDS_FRAMES)
    return data._replace(copy="no")


def _copy(found: FileFacts, data: Candidates, overlay: Overlay, path: bytes, scene: Scene) -> Candidates:
    upper, directory = overlay.layers[0], overlay.upper
    if is_whiteout(found) or found.kind != "file" or directory is None:
        return data._replace(copy="unknown", reason="the upper layer and the overlay disagree about the name")
    backing = backing_of(found, upper, scene)
    if any(name == "metacopy" for name, _ in found.xattrs):
        return data._replace(copy="no", metadata=backing)
    if overlay.maybe("metacopy", scene) and not overlay.options.userxattr and not scene.machine.reads_trusted():
        return data._replace(copy="unknown", reason="whether the upper file holds data is in a trusted attribute",
                             needs="CAP_SYS_ADMIN")
    return data._replace(upper=Candidate(backing, InLayer(directory, path)), copy="yes")


def _lower_data(lower: Candidate | None, facts: FileFacts | None, overlay: Overlay, path: bytes,
                scene: Scene) -> Candidates:
    """Return the lower data file: the origin itself, or what a metacopy among the lowers leads to."""
    if lower is None or facts is None:
        return Candidates(None, None, "unknown", "the lower file was not found", "CAP_DAC_READ_SEARCH")
    if not _may_be_metacopy(facts, overlay, scene):
        return Candidates(lower, None, "unknown")
    ask = lambda layer, name: ask_in(overlay, scene, layer, name)  # noqa: E731  (a partial would hide the types)
    match lookup(overlay.lowers(), path, ask):
        case Hit(data, metadata) if data.layer.dir is not None:
            top = backing_of(metadata.facts, metadata.layer, scene) if metadata else None
            found = Candidate(backing_of(data.facts, data.layer, scene), InLayer(data.layer.dir, data.path))
            return Candidates(found, None, "unknown", metadata=top)
        case Undecided(reason, needs):
            return Candidates(None, None, "unknown", reason, needs)
        case Hit() | Miss():
            return Candidates(None, None, "unknown", "the lower file's data was not found in the layers")


def _may_be_metacopy(facts: FileFacts, overlay: Overlay, scene: Scene) -> bool:
    if any(name == "metacopy" for name, _ in facts.xattrs):
        return True
    visible = overlay.options.userxattr or scene.machine.reads_trusted()
    possible = overlay.options.data or overlay.maybe("metacopy", scene)
    return bool(possible) and not visible


def backing_of(found: FileFacts, layer: Layer | None, scene: Scene) -> Backing:
    """Return a file of a layer as a backing, its path only where a name of it is left."""
    device, fs_type = _filesystem(found, scene)
    named = found.path if found.nlink and found.path.startswith(b"/") else None
    role = layer.role if layer else "lower"
    return Backing(named, device, found.inode, fs_type, role, layer.position if layer else None, _path_of(layer))


def _filesystem(found: FileFacts, scene: Scene) -> tuple[DeviceId, bytes | None]:
    mount = scene.host.by_id(found.mount_id) or scene.table.by_id(found.mount_id)
    return (mount.device, mount.fs_type) if mount else (found.st_dev, None)


def _path_of(layer: Layer | None) -> bytes | None:
    return layer.dir.path if layer is not None and layer.dir is not None else None


def decide(vma: Vma, live: bool, found: Candidates, frames: PageFrames) -> Finding:
    """Return the backing file: the only candidate there is, or the one whose page frame the mapping holds."""
    if live and found.copy == "no" and found.lower is not None:
        seen = Evidence("lookup", "the overlay's handle names this file, and the upper layer has no copy of its data")
        return _finding(found, found.lower, "sole-candidate", True, (seen,))
    if live and found.pure_upper and found.upper is not None:
        seen = Evidence("lookup", "the overlay's handle names an upper file that never had a lower one")
        return Finding(found.upper.backing, "sole-candidate", True, (seen,))
    return _by_frames(vma, live, found, frames)


def _finding(found: Candidates, chosen: Candidate, proof: str, agrees: bool | None,
             evidence: tuple[Evidence, ...]) -> Finding:
    backing = chosen.backing._replace(metadata=found.metadata) if chosen is found.lower else chosen.backing
    return Finding(backing, proof, agrees, evidence)


def _by_frames(vma: Vma, live: bool, found: Candidates, frames: PageFrames) -> Finding:
    now, evidence = _compare(vma, ByVma(vma.start, vma.end), "what the overlay's file reads now", frames, ())
    low, evidence = _compare(vma, found.lower.ref if found.lower else None, "the lower file", frames, evidence)
    up, evidence = _compare(vma, found.upper.ref if found.upper else None, "the upper file", frames, evidence)
    agrees = {"same": True, "different": False}.get(now) if live else None
    if found.copy == "no" and live:
        agrees = True
    if low == "same" and up != "same" and found.lower is not None:
        known = agrees if agrees is not None else (False if live and found.copy == "yes" else None)
        return _finding(found, found.lower, "page-frame", known, evidence)
    if up == "same" and low != "same" and found.upper is not None:
        return Finding(found.upper.backing, "page-frame", True if live else None, evidence)
    if now == "same" and low == "different" and up != "different":
        backing = found.upper.backing if found.upper is not None else found.unlinked
        return Finding(backing, "page-frame", agrees, evidence)
    if found.pure_upper and found.upper is not None and now == "same":
        return Finding(found.upper.backing, "page-frame", agrees, evidence)
    details = "; ".join(f"{item.detail}" for item in evidence)
    reason = found.reason or "the mapping may hold the lower file or its upper copy"
    needs = tuple(dict.fromkeys(part for part in (found.needs, _needed(evidence)) if part))
    return Finding(None, "none", agrees, evidence, f"{reason}; {details}", needs)


def _needed(evidence: tuple[Evidence, ...]) -> str:
    text = " ".join(item.detail for item in evidence)
    return "a page of the mapping in memory" if "no page of the file is present" in text else NEEDS_FRAMES


def _compare(vma: Vma, ref: FileRef | None, what: str, frames: PageFrames,
             evidence: tuple[Evidence, ...]) -> tuple[str, tuple[Evidence, ...]]:
    if ref is None:
        return "silent", evidence
    verdict, detail = frames.compare(vma, ref)
    return verdict, (*evidence, Evidence("page-frame", f"{what}: {detail}"))


