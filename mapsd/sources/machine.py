"""The machine of a process, as its layers and the names in them are looked through."""

from mapsd.light import Protocol, Sequence
from mapsd.model import LayerDir
from mapsd.model.searched import Paths, Redirects
from mapsd.ports import Machine


class Layers(Machine, Protocol):
    """A machine with what only `layers` asks of it."""

    def listed(self, layer: LayerDir, path: bytes) -> Sequence[tuple[bytes, bool]]:
        """Return some names in a directory of a layer, and which of them are directories."""

    def parameters(self) -> dict[str, bool]:
        """Return those parameters of the overlay module that are switches and can be read."""


class Search(Protocol):
    """Directories that are walked through, bounded in time and entries."""

    def numbered(self, directory: LayerDir, number: int, *, mounts: bool = False) -> Paths:
        """Return the paths of the regular files whose inode numbers end in the same 32 bits as a *number*.

        That other *mounts* lie below is then no reason why some may be missing.
        """

    def regular(self, directory: LayerDir) -> Paths:
        """Return the paths of all regular files."""

    def redirects(self, directory: LayerDir, prefix: str, *, files: bool, again: bool = False) -> Redirects:
        """Return the redirects of a layer's directories, and of its *files* where these may have one.

        *again*: as they are now, not as they were when they were first asked for.
        """
