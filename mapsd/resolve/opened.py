"""Which file of its layers a name of an overlay opens now.

The layers' directories are only texts, so the kernel has the last word: the overlay's own handle of what the name opens
says from which file it came, and its times and size are those of the file that has its metadata.
"""

from mapsd.light import Callable
from mapsd.model import Backing, Evidence, FileFacts, Found, Layer, Mount, Vma
from mapsd.model.layers import Descent, Met, Winner
from mapsd.parse.overlay_xattrs import overlay_handle
from mapsd.ports import same_handle
from mapsd.resolve.candidates import Candidates, candidates
from mapsd.resolve.descent import descend
from mapsd.resolve.labels import OTHER, doubted, is_winner, labelled
from mapsd.resolve.layerfile import WHOLE_SECONDS, backing_of, is_uncopied, shows, shows_alone
from mapsd.resolve.lookup import Ask
from mapsd.resolve.mounts import inside
from mapsd.resolve.moved import mounted_later
from mapsd.resolve.overlays import OVERLAY, Overlay, ask_in, build
from mapsd.resolve.scene import Place, Scene

_DEPTH = 1  # overlays below an overlay: FILESYSTEM_MAX_STACK_DEPTH is 2
_MOVED = "the layers' directories may have been moved since the mount"


def opened(seen: FileFacts, mount: Mount, path: bytes, scene: Scene, depth: int = 0,
           overlays: Callable[[Mount], Overlay] | None = None) -> tuple[Winner, tuple[Descent, ...]]:
    """Return what *path* of an overlay opens, which is *seen*, and its way through the layers, outermost first.

    *overlays* gives the overlay of a mount where somebody knows it already.
    """
    overlay = build(mount, scene) if overlays is None else overlays(mount)
    descent = descended(overlay, path, scene)
    winner = _winner(seen, descent, overlay, scene)
    met = labelled(descent.met, winner)
    descent = descent._replace(met=met)
    below = _overlay_below(winner, met, scene) if depth < _DEPTH else None
    if below is None or winner.backing is None:
        return winner, (descent,)
    deeper, more = opened(*below, scene, depth + 1, overlays)
    return _through(winner, deeper), (descent, *more)


def missing(mount: Mount, path: bytes, scene: Scene, overlays: Callable[[Mount], Overlay] | None = None) -> Descent:
    """Return the way of a name through an overlay's layers that the overlay does not show; *overlays* as above."""
    descent = descended(build(mount, scene) if overlays is None else overlays(mount), path, scene)
    shown = {number for number, one in enumerate(descent.met)
             if one.named and one.by is None and one.what in {"opens", "metacopy", "merged"}}
    return descent._replace(met=doubted(descent.met, shown, Winner(None, "none", (), OTHER)))


def descended(overlay: Overlay, path: bytes, scene: Scene) -> Descent:
    """Return what lies in an overlay's layers at a name, before the kernel is asked about it."""
    layers = tuple(layer if layer.role != "upper" else layer._replace(certain=overlay.upper is not None)
                   for layer in overlay.guessed())
    visible = overlay.options.userxattr or scene.machine.reads_trusted()
    metacopy = bool(overlay.options.data) or overlay.maybe("metacopy", scene)
    met = descend(layers, path, remembering(overlay, scene), visible=visible, metacopy=metacopy)
    return Descent(overlay.mount, path, visible, tuple(
        one._replace(file=backing_of(one.found, one.layer, scene)) if isinstance(one.found, FileFacts) else one
        for one in met))


def remembering(overlay: Overlay, scene: Scene) -> Ask:
    """Return what asks for the entries of an overlay's layers, for each once."""
    known: dict[tuple[int, bytes], Found] = {}

    def ask(layer: Layer, path: bytes) -> Found:
        if (layer.position, path) not in known:
            known[layer.position, path] = ask_in(overlay, scene, layer, path)
        return known[layer.position, path]
    return ask


def _winner(seen: FileFacts, descent: Descent, overlay: Overlay, scene: Scene) -> Winner:
    if seen.kind == "file":
        place = Place("live", None, seen, overlay.mount, inner=descent.path)
        # What a mapping of it that is made now would hold.
        vma = Vma(0, 0, "", 0, overlay.mount.device, seen.inode, b"")
        found = candidates(vma, place, overlay, scene)
        if found is not None:
            return by_handle(seen, descent.path, found, overlay, scene)
    return _by_walk(seen, descent, overlay, scene)


