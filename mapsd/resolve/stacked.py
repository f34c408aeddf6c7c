"""Overlays where the handle does not decide: older kernels, and overlays whose lower layer is an overlay."""

from typing import TYPE_CHECKING

from mapsd.model import Answer, Backing, Evidence, FileFacts, Layer, Mount, Vma
from mapsd.ports import ByVma, InLayer, InRoot
from mapsd.resolve import backing as rules
from mapsd.resolve.backing import Finding
from mapsd.resolve.lookup import Hit, Piece, lookup
from mapsd.resolve.mounts import inside, is_below, join, rest
from mapsd.resolve.names import Place, Scene, same_file
from mapsd.resolve.overlays import OVERLAY, Overlay, ask_in

if TYPE_CHECKING:
    from mapsd.resolve.vma import Resolver


def by_kernel_inode(vma: Vma, overlay: Overlay, path: bytes | None, scene: Scene) -> Finding:
    """Return the finding where maps prints the backing file's own device and inode (up to Linux 6.7)."""
    if any(mount.fs_type == OVERLAY for table in (scene.table, scene.host) for mount in table.of_device(vma.device)):
        return Finding(None, "none", None, (), "maps names another overlay than the one the path is on")
    seen = (Evidence("kernel-inode", f"maps prints the backing file's device {vma.device} and inode {vma.inode}"),)
    mounts = [mount for table in (scene.host, scene.table) for mount in table.of_device(vma.device)]
    if not mounts:
        return Finding(None, "none", None, (), "the filesystem that the kernel names is in no mount table")
    bare = Backing(None, vma.device, vma.inode, mounts[0].fs_type)
    if path is None:
        return Finding(bare, "kernel-inode", None, seen)
    now = _hit(overlay.guessed(), overlay, path, scene)
    if now is None:
        return Finding(bare, "kernel-inode", None, seen, "the overlay's layers cannot be looked up")
    for piece, agrees in ((now, True), (_hit(overlay.lowers(), overlay, path, scene), False)):
        if piece is not None:
            found = rules.backing_of(piece.facts, piece.layer, scene)
            if (found.device, found.inode) == (vma.device, vma.inode):
                return Finding(found, "kernel-inode", agrees, seen)
    return Finding(bare, "kernel-inode", False, seen)


def _hit(layers: tuple[Layer, ...], overlay: Overlay, path: bytes, scene: Scene) -> Piece | None:
    outcome = lookup(layers, path, lambda layer, name: ask_in(overlay, scene, layer, name))
    return outcome.data if isinstance(outcome, Hit) else None


def by_lookup(vma: Vma, overlay: Overlay, path: bytes | None, resolver: "Resolver") -> Finding:
    """Return the finding where the overlay's handle names no real file: its layers are asked, frames decide."""
    scene, frames = resolver.scene, resolver.frames
    verdict, detail = frames.compare(vma, ByVma(vma.start, vma.end))
    evidence = (Evidence("page-frame", f"what the overlay's file reads now: {detail}"),)
    agrees = {"same": True, "different": False}.get(verdict) if path is not None else None
    for layers in (overlay.guessed(), overlay.lowers()) if path is not None else ():
        piece = _hit(layers, overlay, path or b"", scene)
        if piece is None or piece.layer.dir is None:
            continue
        for found in bottoms(vma, piece, resolver):
            if found.ref is None:
                continue
            verdict, detail = frames.compare(vma, found.ref)
            if verdict == "same":
                seen = (*evidence, Evidence("page-frame", detail))
                return Finding(found.backing, "page-frame", agrees, seen)
    return Finding(None, "none", agrees, evidence, "no layer file was found whose page the mapping holds",
                   ("a page of the mapping in memory",) if verdict == "silent" else ())


def bottoms(vma: Vma, piece: Piece, resolver: "Resolver") -> list[rules.Candidate]:
    """Return the files that a layer's file may stand for: itself, or those below where the layer is an overlay."""
    scene = resolver.scene
    directory = piece.layer.dir
    if directory is None:
        return []
    mount = scene.host.by_id(piece.facts.mount_id) or scene.table.by_id(piece.facts.mount_id)
    if mount is None or mount.fs_type != OVERLAY:
        return [rules.Candidate(rules.backing_of(piece.facts, piece.layer, scene), InLayer(directory, piece.path))]
    inner = resolver.overlay(mount)
    place = Place("live", None, piece.facts, mount)
    below = inside(mount, piece.facts.path)
    found = rules.candidates(vma._replace(inode=piece.facts.inode), place, inner, below, scene)
    if found is None:
        deeper = _hit(inner.guessed(), inner, below, scene) if below is not None else None
        return [_through(one, piece, scene) for one in bottoms(vma, deeper, resolver)] if deeper else []
    return [_through(one, piece, scene) for one in (found.lower, found.upper) if one is not None]


