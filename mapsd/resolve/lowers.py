"""The lower file that an overlay's handle names: by handle, by the lookup in the layers, by a search as last resort."""

from mapsd.light import NamedTuple
from mapsd.model import DeviceId, FileFacts, Handle, OverlayHandle, Vma
from mapsd.ports import ByHandle, same_handle
from mapsd.resolve.layerfile import Candidate, asker, backing_of, in_layer
from mapsd.resolve.lookup import Hit, Piece, lookup
from mapsd.resolve.mounts import rest
from mapsd.resolve.moved import mounted_later
from mapsd.resolve.overlays import Overlay, by_handle, layer_of
from mapsd.resolve.scene import Scene, same_file


class Question(NamedTuple):
    """One file: *path* is where its name lies inside the overlay, only a hint where it is not *live*."""

    vma: Vma
    wanted: OverlayHandle
    overlay: Overlay
    path: bytes | None
    live: bool
    scene: Scene
    facts: FileFacts

    def by_handle(self, wanted: OverlayHandle) -> ByHandle:
        """Return the question for a file by its handle."""
        return by_handle(wanted, self.overlay)


class Lower(NamedTuple):
    """The lower file that a handle names; *piece* is where in which layer, None where its layer is not known."""

    candidate: Candidate
    facts: FileFacts
    sure: bool
    piece: Piece | None
    others: tuple[Candidate, ...] = ()


def lower_of(asked: Question, wanted: OverlayHandle) -> Lower | None:
    """Return the lower file that a handle names, None where it is not found."""
    overlay, scene, ref = asked.overlay, asked.scene, asked.by_handle(wanted)
    found = scene.machine.by_handle(ref, overlay.prefix)
    layer = layer_of(overlay, found.path, scene) if isinstance(found, FileFacts) and found.path else None
    # A handle without a UUID, or on a filesystem that was mounted later, names a file of the layers only where
    # these are known to be the mounted ones.
    sure = overlay.settled or (any(wanted.uuid) and isinstance(found, FileFacts)
                               and not mounted_later(found, overlay.mount, scene))
    if isinstance(found, FileFacts) and found.nlink == 1 and layer is not None:
        place = Piece(layer, rest(found.path, layer.dir.path), found) if layer.dir is not None else None
        return Lower(Candidate(backing_of(found, layer, scene), ref), found, sure, place)
    piece = _in_layers(asked, wanted)
    if piece is None and not isinstance(found, FileFacts):
        return _searched(asked, wanted, sure=sure)
    if piece is not None and (not isinstance(found, FileFacts) or same_file(found, piece.facts)):
        return Lower(in_layer(piece, scene), piece.facts, sure, piece)
    if isinstance(found, FileFacts):
        return Lower(Candidate(backing_of(found, None, scene), ref), found, sure, None)
    return None


def _in_layers(asked: Question, wanted: OverlayHandle) -> Piece | None:
    """Return the file with this handle that a lookup without the upper layer ends at."""
    if asked.path is None:
        return None
    outcome = lookup(asked.overlay.lowers(), asked.path, asker(asked.overlay, asked.scene))
    pieces = (outcome.metadata, outcome.data) if isinstance(outcome, Hit) else ()
    return next((piece for piece in pieces if piece and same_handle(piece.facts.handle, wanted.handle)), None)


def _searched(asked: Question, wanted: OverlayHandle, *, sure: bool) -> Lower | None:
    """Return the files with this handle that a search of the lower layers finds."""
    pieces = searched(asked.vma, wanted.handle, asked.overlay, asked.scene)
    if not pieces:
        return None
    first, *others = pieces
    return Lower(in_layer(first, asked.scene), first.facts, sure and not others, first,
                  tuple(in_layer(piece, asked.scene) for piece in others))


def searched(vma: Vma, handle: Handle | None, overlay: Overlay, scene: Scene) -> list[Piece]:
    """Return the files of the lower layers, each once, with the mapping's inode number (and this handle)."""
    found: dict[tuple[DeviceId, int], Piece] = {}
    for layer in overlay.lowers():
        for path, facts in scene.machine.search(layer.dir, handle, vma.inode, overlay.prefix) if layer.dir else ():
            found.setdefault((facts.st_dev, facts.inode), Piece(layer, path, facts))
    return list(found.values())
