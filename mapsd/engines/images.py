"""Every image of a store, also one that no container was made from, its layers, and the containers made from it."""

from mapsd.engines import containerdimages, dockerimages, storageimages
from mapsd.engines.documents import Unread
from mapsd.engines.listing import Kind, kinds
from mapsd.engines.stores import opened, stores_of
from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING, Iterator, Sequence
from mapsd.model.containers import Container, ImageLayers, Unidentified
from mapsd.model.disks import Image

if TYPE_CHECKING:
    from mapsd.engines.stores import Open


def images(store: bytes, open_tree: "Open", others: Sequence[bytes] = ()) -> Iterator[Image | Unidentified]:
    """Yield the images of the store in a directory, or why one of them is not known.

    *others* are further stores of containers/storage that may have its layers.
    """
    try:
        kinds_of_it = kinds(opened(open_tree, store))
    except Unread as error:
        yield Unidentified(str(error))
        return
    for kind in kinds_of_it:
        try:
            yield from _of_kind(kind, store, open_tree, others)
        except (Unread, ParseError) as error:
            yield Unidentified(str(error))


def _of_kind(kind: Kind, store: bytes, open_tree: "Open", others: Sequence[bytes]) -> Iterator[Image | Unidentified]:
    if kind.name == "storage":
        return storageimages.images(stores_of(store, others, open_tree), kind.driver)
    if kind.name == "docker":
        return dockerimages.images(opened(open_tree, store), store, kind.driver)
    return containerdimages.images(opened(open_tree, store), store)


def image_layers(found: Image, open_tree: "Open") -> ImageLayers:
    """Return the layers of an image; none, with a reason, where they are not known."""
    try:
        if found.engine == "containers/storage":
            return storageimages.image_layers(stores_of(found.store, found.others, open_tree), found)
        if found.driver:
            return dockerimages.image_layers(opened(open_tree, found.store), found)
        return containerdimages.image_layers(opened(open_tree, found.store), found)
    except (Unread, ParseError) as error:
        return ImageLayers((), str(error))


def made_from(images: Sequence[Image], containers: Sequence[Container]) -> list[tuple[Container, ...]]:
    """Return for each image those *containers* that are known to have been made from it."""
    found: list[list[Container]] = [[] for _ in images]
    for one in containers:
        # The first of its stores that has the image counts, as for the engine.
        places = [((one.store, *one.others).index(image.store), place) for place, image in enumerate(images)
                  if _is_of(one, image)]
        if places:
            found[min(places)[1]].append(one)
    return [tuple(each) for each in found]


def _is_of(container: Container, one: Image) -> bool:
    if container.image_id is None or one.id != container.image_id or one.group != container.group:
        return False
    if container.group:
        return one.store == container.store and one.digest == container.image_digest
    return one.store in {container.store, *container.others} and one.driver == container.driver and (
        (one.engine == "docker") == (container.engine == "docker"))
