"""Files of a root that must not change while they are read."""

from mapsd.light import TYPE_CHECKING, Sequence
from mapsd.model import FileFacts, Found, Refused

if TYPE_CHECKING:
    from mapsd.sources import Tree

CHANGED = Refused("the package database changes while it is read")
ATTEMPTS = 3


class Watched:
    """What some names of a root were when this was made."""

    def __init__(self, tree: "Tree", paths: Sequence[bytes]) -> None:
        """Look at them."""
        self._tree, self._paths = tree, paths
        self._seen = self._now()

    def same(self) -> bool:
        """Return whether all of them are still what they were."""
        return self._now() == self._seen

    def _now(self) -> tuple[object, ...]:
        return tuple(_known_by(self._tree.entry(path)) for path in self._paths)


def _known_by(found: Found) -> object:
    if isinstance(found, FileFacts):
        # An overlay gives a directory another number whenever it forgot it (Documentation/filesystems/overlayfs.rst).
        number = 0 if found.kind == "directory" else found.inode
        return found.kind, found.st_dev, number, found.size, found.changed
    return found
