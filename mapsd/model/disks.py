"""The nouns of a dead host's disk: images, containers that do not run, their layers, what a name in them opens."""

from mapsd.light import NamedTuple
from mapsd.model import Absent, Refused
from mapsd.model.containers import Container, ImageLayer, ImageLayers, Unidentified
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


class Image(NamedTuple):
    """An image of a store, whether a container was made from it or not; what is not established is None.

    *engine* is docker, containerd, or containers/storage, which Podman, CRI-O and Buildah share. *id* is the digest of
    its configuration, *digest* that of its manifest or index, which registries know it by; *names* are what it is
    called now. *store* and the rest are as in Container; *key* is what the store calls the topmost layer. *reason* says
    what is missing, and why.
    """

    engine: str
    id: str | None
    digest: str | None
    names: tuple[str, ...]
    store: bytes
    driver: str = ""
    key: str = ""
    group: str = ""
    others: tuple[bytes, ...] = ()
    reason: str | None = None


class StoredImage(NamedTuple):
    """An image with its layers, and the *containers* of the disk that are known to have been made from it.

    A layer that the store has not unpacked has an empty directory.
    """

    image: Image
    layers: ImageLayers
    containers: tuple[Container, ...]


class Images(NamedTuple):
    """The images of a disk's stores; *unidentified* are stores with something spoilt, by their directories.

    *as_of* is in seconds since the epoch.
    """

    images: tuple[StoredImage, ...]
    unidentified: tuple[tuple[str, Unidentified], ...]
    as_of: float


class PlacedLayer(NamedTuple):
    """A layer of an image; *reason* says why its directory cannot be opened, and *needs* what would help."""

    layer: ImageLayer
    reason: str = ""
    needs: str = ""


class PlacedLayers(NamedTuple):
    """The layers of an image, the base first; *reason* says what is missing. *as_of* is in seconds since the epoch."""

    image: Image
    layers: tuple[PlacedLayer, ...]
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
