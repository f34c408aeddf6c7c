"""The overlay's own lookup, over layers that are asked entry by entry.

It follows ovl_lookup() (fs/overlayfs/namei.c, Linux 6.12): whiteouts, opaque directories,
relative and absolute redirects in any layer, metacopy and data-only layers.
"""

from mapsd.light import Callable, NamedTuple, Sequence
from mapsd.model import Absent, FileFacts, Found, Layer, Refused
from mapsd.parse.overlay_xattrs import is_opaque, is_redirect

Ask = Callable[[Layer, bytes], Found]


class Piece(NamedTuple):
    """One layer's part of a merged object."""

    layer: Layer
    path: bytes
    facts: FileFacts


class Hit(NamedTuple):
    """A file: where its data lies; *metadata* is the topmost metacopy above it."""

    data: Piece
    metadata: Piece | None


class Miss(NamedTuple):
    """The overlay shows no file there."""


class Undecided(NamedTuple):
    """A layer could not be asked."""

    reason: str
    needs: str


Outcome = Hit | Miss | Undecided


class Unasked(Exception):
    """A layer could not be asked, or holds what the kernel refuses: the lookup ends there."""

    def __init__(self, refused: Refused) -> None:
        """Keep why."""
        super().__init__(refused.reason)
        self.refused = refused


class Walk:
    """What ovl_lookup_data holds while one name is looked up from layer to layer."""

    def __init__(self, name: bytes) -> None:
        """Begin with a component of the path."""
        self.name = name  # relative: a last component; absolute: a path from the overlay's root
        self.stop = self.metacopy = self.is_dir = self.absolute = False


def lookup(layers: Sequence[Layer], path: bytes, ask: Ask) -> Outcome:
    """Return the file that the overlay shows at *path*, relative to the overlay's root."""
    merged = [layer for layer in layers if layer.role != "data"]
    stack = [(layer, b"") for layer in merged]
    pieces: list[Piece] = []
    walk = Walk(b"")
    try:
        for component in path.split(b"/"):
            walk = Walk(component)
            pieces = _lookup_name(walk, stack, merged, ask)
            if not pieces:
                return Miss()
            stack = [(piece.layer, piece.path) for piece in pieces]
        return _file(pieces, walk, layers, ask)
    except Unasked as unasked:
        return Undecided(unasked.refused.reason, unasked.refused.needs)


def _lookup_name(walk: Walk, stack: list[tuple[Layer, bytes]], merged: list[Layer], ask: Ask) -> list[Piece]:
    pieces = []
    todo = list(stack)
    while todo and not walk.stop:
        layer, directory = todo.pop(0)
        absolute = walk.name.startswith(b"/")
        piece = in_layer(walk, layer, b"" if absolute else directory, ask)
        if walk.name.startswith(b"/") and not absolute:
            # An absolute redirect starts over at the root's layers below this one.
            todo = [(below, b"") for below in merged if below.position > layer.position]
        if piece is not None:
            pieces.append(piece)
    return pieces


def in_layer(walk: Walk, layer: Layer, directory: bytes, ask: Ask) -> Piece | None:
    """Return one layer's part of what the walk's name is, below a directory of it (unless the name is absolute).

    Raises Unasked.
    """
    if not walk.name.startswith(b"/"):
        return _single(walk, layer, directory, walk.name, b"", b"", ask)
    done, left = b"", walk.name[1:]
    piece = None
    while True:
        # A redirect found on the way rewrites walk.name for the layers below, not for this one.
        component, _, after = left.partition(b"/")
        before = walk.name[:len(walk.name) - len(left)]
        piece = _single(walk, layer, done, component, before, left[len(component):], ask)
        if not after or piece is None or piece.facts.kind != "directory":
            return piece if not after else None
        done, left = piece.path, after


def _single(walk: Walk, layer: Layer, directory: bytes, name: bytes, before: bytes, after: bytes,
            ask: Ask) -> Piece | None:
    path = _join(directory, name)
    facts = ask(layer, path)
    if isinstance(facts, Refused):
        raise Unasked(facts)
    if isinstance(facts, Absent):
        return None
    attributes = dict(facts.xattrs)
    last = not after
    if is_whiteout(facts) or (last and walk.metacopy and facts.kind != "file"):
        walk.stop = True
        return None
    if facts.kind != "directory":
        if walk.is_dir or not last:
            walk.stop = True
            return None
        walk.metacopy = facts.kind == "file" and is_metacopy(attributes.get("metacopy"))
        walk.stop = not walk.metacopy
        if walk.stop:
            return Piece(layer, path, facts)
    else:
        walk.is_dir = walk.is_dir or last
        if is_opaque(attributes.get("opaque")):
            walk.stop = True
            return Piece(layer, path, facts)
    _redirect(walk, attributes.get("redirect"), before, after)
    return Piece(layer, path, facts)


def _redirect(walk: Walk, redirect: bytes | None, before: bytes, after: bytes) -> None:
    walk.absolute = False
    if redirect is None:
        return
    if not is_redirect(redirect):
        raise Unasked(Refused("a redirect in a form that the kernel refuses"))
    if redirect.startswith(b"/"):
        walk.absolute, walk.stop = True, False
        walk.name = redirect + after
    else:
        walk.name = before + redirect + after


def is_metacopy(value: bytes | None) -> bool:
    """Return whether a `metacopy` attribute says that the data lies below (ovl_check_metacopy_xattr)."""
    if value is None or not value:
        return value is not None
    if len(value) < 4 or value[0] != 0 or value[1] != len(value) or value[2] != 0:
        raise Unasked(Refused("a metacopy attribute in a form that the kernel refuses"))
    return True


def is_whiteout(facts: FileFacts) -> bool:
    """Return whether an entry hides the name below it: a character device 0:0, or an empty marked file."""
    return facts.kind == "whiteout" or (facts.kind == "file" and not facts.size
                                        and any(name == "whiteout" for name, _ in facts.xattrs))


def _file(pieces: list[Piece], walk: Walk, layers: Sequence[Layer], ask: Ask) -> Outcome:
    if pieces[0].facts.kind != "file":
        return Miss()
    if not walk.metacopy:
        return Hit(pieces[-1], pieces[0] if len(pieces) > 1 else None)
    # Only a lower metacopy leads to the data-only layers, and the last redirect must be absolute.
    for layer in layers if walk.absolute and any(piece.layer.role == "lower" for piece in pieces) else ():
        if layer.role == "data":
            facts = ask(layer, walk.name[1:])
            if isinstance(facts, Refused):
                return Undecided(facts.reason, facts.needs)
            if isinstance(facts, FileFacts) and facts.kind == "file":
                return Hit(Piece(layer, walk.name[1:], facts), pieces[0])
    return Undecided("a metacopy file has no data below it", "")


def _join(*parts: bytes) -> bytes:
    return b"/".join(part.strip(b"/") for part in parts if part.strip(b"/"))
