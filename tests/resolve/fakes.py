"""Layers made of dictionaries: a path of a layer to what lies there."""

from collections.abc import Mapping, Sequence
from itertools import count

from mapsd.model import Absent, DeviceId, FileFacts, Found, Layer, Refused
from mapsd.resolve.lookup import Hit, Miss, Outcome, Undecided, lookup

Tree = Mapping[str, Found]
_inodes = count(2)


def entry(kind: str, size: int = 100, **xattrs: bytes) -> FileFacts:
    """Return a file object of its own, its attributes without their prefix."""
    return FileFacts(kind, DeviceId(0, 40), next(_inodes), 1, size, 1, None, b"", tuple(xattrs.items()))


def file(size: int = 100, **xattrs: bytes) -> FileFacts:
    return entry("file", size, **xattrs)


def metacopy(**xattrs: bytes) -> FileFacts:
    return file(metacopy=b"", **xattrs)


def directory(**xattrs: bytes) -> FileFacts:
    return entry("directory", **xattrs)


def whiteout() -> FileFacts:
    return entry("whiteout")


def refused() -> Refused:
    return Refused("permission denied", "CAP_DAC_READ_SEARCH")


class FakeLayers:
    """An overlay of dictionaries, the topmost layer first; directories that lead to an entry exist by themselves."""

    def __init__(self, lowers: Sequence[Tree], upper: Tree | None = None, data: Sequence[Tree] = ()) -> None:
        roles = [*(["upper"] if upper is not None else []), *["lower"] * len(lowers), *["data"] * len(data)]
        trees = [*([upper] if upper is not None else []), *lowers, *data]
        first = 0 if upper is not None else 1
        self.layers = tuple(Layer(role, position, f"/{role}{position}".encode(), None)
                            for position, role in enumerate(roles, first))
        self._trees = {layer: _grown(tree) for layer, tree in zip(self.layers, trees, strict=True)}
        self.asked: list[tuple[int, str]] = []

    def ask(self, layer: Layer, path: bytes) -> Found:
        """Answer as a layer's directory does: nothing lies below what is no directory."""
        self.asked.append((layer.position, path.decode()))
        tree, parts = self._trees[layer], path.decode().split("/")
        for end in range(1, len(parts)):
            above = tree.get("/".join(parts[:end]), Absent())
            if not isinstance(above, FileFacts) or above.kind != "directory":
                return above if isinstance(above, Refused) else Absent()
        return tree.get(path.decode(), Absent())

    def lookup(self, path: str) -> Outcome:
        return lookup(self.layers, path.encode(), self.ask)

    def shown(self, path: str) -> str:
        """Return the outcome as text: `2:dir/file`, `2:file under 0:file`, `miss` or `undecided`."""
        match self.lookup(path):
            case Hit(found, metadata):
                assert found.facts == self._trees[found.layer][found.path.decode()]
                text = f"{found.layer.position}:{found.path.decode()}"
                return text if metadata is None else (
                    f"{text} under {metadata.layer.position}:{metadata.path.decode()}")
            case Miss():
                return "miss"
            case Undecided():
                return "undecided"


def _grown(tree: Tree) -> dict[str, Found]:
    grown: dict[str, Found] = {}
    for path in tree:
        parts = path.split("/")
        for end in range(1, len(parts)):
            grown.setdefault("/".join(parts[:end]), directory())
    return {**grown, **tree, "": directory()}
