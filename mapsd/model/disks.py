"""The nouns of a dead host's disk: containers that do not run, their layers, and which layer's file a name opens."""

from mapsd.light import NamedTuple
from mapsd.model import Absent, Refused
from mapsd.model.containers import Container, ImageLayer, ImageLayers
from mapsd.model.layers import Met, Way, Winner


class Stack(NamedTuple):
    """The directories of a container's layers, the topmost first, as its engine stacks them.

    *form* says who merges them, and by which attributes: "trusted" and "user" (overlayfs, with `trusted.overlay.` or
    `user.overlay.`), "fuse-trusted" and "fuse-user" (fuse-overlayfs, of root or of another user), "plain" (nobody:
    there is one directory, which has all files). *writable* says that the topmost is the container's own.
    """

    directories: tuple[bytes, ...]
    form: str
    writable: bool = True


class Stored(NamedTuple):
    """A container of a store, its image's layers and its own *stack*; Refused where that is not known."""

    container: Container
    image: ImageLayers
    stack: Stack | Refused


class StoredLayer(NamedTuple):
    """One layer: `role` and `index` (*position*) as those of a mounted overlay, its directory as the observer names it.

    *image* is the image's layer that it is, None for one that is the container's own. *reason* says why the directory
    cannot be opened, and *needs* what would help.
    """

    role: str
    position: int
    directory: bytes
    image: ImageLayer | None
    reason: str = ""
    needs: str = ""


class StoredLayers(NamedTuple):
    """The layers of a container in the order of lookup; *as_of* is in seconds since the epoch."""

    container: Container
    form: str
    layers: tuple[StoredLayer, ...]
    reason: str | None
    as_of: float


class StoredWhich(NamedTuple):
    """Which file a name of a container would open, if its layers were mounted as its engine mounts them.

    *way* is where the name leads inside the container. *winner* is None where it leads to nothing. *met* is what lies
    in the layers, *visible* says that the attributes that decide could be read, *unseen* why they could not. *form* is
    Stack's, *layers* those of the container.
    """

    container: Container
    form: str
    as_of: float
    asked: bytes
    way: Way
    winner: Winner | None
    met: tuple[Met, ...]
    visible: bool
    unseen: str
    layers: tuple[StoredLayer, ...]

    @property
    def exists(self) -> bool | None:
        """Return whether the name leads to something, None where that is not known."""
        found = self.way.found
        return None if isinstance(found, Refused) else not isinstance(found, Absent)
