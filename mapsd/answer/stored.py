"""The layers of a container that does not run, and which of their files a name opens: nothing is mounted."""

from mapsd.light import TYPE_CHECKING, Callable, Sequence
from mapsd.model import Absent, Found, Layer, LayerDir, Refused
from mapsd.model.containers import Container, ImageLayers
from mapsd.model.disks import Stack, StoredLayer, StoredLayers, StoredWhich
from mapsd.model.layers import Way
from mapsd.pathnames import names
from mapsd.resolve.lookup import Ask
from mapsd.resolve.marks import family, marked, needs_trusted
from mapsd.resolve.survival import survived
from mapsd.resolve.unmounted import Unmounted

if TYPE_CHECKING:
    from mapsd.linux.disk import DiskFiles

UNREADABLE = "it hangs on overlay attributes of the layers above, which cannot be seen"
LOST = ("it hangs on overlay attributes of the layers above: no layer of the store has any, so the copy of the tree "
        "may have lost them")
_MISSING = "there is no such directory"


class Opened:
    """A container's stack with its directories opened on a disk."""

    def __init__(self, found: Container, stack: Stack, files: "DiskFiles") -> None:
        """Open the directories."""
        self.container, self.stack, self._files = found, stack, files
        roles = ["upper" if stack.writable and not place else "lower" for place in range(len(stack.directories))]
        self._there = [files.layer(one) for one in stack.directories]
        self.layers = [Layer(role, place + (not stack.writable), text, there if isinstance(there, LayerDir) else None)
                       for place, (role, text, there) in enumerate(zip(roles, stack.directories, self._there,
                                                                       strict=True))]

    def described(self, image: ImageLayers, now: float) -> StoredLayers:
        """Return the layers, with those of the *image* that they are; *now* is in seconds since the epoch."""
        made = tuple(self._described(one, there, image) for one, there in zip(self.layers, self._there, strict=True))
        return StoredLayers(self.container, self.stack.form, made, image.reason, now)

    def _described(self, layer: Layer, there: LayerDir | Absent | Refused, image: ImageLayers) -> StoredLayer:
        refused = self._refusal(there)
        return StoredLayer(layer.role, layer.position, layer.text, image.of(layer.text), refused.reason, refused.needs)

    def _refusal(self, there: LayerDir | Absent | Refused) -> Refused:
        return there if isinstance(there, Refused) else Refused(_MISSING if isinstance(there, Absent) else "")

    def ask(self, layer: Layer, path: bytes) -> Found:
        """Return an entry of a layer with its attributes by their whole names."""
        if layer.dir is None:
            there = next(there for one, there in zip(self.layers, self._there, strict=True) if one is layer)
            return Refused(f"a layer cannot be asked: {self._refusal(there).reason}", self._refusal(there).needs)
        return self._files.entry(layer.dir, path)

    def link(self, layer: Layer, path: bytes) -> bytes | Refused:
        """Return the text of a link of a layer."""
        return Refused(_MISSING) if layer.dir is None else self._files.link(layer.dir, path)

    def survived(self) -> bool:
        """Return whether the layers have any attribute of their overlay."""
        # That a store is a user's is known by its owner only, who may be whoever unpacked it.
        form = self.stack.form
        return survived(self.layers, self.ask, self._names, family(form), inside=form != "user")

    def _names(self, layer: Layer, path: bytes) -> Sequence[bytes]:
        return () if layer.dir is None else self._files.names(layer.dir, path)


def unseen(form: str, kept: Callable[[], bool], *, privileged: bool) -> tuple[str, str]:
    """Return why the attributes of a form are not seen, and what would help, nothing where they are.

    *kept* says whether the store has any, *privileged* that trusted ones are shown to us.
    """
    if not family(form):
        return "", ""
    if needs_trusted(form) and not privileged:
        return UNREADABLE, "CAP_SYS_ADMIN"
    return ("", "") if kept() else (LOST, "")


def which(opened: Opened, path: bytes, described: StoredLayers, doubt: tuple[str, str]) -> StoredWhich:
    """Return which file of its layers an absolute path of a container opens; *doubt* is what unseen() says."""
    form = opened.stack.form
    merged = Unmounted(opened.layers, _remembering(marked(form, opened.ask)), opened.link, *doubt,
                       metacopy=form == "trusted", served=form.startswith("fuse"))
    way = merged.way(path)
    met = merged.descent(whole(way))
    winner = merged.winner(way, met)
    return StoredWhich(opened.container, form, described.as_of, path, way, winner, met, not doubt[0], doubt[0],
                       described.layers)


def whole(way: Way) -> bytes:
    """Return the name that a way leads to, also where there is nothing."""
    return b"/" + b"/".join(names(way.path + b"/" + way.rest))


def _remembering(ask: Ask) -> Ask:
    known: dict[tuple[int, bytes], Found] = {}

    def asked(layer: Layer, path: bytes) -> Found:
        if (layer.position, path) not in known:
            known[layer.position, path] = ask(layer, path)
        return known[layer.position, path]
    return asked