def by_handle(seen: FileFacts, path: bytes, found: Candidates, overlay: Overlay, scene: Scene) -> Winner:
    """Return the file that the overlay's handle leads to: the one it names, or the copy of it."""
    wanted = overlay_handle(seen.handle)
    if found.copy == "no" and found.lower is not None:
        backing = found.lower.backing._replace(metadata=found.metadata)
        if found.sure:
            return _proven(backing, "the overlay's handle names this file, and the upper layer has no copy of its data")
        if found.settled and not found.others:
            return Winner(backing, "lookup", (Evidence("lookup", "the overlay's handle names the file that has the "
                                                       "metadata, and the lookup in the layers ends at this one"),))
        return Winner(None, "none", (), _MOVED)
    if wanted is not None and wanted.upper and found.upper is not None and found.upper.ref is not None:
        return _proven(found.upper.backing, "the overlay's handle names this file of the upper layer")
    if found.copy == "yes" and found.upper is not None and found.upper.ref is not None and overlay.upper is not None:
        copy = scene.machine.entry(overlay.upper, path, overlay.prefix)
        if isinstance(copy, FileFacts) and shows_alone(seen, copy):
            return _proven(found.upper.backing, "the upper layer has a file of this name, and the overlay shows "
                                                "its times and size")
        return Winner(None, "none", (), WHOLE_SECONDS if isinstance(copy, FileFacts) and shows(seen, copy) else OTHER)
    if found.pure_upper:
        return Winner(None, "none", (), "the file of the upper layer was not found", ("CAP_DAC_READ_SEARCH",))
    return Winner(None, "none", (), found.reason or "which layer's file it is was not found out",
                  (found.needs,) if found.needs else ())


def _proven(backing: Backing | None, detail: str) -> Winner:
    return Winner(backing, "sole-candidate", (Evidence("lookup", detail),))


def _by_walk(seen: FileFacts, descent: Descent, overlay: Overlay, scene: Scene) -> Winner:
    """Return what the lookup in the layers ends at, where the overlay shows that object's times and size."""
    live = [one for one in descent.met if one.named and one.by is None]
    tops = [one for one in live if one.what in {"opens", "metacopy", "merged"}]
    ends = [one for one in live if one.what in {"opens", "merged"}]
    if not tops or not ends:
        why = next((one for one in descent.met if one.what == "unknown"), None)
        reason = why.reason if why is not None else OTHER
        return Winner(None, "none", (), reason, (why.needs,) if why is not None and why.needs else ())
    top = tops[0]
    if not isinstance(top.found, FileFacts) or not shows(seen, top.found):
        return Winner(None, "none", (), OTHER)
    if not shows_alone(seen, top.found) and overlay.has_upper() and not (
            top.layer.role != "upper" and is_uncopied(seen, top.found, overlay)):
        return Winner(None, "none", (), WHOLE_SECONDS)
    if not descent.visible and _may_lead_on(seen, overlay, scene):
        return Winner(None, "none", (), "whether its bytes lie elsewhere is in an attribute that cannot be seen",
                      ("CAP_SYS_ADMIN",))
    if seen.kind != "directory" and top is ends[0] and _is_named(seen, top, overlay, scene):
        return _proven(top.file, "the overlay's handle names this object, and the overlay shows its times and size")
    if not _is_settled(tops, overlay):
        return Winner(None, "none", (), _MOVED)
    shown = Evidence("lookup", "the lookup in the layers ends here, and the overlay shows the times and the size of "
                               "what it meets first")
    if seen.kind == "directory":
        # At the root all layers are merged, whatever their attributes.
        seen_all = descent.visible or not descent.path
        unseen = None if seen_all else "which layers are merged is in attributes that cannot be seen"
        return Winner(None, "lookup", (shown,), unseen, ("CAP_SYS_ADMIN",) if unseen else ())
    backing = ends[0].file
    if backing is not None and top is not ends[0]:
        backing = backing._replace(metadata=top.file)
    return Winner(backing, "lookup", (shown,))


def _may_lead_on(seen: FileFacts, overlay: Overlay, scene: Scene) -> bool:
    return seen.kind == "file" and (bool(overlay.options.data) or overlay.maybe("metacopy", scene))


def _is_named(seen: FileFacts, top: Met, overlay: Overlay, scene: Scene) -> bool:
    wanted = overlay_handle(seen.handle)
    if wanted is None or not any(wanted.uuid) or not isinstance(top.found, FileFacts):
        return False
    return wanted.upper == (top.layer.role == "upper") and same_handle(wanted.handle, top.found.handle) and (
        not mounted_later(top.found, overlay.mount, scene))


def _is_settled(taken: list[Met], overlay: Overlay) -> bool:
    return all(overlay.upper is not None if one.layer.role == "upper" else overlay.settled for one in taken)


def _overlay_below(winner: Winner, met: tuple[Met, ...], scene: Scene) -> tuple[FileFacts, Mount, bytes] | None:
    """Return the winner as a file of another overlay, its layer's own, None where it is on none."""
    for one in met:
        if one.what != "opens" or not isinstance(one.found, FileFacts) or not is_winner(one, winner):
            continue
        mount = scene.mount(one.found.mount_id)
        path = inside(mount, one.found.path) if mount is not None and mount.fs_type == OVERLAY else None
        if mount is not None and path is not None:
            return one.found, mount, path
    return None


def _through(outer: Winner, inner: Winner) -> Winner:
    """Return the winner of the inner overlay as the outer one's, as sure as the less sure of the two."""
    if outer.backing is None or inner.backing is None:
        return inner._replace(backing=None, evidence=(*outer.evidence, *inner.evidence))
    backing = inner.backing._replace(through=(outer.backing._replace(metadata=None), *inner.backing.through))
    proof = "lookup" if "lookup" in {outer.proof, inner.proof} else inner.proof
    return Winner(backing, proof, (*outer.evidence, *inner.evidence))
