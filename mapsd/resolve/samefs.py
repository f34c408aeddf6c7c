"""A file and its upper copy by inode number alone, where all layers are on one filesystem.

There an overlay's file has the inode number of the layer file that it began as, and keeps it when it is copied up
while it is in use (ovl_map_ino, fs/overlayfs/inode.c). An overlay that was mounted in a user namespace, as rootless
engines do, names no layer file otherwise: it cannot decode handles, so it has none (ovl_can_decode_fh).
"""

from mapsd.model import FileFacts, Vma
from mapsd.ports import InLayer
from mapsd.resolve.candidates import Candidates
from mapsd.resolve.layerfile import Candidate, asker, backing_of, in_layer, shows_alone
from mapsd.resolve.lookup import Hit, Piece, lookup
from mapsd.resolve.overlays import Overlay
from mapsd.resolve.scene import Place, Scene
from mapsd.resolve.uppers import unlinked_upper

_SEVERAL_TREES = frozenset({b"btrfs", b"bcachefs"})  # each subvolume numbers its files by itself


def pair(vma: Vma, overlay: Overlay, place: Place, scene: Scene) -> Candidates | None:
    """Return the lower file that a live mapping's file began as and its upper copy, None where they are not both known.

    The mapping holds one of the two.
    """
    if place.verdict != "live" or place.inner is None or not _on_one(overlay) or not _data_shows(overlay, scene):
        return None
    lower = _lower(overlay, place.inner, scene)
    upper = _upper(overlay, place, scene)
    if lower is None or upper is None or lower.facts.inode != vma.inode or upper.facts.inode == vma.inode:
        return None
    copy = Candidate(backing_of(upper.facts, upper.layer, scene), _ref(upper))
    return Candidates(in_layer(lower, scene), copy, "yes", unlinked=unlinked_upper(overlay, scene), sure=False,
                      settled=overlay.settled)


def began_upper(vma: Vma, overlay: Overlay, place: Place, scene: Scene) -> Candidate | None:
    """Return the upper file that a live mapping's file began as and still is, None where that is not known.

    The file that an overlay's file began as is in use as long as that is mapped, and its number is no other file's.
    Where metadata may be copied up alone, the number can be that of a copy that had no data yet.
    """
    if place.verdict != "live" or place.inner is None or place.facts is None or not _on_one(overlay):
        return None
    if overlay.upper is None or not overlay.settled or overlay.options.data or overlay.maybe("metacopy", scene):
        return None
    found = scene.machine.entry(overlay.upper, place.inner, overlay.prefix)
    if not isinstance(found, FileFacts) or found.kind != "file" or "metacopy" in dict(found.xattrs):
        return None
    backing = backing_of(found, overlay.layers[0], scene)
    if {found.inode, place.facts.inode} != {vma.inode} or backing.fs_type in _SEVERAL_TREES or not backing.fs_type:
        return None
    return Candidate(backing, InLayer(overlay.upper, place.inner))


def _on_one(overlay: Overlay) -> bool:
    """Return whether every layer was found, the upper one by what the overlay's root is, on one filesystem."""
    directories = [layer.dir for layer in overlay.layers]
    return overlay.upper is not None and len({one and one.facts.st_dev for one in directories}) == 1


def _data_shows(overlay: Overlay, scene: Scene) -> bool:
    """Return whether it can be seen that a layer's file holds metadata only."""
    possible = overlay.options.data or overlay.maybe("metacopy", scene)
    return not possible or overlay.options.userxattr or scene.machine.reads_trusted()


def _lower(overlay: Overlay, path: bytes, scene: Scene) -> Piece | None:
    found = lookup(overlay.lowers(), path, asker(overlay, scene))
    return found.data if isinstance(found, Hit) and found.metadata is None else None


def _upper(overlay: Overlay, place: Place, scene: Scene) -> Piece | None:
    if overlay.upper is None or place.inner is None or place.facts is None:
        return None
    found = scene.machine.entry(overlay.upper, place.inner, overlay.prefix)
    if not isinstance(found, FileFacts) or found.kind != "file" or "metacopy" in dict(found.xattrs):
        return None
    # Else another file was put there behind the overlay's back; where only one has a birth nothing tells.
    is_copy = shows_alone(place.facts, found) and place.facts.born == found.born
    return Piece(overlay.layers[0], place.inner, found) if is_copy else None


def _ref(piece: Piece) -> InLayer | None:
    return InLayer(piece.layer.dir, piece.path) if piece.layer.dir is not None else None
