"""A name in every layer of an overlay, from the top: what the overlay takes of it, and what that hides.

The kernel's lookup (see mapsd.resolve.lookup) ends where it knows enough. This one takes the same steps, and goes on
below: what is met there is hidden by what ended the lookup.
"""

from mapsd.light import NamedTuple, Sequence
from mapsd.model import Absent, FileFacts, Found, Layer, Refused
from mapsd.model.layers import Met
from mapsd.parse.overlay_xattrs import is_opaque
from mapsd.resolve.lookup import Ask, Unasked, Walk, in_layer, is_whiteout
from mapsd.resolve.mounts import join

_FINE = Refused("")
ABOVE = "a layer above could not be asked"
UNSEEN = "it hangs on overlay attributes of the layers above, which cannot be seen"


class _Branch(NamedTuple):
    """A directory of a layer in which the next component is looked up.

    *by* is the place of what hides it among all that was met; *doubt* says that an attribute above, which cannot be
    seen, may decide otherwise.
    """

    layer: Layer
    directory: bytes
    by: int | None = None
    doubt: bool = False


def descend(layers: Sequence[Layer], path: bytes, ask: Ask, *, visible: bool = True,
            metacopy: bool = True) -> tuple[Met, ...]:
    """Return what lies in the layers at *path* (relative to the overlay's root) and on the way, layer by layer.

    Components come before layers. *visible* says that overlay attributes are seen, *metacopy* that a file may be one.
    """
    descent = _Descent(layers, ask, visible=visible, metacopy=metacopy)
    if path:
        descent.down(path)
    else:
        descent.root()
    return tuple(descent.met)


