"""Overlays where the handle does not decide: older kernels, and overlays whose lower layer is an overlay."""

from mapsd.light import TYPE_CHECKING, Callable
from mapsd.model import Absent, Backing, Evidence, Vma
from mapsd.ports import ByVma
from mapsd.resolve import samefs
from mapsd.resolve.agreement import HeldFile, agreement
from mapsd.resolve.bottoms import bottoms, hit, holds_data
from mapsd.resolve.buildid import by_build_ids
from mapsd.resolve.candidates import NEEDS_FRAMES
from mapsd.resolve.comparison import NEEDS_PAGE, reason_of
from mapsd.resolve.finding import Finding, Possible
from mapsd.resolve.layerfile import Candidate, asker, is_uncopied, shows
from mapsd.resolve.lookup import Hit, Piece, lookup
from mapsd.resolve.lowers import searched
from mapsd.resolve.means import Said
from mapsd.resolve.mounts import SUBVOLUMES
from mapsd.resolve.moved import are_older
from mapsd.resolve.overlays import OVERLAY, Overlay
from mapsd.resolve.scene import Place, Scene
from mapsd.resolve.times import is_exact

if TYPE_CHECKING:
    from mapsd.resolve.vma import Resolver


def by_kernel_inode(vma: Vma, overlay: Overlay, place: Place, resolver: "Resolver") -> Finding:
    """Return the finding where maps prints the backing file's own device and inode (up to Linux 6.7)."""
    scene = resolver.scene
    mounts = [mount for table in (scene.host, scene.table) for mount in table.of_device(vma.device)]
    if not mounts or any(mount.fs_type == OVERLAY for mount in mounts):
        reason = "maps names another overlay than the one the path is on" if mounts else (
            "the filesystem that the kernel names is in no mount table")
        return Finding(None, "none", None, (), reason, possible=Possible(layers=overlay.layers))
    seen = Evidence("kernel-inode", f"maps prints the backing file's device {vma.device} and inode {vma.inode}")
    bare = Backing(None, vma.device, vma.inode, mounts[0].fs_type, overlaid=True)
    held = _numbered(vma, overlay, place, resolver) or HeldFile(bare, None)
    agrees, evidence = _agreement(vma, overlay, place, held, resolver)
    possible = Possible((held.backing,), layers=overlay.layers)
    return Finding(held.backing, "kernel-inode", agrees, (seen, *evidence), possible=possible)


def _numbered(vma: Vma, overlay: Overlay, place: Place, resolver: "Resolver") -> HeldFile | None:
    """Return the layer file with the device and inode number of maps, and what its layer shows of it.

    Where the name leads, else by a search.
    """
    layers = (overlay.guessed(), overlay.lowers())
    ways: tuple[Callable[[], list[Piece | None]], ...] = (
        lambda: [hit(each, overlay, place.inner, resolver.scene) for each in layers],
        lambda: [*searched(vma, None, overlay, resolver.scene)])
    met = ((piece, one) for way in ways for piece in filter(None, way()) for one in bottoms(vma, piece, resolver)
           if (one.backing.device, one.backing.inode) == (vma.device, vma.inode))
    doubted = False
    for piece, one in met:
        if (not doubted and _is_alone(one, piece, overlay)) or _is_same(vma, one, resolver):
            return HeldFile(one.backing, piece.facts)
        doubted = True
    return None


def _is_alone(one: Candidate, piece: Piece, overlay: Overlay) -> bool:
    """Return whether no other file of the layers can have this file's device and inode number in maps."""
    if one.backing.fs_type not in SUBVOLUMES:
        return True
    subvolumes = {layer.dir.facts.st_dev if layer.dir else None for layer in overlay.guessed()}
    return not one.backing.through and subvolumes == {piece.facts.st_dev}


def _is_same(vma: Vma, one: Candidate, resolver: "Resolver") -> bool:
    return one.ref is not None and resolver.means.compare(vma, one.ref).verdict == "same"


def _agreement(vma: Vma, overlay: Overlay, place: Place, held: HeldFile, resolver: "Resolver") -> tuple[
        bool | None, tuple[Evidence, ...]]:
    """Return whether the path opens the mapped data now: by page frame, else by what the layers hold."""
    if place.verdict != "live" or place.again:
        return place.agrees, ()
    said = resolver.means.compare(vma, ByVma(vma.start, vma.end))
    if said.verdict != "silent":
        return said.verdict == "same", (said.about("what the overlay's file reads now"),)
    return agreement(vma, overlay, place, held, resolver.scene)