def _through(one: rules.Candidate, piece: Piece, scene: Scene) -> rules.Candidate:
    outer = rules.backing_of(piece.facts, piece.layer, scene)
    return one._replace(backing=one.backing._replace(through=(outer, *one.backing.through)))


def layers_on(overlay: Overlay, place: Place, vma: Vma, scene: Scene) -> list[Layer]:
    """Return the lower layers of *overlay* that lie on the superblock of the mapping."""
    found = []
    for layer in overlay.lowers():
        if layer.dir is None:
            continue
        mount = scene.host.by_id(layer.dir.facts.mount_id) or scene.table.by_id(layer.dir.facts.mount_id)
        if (mount is not None and mount.device == vma.device) or (
                place.facts is not None and layer.dir.facts.st_dev == place.facts.st_dev):
            found.append(layer)
    return found


def nested(vma: Vma, place: Place, above: list[tuple[Mount, Overlay]], resolver: "Resolver") -> Answer:
    """Answer for a mapping that the kernel names by the private clone of an outer overlay's lower layer.

    Linux 6.7 to 6.15, and some stable releases of 2026, print the inner overlay's path and device.
    """
    from mapsd.resolve.vma import _assemble  # noqa: PLC0415  (the two modules are one recursion)
    scene = resolver.scene
    text = scene.process.link(vma) or vma.name
    options = [(mount, overlay, layer) for mount, overlay in above
               for layer in layers_on(overlay, place, vma, scene)]
    finding = _inner_finding(vma, place, text, options, resolver)
    reason = "a nested overlay: the kernel keeps the inner name only"
    names = [_outer_name(vma, option, text, place, resolver) for option in options]
    sure = {name for name in names if name is not None}
    if len(sure) != 1:
        return _assemble(vma, place._replace(verdict="unknown", reason=reason), finding, scene)
    path, agrees, mount = sure.pop()
    seen = Evidence("lookup", f"the outer overlay's {'file' if agrees else 'upper copy'} at this path was compared")
    return _assemble(vma, place._replace(verdict="live", path=path, mount=mount),
                     finding._replace(agrees=agrees, evidence=(*finding.evidence, seen)), scene)


def _inner_finding(vma: Vma, place: Place, text: bytes, options: list[tuple[Mount, Overlay, Layer]],
                   resolver: "Resolver") -> Finding:
    scene = resolver.scene
    for _, _, layer in options:
        directory = layer.dir
        mount = None
        if directory is not None:
            mount = scene.host.by_id(directory.facts.mount_id) or scene.table.by_id(directory.facts.mount_id)
        if directory is None or mount is None or place.facts is None:
            continue
        path = join(directory.path, text)
        seen = scene.machine.named(b"/" + path)
        live = same_file(seen, place.facts) and isinstance(seen, FileFacts) and seen.mount_id == mount.id
        below = inside(mount, b"/" + path) if live else None
        found = rules.candidates(vma, place, resolver.overlay(mount), below, scene)
        if found is None:
            continue
        finding = rules.decide(vma, below is not None, found, resolver.frames)
        if finding.backing is not None and isinstance(seen, FileFacts):
            outer = rules.backing_of(seen, layer, scene) if live else None
            through = (outer,) if outer else ()
            finding = finding._replace(backing=finding.backing._replace(through=through))
        return finding
    return Finding(None, "none", None, (), "the inner overlay's layers were not found")


def _outer_name(vma: Vma, option: tuple[Mount, Overlay, Layer], text: bytes, place: Place,
                resolver: "Resolver") -> tuple[bytes, bool, Mount] | None:
    """Return (user path, whether it still has this data, mount) where the outer overlay confirms the inner name.

    The outer overlay names no lower file by handle and keeps no link to it: what its path opens is
    compared by page frame, and a copy is known by the inode number that it keeps of the lower file.
    """
    mount, overlay, layer = option
    scene = resolver.scene
    if place.facts is None or not is_below(text, mount.root):
        return None
    path = b"/" + join(mount.mount_point, rest(text, mount.root))
    seen = scene.process.named(path)
    low = _hit(overlay.lowers(), overlay, join(text), scene)
    if not isinstance(seen, FileFacts) or seen.mount_id != mount.id or low is None:
        return None
    if low.layer != layer or not same_file(low.facts, place.facts):
        return None
    if not overlay.has_upper():
        return path, True, mount
    verdict, _ = resolver.frames.compare(vma, InRoot(path))
    if verdict == "same":
        return path, True, mount
    copy = scene.machine.entry(overlay.guess, join(text), overlay.prefix) if overlay.guess is not None else None
    kept = isinstance(copy, FileFacts) and copy.inode != seen.inode and seen.inode == place.facts.inode
    return (path, False, mount) if verdict == "different" and kept else None
