"""The images of containers/storage, and the layers of which they are made.

    DRIVER/LAYER/diff                         the files of a layer
    DRIVER-layers/layers.json                 id, parent, diff-digest; also volatile-layers.json
    DRIVER-images/images.json                 id, names, digest, layer (the topmost)
    DRIVER-images/IMAGE/=BASE64               big data: what the image's configuration is called is its digest

See layers.go and images.go of containers/storage.
"""

from base64 import b64encode

from mapsd.engines.documents import Fields, Unread, content, documents, is_digest, is_name, optional, printable, shown
from mapsd.engines.image import LAYERS, Configuration, Kept, configuration, layers
from mapsd.engines.place import Doubts, directory_of
from mapsd.light import TYPE_CHECKING, Iterator, Mapping, NamedTuple, Sequence
from mapsd.model.containers import ImageLayers, Unidentified
from mapsd.model.disks import Image

if TYPE_CHECKING:
    from mapsd.sources import Tree


class Store(NamedTuple):
    """One store: its directory, the files below it, and the lists of it that were read (by their places)."""

    path: bytes
    tree: "Tree"
    known: dict[str, list[Fields]]


class Record(NamedTuple):
    """What a store says of one layer."""

    store: Store
    fields: Fields


def images(stores: Sequence[Store], driver: str) -> Iterator[Image | Unidentified]:
    """Yield the images of the first store, or why one of them is not known. Raises Unread."""
    where = f"{driver}-images/images.json".encode()
    for one in records(stores[0], f"{driver}-images", "images"):
        image = one.raw("id")
        if is_name(image) and (is_name(one.raw("layer")) or not one.raw("layer")):
            yield _image(one, image, stores, driver)
        else:
            yield Unidentified(f"{shown(where)}: an image's name or layer has a form that nobody knows")


def _image(record: Fields, image: str, stores: Sequence[Store], driver: str) -> Image:
    doubts, full, digest = Doubts(), f"sha256:{image}", record.raw("digest")
    where = f"{driver}-images/images.json".encode()
    names = [doubts.tried(printable, one, where) for one in doubts.tried(record.listed, "names") or ()
             if isinstance(one, str)]
    if not is_digest(full):
        doubts.add("it is not called by the digest of its configuration")
    return Image("containers/storage", full if is_digest(full) else None, digest if is_digest(digest) else None,
                 tuple(name for name in names if name), stores[0].path, driver, record.raw("layer"),
                 others=tuple(one.path for one in stores[1:]), reason=doubts.reason)


def image_layers(stores: Sequence[Store], found: Image) -> ImageLayers:
    """Return the layers of an image. Raises Unread."""
    known = records_of(stores, f"{found.driver}-layers", "layers")
    return described(list(chain(known, found.driver, found.key)), stores, found.driver, found.id)


def described(found: Sequence[Kept], stores: Sequence[Store], driver: str, image_id: str | None) -> ImageLayers:
    """Return layers, the topmost first, with what the configuration of their image says of them."""
    doubts = Doubts()
    made, reason = layers(list(reversed(found)), doubts.tried(_configuration, stores, driver, image_id))
    doubts.add(reason)
    return ImageLayers(made, doubts.reason)


def chain(known: Mapping[str, Record], driver: str, layer: str) -> Iterator[Kept]:
    """Yield a layer and those below it, the topmost first. Raises Unread where they do not form a chain."""
    where, left = f"{driver}-layers/layers.json".encode(), LAYERS
    while layer:
        left -= 1
        if layer not in known or not is_name(layer) or not left:
            raise Unread(where, "the chain of the image's layers has a gap, or no end")
        store, fields = known[layer]
        yield Kept(directory_of(store.path, driver, layer), _digest(fields, "diff-digest"),
                   _digest(fields, "compressed-diff-digest"))
        layer = fields.raw("parent")


def _digest(fields: Fields, name: str) -> str | None:
    text = fields.raw(name)
    return text if is_digest(text) else None


def _configuration(stores: Sequence[Store], driver: str, image_id: str | None) -> Configuration:
    if image_id is None or not is_digest(image_id):
        raise Unread(f"{driver}-images".encode(), "the image's configuration is not known by its digest")
    # makeBigDataBaseName(), images.go: a name with a colon is written as base64.
    path = f"{driver}-images/{image_id[7:]}/={b64encode(image_id.encode()).decode()}".encode()
    for store in stores[:-1]:
        text = optional(store.tree, path)
        if text is not None:
            return configuration(text, image_id, path)
    return configuration(content(stores[-1].tree, path), image_id, path)


def records_of(stores: Sequence[Store], directory: str, what: str) -> dict[str, Record]:
    """Return the records of all stores by their ids; the first store that has one counts. Raises Unread."""
    known: dict[str, Record] = {}
    for store in reversed(stores):
        known |= {one.raw("id"): Record(store, one) for one in records(store, directory, what)}
    return known


def records(store: Store, directory: str, what: str) -> list[Fields]:
    """Return what the two lists of one kind have: one of them need not outlive the machine's run. Raises Unread."""
    if directory not in store.known:
        found: list[Fields] = []
        for name in (f"{what}.json", f"volatile-{what}.json"):
            path = f"{directory}/{name}".encode()
            text = optional(store.tree, path)
            found += documents(text, path) if text else []
        store.known[directory] = found
    return store.known[directory]
