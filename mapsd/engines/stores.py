"""The stores of all engines: which container has a layer's directory as its own, and which layers its image has."""

from mapsd.engines import containerd, docker, storage
from mapsd.engines.documents import Unread
from mapsd.engines.place import Doubts, Place, places
from mapsd.engines.storageimages import Store
from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING, Callable, Sequence
from mapsd.model import Absent, Refused
from mapsd.model.containers import Container, ImageLayers, Unidentified

if TYPE_CHECKING:
    from mapsd.sources import Tree

    Open = Callable[[bytes], Tree | Absent | Refused]  # the files below a directory that the observer can open


class Trees:
    """What opens the files below directories that do not change, and keeps what was read of a containers/storage."""

    def __init__(self, open_tree: "Open") -> None:
        """Take what opens them."""
        self._open = open_tree
        self.kept: dict[bytes, Store] = {}

    def __call__(self, path: bytes) -> "Tree | Absent | Refused":
        """Return the files below a directory."""
        return self._open(path)


def container(directory: bytes, lowers: Sequence[bytes], open_tree: "Open") -> Container | Unidentified | None:
    """Return the container whose own layer's files are in a directory, None where that is no engine's.

    *lowers* are the directories of the layers below it.
    """
    refusals = []
    for place in places(directory):
        others = [one.store for lower in lowers for one in places(lower) if one.kind == place.kind]
        try:
            return _container(place, tuple(dict.fromkeys(one for one in others if one != place.store)), open_tree)
        except Unread as error:
            refusals.append(Unidentified(str(error), (error.needs,) if error.needs else ()))
        except ParseError as error:
            refusals.append(Unidentified(str(error)))
    return refusals[0] if refusals else None


def container_called(identity: str, place: Place, open_tree: "Open") -> Container | Unidentified:
    """Return the container with an id in the containers/storage at *place*."""
    try:
        return storage.container_called(identity, stores_of(place.store, (), open_tree), place)
    except Unread as error:
        return Unidentified(str(error), (error.needs,) if error.needs else ())


def image_layers(found: Container, open_tree: "Open") -> ImageLayers:
    """Return the layers of a container's image; none, with a reason, where they are not known."""
    if found.store is None or not found.driver:
        return ImageLayers((), "the container has no image in a store that is known")
    try:
        return _image_layers(found, found.store, open_tree)
    except (Unread, ParseError) as error:
        return ImageLayers((), str(error))


def _container(place: Place, others: Sequence[bytes], open_tree: "Open") -> Container:
    tree = opened(open_tree, place.store)
    if place.kind == "storage":
        return storage.container(stores_of(place.store, others, open_tree), place)
    if place.kind == "docker":
        return docker.container(tree, place)
    found = containerd.container(tree, place)
    return with_docker(found, tree, open_tree) if found.engine == "docker" else found


def _image_layers(found: Container, store: bytes, open_tree: "Open") -> ImageLayers:
    if found.group:
        return containerd.image_layers(opened(open_tree, store), found)
    if found.engine == "docker":
        return docker.image_layers(opened(open_tree, store), found)
    return storage.image_layers(stores_of(store, found.others, open_tree), found)


def stores_of(first: bytes, others: Sequence[bytes], open_tree: "Open") -> list[Store]:
    """Return a containers/storage, and further ones that may have its images. Raises Unread."""
    kept = open_tree.kept if isinstance(open_tree, Trees) else {}
    for path in (first, *others):
        if path not in kept:
            kept[path] = Store(path, opened(open_tree, path), {})
    return [kept[path] for path in (first, *others)]


def opened(open_tree: "Open", path: bytes) -> "Tree":
    """Return the files below a directory. Raises Unread."""
    tree = open_tree(path)
    if isinstance(tree, Refused):
        raise Unread(path, tree.reason, tree.needs)
    if isinstance(tree, Absent):
        raise Unread(path, "there is no such directory")
    return tree


def with_docker(found: Container, layers: "Tree", open_tree: "Open") -> Container:
    """Return what Docker itself keeps of a container whose layers are containerd's.

    Docker's directory is where it keeps its own containerd, or the usual one beside the system's.
    """
    store = found.store or b""
    for path in (store.removesuffix(b"/containerd/daemon"), store.rpartition(b"/")[0] + b"/docker"):
        tree = open_tree(path)
        if isinstance(tree, Absent | Refused):
            continue
        try:
            itself = docker.described(tree, found.id or "")
        except (Unread, ParseError):
            continue
        # Of an image in containerd's store Docker calls the digest that its name stands for its id.
        named, doubts = found._replace(name=itself.name, image=itself.image, image_digest=itself.image_id), Doubts()
        doubts.add(itself.reason)
        return (doubts.tried(containerd.with_image_id, layers, named) or named)._replace(reason=doubts.reason)
    return found._replace(reason=found.reason or "Docker's own directory is not known, which has the names")