def by_lookup(vma: Vma, overlay: Overlay, place: Place, resolver: "Resolver") -> Finding:
    """Return the finding where the overlay's handle names no real file: its layers are asked, comparison decides."""
    now = resolver.means.compare(vma, ByVma(vma.start, vma.end))
    verdict = now.verdict
    evidence: tuple[Evidence, ...] = (now.about("what the overlay's file reads now"),)
    live = place.verdict == "live"
    agrees = {"same": True, "different": False}.get(verdict) if live else None
    pieces = [hit(layers, overlay, place.inner, resolver.scene) for layers in (overlay.guessed(), overlay.lowers())]
    found = [one for piece in dict.fromkeys(pieces) if piece for one in bottoms(vma, piece, resolver)]
    spoken = _spoken(vma, found, resolver)
    if verdict != "silent" and not any(said.verdict == "same" for _, said in spoken):
        # The name moved: the overlay keeps the lower file's inode number.
        others = searched(vma, None, overlay, resolver.scene)
        spoken += _spoken(vma, [one for piece in others for one in bottoms(vma, piece, resolver)], resolver)
    same = {backing: said for backing, said in spoken if said.verdict == "same"}
    possible = Possible(tuple(dict.fromkeys(backing for backing, _ in spoken)), "unknown",
                        "the overlay names no layer file by handle", overlay.layers)
    evidence += tuple(said.about(f"the layer's file {one.device} {one.inode}") for one, said in spoken)
    if len(same) == 1:
        [(backing, said)] = same.items()
        return Finding(backing, said.means, agrees, evidence, rule="same", possible=possible)
    silent = all(said.verdict == "silent" for _, said in spoken)
    began = samefs.began_upper(vma, overlay, place, resolver.scene) if live and silent and verdict == "silent" else None
    if began is not None:
        seen = Evidence("lookup", f"an upper file has the inode number {vma.inode}, which an overlay's file has of the "
                                  "one that it began as")
        return Finding(began.backing, "lookup", True, (*evidence, seen), possible=possible)
    sure = all(holds_data(piece, overlay, resolver) for piece in pieces if piece)
    # Without an upper layer a name stays what it is, also below what covers it.
    stays = live or (place.verdict == "covered" and not overlay.has_upper())
    untouched = _untouched(vma, overlay, place, resolver.scene)
    if stays and silent and sure and len(found) == 1 and untouched:
        seen = Evidence("lookup", "no layer above has a copy")
        return Finding(found[0].backing, "lookup", True, (*evidence, seen), possible=possible)
    needs = (NEEDS_PAGE if resolver.scene.machine.reads_trusted() else NEEDS_FRAMES,) if verdict == "silent" else ()
    missing = Finding(None, "none", agrees, evidence, "no layer file was found whose page the mapping holds", needs,
                      possible=possible)
    return _by_build_id(vma, overlay, place, missing, resolver) if silent and verdict == "silent" else missing


def _by_build_id(vma: Vma, overlay: Overlay, place: Place, missing: Finding, resolver: "Resolver") -> Finding:
    """Return what build ids say of a file and its upper copy, *missing* where there are no such two."""
    pair = samefs.pair(vma, overlay, place, resolver.scene)
    if pair is None:
        return missing
    ids, possible = resolver.means.build_ids, Possible(pair.files(), pair.copy, pair.reason, overlay.layers)
    found = by_build_ids(vma, place.path, pair, ids) if ids is not None else None
    if found is None:
        return missing._replace(reason=reason_of(pair, ()), possible=possible)
    return found._replace(evidence=(*missing.evidence, *found.evidence), needs=() if found.backing else missing.needs,
                          possible=possible)


def _spoken(vma: Vma, found: list[Candidate], resolver: "Resolver") -> list[tuple[Backing, Said]]:
    return [(one.backing, resolver.means.compare(vma, one.ref)) for one in found if one.ref is not None]


def _untouched(vma: Vma, overlay: Overlay, place: Place, scene: Scene) -> bool:
    """Return whether the layers' file at the path is known to be the overlay's, and the upper layer to have no copy."""
    if place.inner is None:
        return False
    found = lookup(overlay.lowers(), place.inner, asker(overlay, scene))
    if not isinstance(found, Hit):
        return False
    top = (found.metadata or found.data).facts
    # A copy may be at another name, in the index or where somebody moved it: then the overlay shows its times.
    shown = place.facts is not None and shows(place.facts, top)
    # The overlay's inode has the number of the layer's (ovl_map_ino, fs/overlayfs/inode.c).
    numbered = vma.inode == top.inode
    # Where the directories may have been moved both count: a second file had them by chance.
    certain = overlay.settled or (shown and is_exact(top.changed) and numbered and are_older(
        overlay.lowers(), overlay.mount, scene))
    if not overlay.has_upper():
        return certain and (shown or numbered)
    uncopied = shown and place.facts is not None and is_uncopied(place.facts, top, overlay)
    return certain and uncopied and overlay.upper is not None and isinstance(
        scene.machine.entry(overlay.upper, place.inner, overlay.prefix), Absent)