class _Descent:
    """What was met so far."""

    def __init__(self, layers: Sequence[Layer], ask: Ask, *, visible: bool, metacopy: bool) -> None:
        self._merged = [layer for layer in layers if layer.role != "data"]
        self._data = [layer for layer in layers if layer.role == "data"]
        self._ask, self._visible, self._metacopy = ask, visible, metacopy
        self.met: list[Met] = []

    def root(self) -> None:
        """Meet the roots of the layers: all are merged, whatever their attributes say."""
        for layer in self._merged:
            self._note(_Branch(layer, b""), b"", self._ask(layer, b""), "merged", named=True)

    def down(self, path: bytes) -> None:
        """Meet a name, component by component."""
        branches = [_Branch(layer, b"") for layer in self._merged]
        *parents, last = path.split(b"/")
        for component in parents:
            branches = self._component(Walk(component), branches, named=False)
        walk = Walk(last)
        self._component(walk, branches, named=True)
        self._in_data_layers(walk)

    def _component(self, walk: Walk, branches: list[_Branch], *, named: bool) -> list[_Branch]:
        todo, left = list(branches), []
        by, doubt = None, False
        while todo:
            branch = todo.pop(0)
            branch = branch._replace(by=by if branch.by is None else branch.by, doubt=branch.doubt or doubt)
            if branch.by is not None:
                left += self._hidden(branch, walk.name, named=named)
                continue
            absolute, start = walk.name.startswith(b"/"), len(self.met)
            found, asked, failed = self._live(walk, branch, named=named)
            left += found
            if walk.name.startswith(b"/") and not absolute:
                # As in the lookup itself: an absolute redirect starts over at the root's layers below this one.
                todo = [_Branch(below, b"", None, branch.doubt) for below in self._merged
                        if below.position > branch.layer.position]
            if failed or walk.stop:
                by = self._stopper(start)
            doubt = doubt or failed or (not self._visible and any(map(self._may_be_marked, asked)))
        return left

    def _live(self, walk: Walk, branch: _Branch, *, named: bool) -> tuple[list[_Branch], list[Found], bool]:
        """Return the directory to go on in, what was asked for, and whether the lookup cannot go on."""
        asked: list[tuple[bytes, Found]] = []

        def ask(layer: Layer, path: bytes) -> Found:
            asked.append((path, self._ask(layer, path)))
            return asked[-1][1]

        absolute = walk.name.startswith(b"/")
        target = walk.name[1:] if absolute else join(branch.directory, walk.name)
        piece, failure = None, _FINE
        try:
            piece = in_layer(walk, branch.layer, b"" if absolute else branch.directory, ask)
        except Unasked as unasked:
            failure = unasked.refused
        for path, found in asked:
            at_name = path == target
            what = "unknown" if failure.reason and path == asked[-1][0] else (
                _role(found, walk, piece is not None, at_name=at_name, named=named))
            if what:
                self._note(branch, path, found, what, named=named and at_name, failure=failure)
        # Below anything else there is no name, and what a symbolic link leads to is another one.
        goes_on = piece is not None and piece.facts.kind == "directory"
        left = [branch._replace(directory=piece.path)] if piece is not None and goes_on else []
        return left, [found for _, found in asked], bool(failure.reason)

    def _hidden(self, branch: _Branch, name: bytes, *, named: bool) -> list[_Branch]:
        path = name[1:] if name.startswith(b"/") else join(branch.directory, name)
        found = self._ask(branch.layer, path)
        if isinstance(found, Absent):
            return []
        if isinstance(found, FileFacts) and not is_whiteout(found) and not named:
            return [branch._replace(directory=path)] if found.kind == "directory" else []
        what = "whiteout" if isinstance(found, FileFacts) and is_whiteout(found) else "hidden"
        self._note(branch, path, found, what, named=named)
        return []

    def _in_data_layers(self, walk: Walk) -> None:
        """Meet the data that a metacopy leads to: only a lower one does, and its last redirect must be absolute."""
        live = [one for one in self.met if one.named and one.what == "metacopy"]
        if not walk.metacopy or not walk.absolute or not any(one.layer.role == "lower" for one in live):
            return
        by = None
        for layer in self._data:
            path = walk.name[1:]
            found = self._ask(layer, path)
            if isinstance(found, Absent) or (isinstance(found, FileFacts) and found.kind != "file"):
                continue
            self._note(_Branch(layer, b"", by), path, found, "opens" if by is None else "hidden", named=True)
            by = len(self.met) - 1 if by is None else by

    def _note(self, branch: _Branch, path: bytes, found: Found, what: str, *, named: bool,
              failure: Refused = _FINE) -> None:
        if isinstance(found, Absent):
            return
        refused = found if isinstance(found, Refused) else failure if what == "unknown" else (
            self._doubt(branch, found, what))
        by = branch.by
        if what == "hidden" and by is None:
            # Of another kind than what lies above it.
            by = max(number for number, one in enumerate(self.met) if one.named)
        what = "unknown" if refused.reason else what
        self.met.append(Met(branch.layer, path, found, what, named, by, refused.reason, refused.needs))

    def _doubt(self, branch: _Branch, found: FileFacts, what: str) -> Refused:
        """Return why it is not known what an entry is, nothing where it is."""
        if what not in {"opens", "metacopy", "merged", "hidden"}:
            return _FINE
        if branch.doubt:
            return Refused(ABOVE) if self._visible else Refused(UNSEEN, "CAP_SYS_ADMIN")
        if what == "hidden" and not self._visible and found.kind == "file" and not found.size:
            return Refused("an empty file may be a whiteout by an attribute that cannot be seen", "CAP_SYS_ADMIN")
        return _FINE

    def _stopper(self, start: int) -> int:
        """Return the place of what ended the lookup in a layer whose entries begin at *start*."""
        for number, one in enumerate(self.met[start:], start):
            if isinstance(one.found, Refused) or is_whiteout(one.found) or one.found.kind != "directory" or one.opaque:
                return number
        return len(self.met) - 1

    def _may_be_marked(self, found: Found) -> bool:
        """Return whether attributes that cannot be seen may make more of an entry than it looks."""
        if not isinstance(found, FileFacts):
            return False
        return found.kind == "directory" or (found.kind == "file" and (self._metacopy or not found.size))


def _role(found: Found, walk: Walk, taken: bool, *, at_name: bool, named: bool) -> str:
    """Return what a live entry is to the overlay, empty where it is not worth a word."""
    if not isinstance(found, FileFacts):
        return ""
    if is_whiteout(found):
        return "whiteout"
    marks = dict(found.xattrs)
    if found.kind == "directory":
        if named and at_name:
            return "merged" if taken else "hidden"
        return "passed" if is_opaque(marks.get("opaque")) or "redirect" in marks else ""
    if not (named and at_name):
        return "blocked"
    if not taken:
        return "hidden"
    return "metacopy" if walk.metacopy else "opens"
