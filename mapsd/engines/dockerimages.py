"""The images of Docker's own store, also those without a name, and what their layers are known by.

    image/DRIVER/imagedb/content/sha256/IMAGE     an image's configuration
    image/DRIVER/repositories.json                names and registries' digests of images
    image/DRIVER/layerdb/sha256/CHAIN/            diff, cache-id (the layer's directory), parent
    image/DRIVER/distribution/v2metadata-by-diffid/sha256/DIFF        digests that registries know a layer by

See image/fs.go, reference/store.go, layer/filestore.go and distribution/metadata of moby.
"""

from mapsd.engines.documents import (
    Unread,
    content,
    document,
    documents,
    is_digest,
    is_name,
    line,
    names,
    optional,
    printable,
    shown,
)
from mapsd.engines.image import Configuration, Kept, chain_ids, configuration, layers
from mapsd.engines.place import Doubts, directory_of
from mapsd.light import TYPE_CHECKING, Iterator, Sequence
from mapsd.model.containers import ImageLayers, Unidentified
from mapsd.model.disks import Image

if TYPE_CHECKING:
    from mapsd.sources import Tree

REPOSITORIES = b"repositories.json"


def images(tree: "Tree", store: bytes, driver: str) -> Iterator[Image | Unidentified]:
    """Yield the images of a store, or why one of them is not known. Raises Unread."""
    doubts, named = Doubts(), dict[str, list[str]]()
    for called, image_id in (doubts.tried(references, tree, driver) or {}).items():
        named.setdefault(image_id, []).append(called)
    for name in names(tree, f"image/{driver}/imagedb/content/sha256".encode()):
        image_id = "sha256:" + name.decode("ascii", "replace")
        if is_digest(image_id):
            own = named.get(image_id, [])
            yield _called(Image("docker", image_id, digest_in(own), (), store, driver, reason=doubts.reason), own)
        else:
            yield Unidentified(f"{shown(name)}: an image's name has a form that nobody knows")


def _called(found: Image, own: Sequence[str]) -> Image:
    """Return an image with those of its own names that can be shown."""
    doubts = Doubts()
    doubts.add(found.reason)
    tags = [doubts.tried(printable, name, REPOSITORIES) for name in own if "@" not in name]
    if found.digest is None:
        doubts.add("it has no digest of one registry: it was built or loaded here, or pulled from several")
    return found._replace(names=tuple(name for name in tags if name), reason=doubts.reason)


def image_layers(tree: "Tree", found: Image) -> ImageLayers:
    """Return the layers of an image, by what its configuration says. Raises Unread."""
    config, doubts = configured(tree, found.driver, found.id), Doubts()
    kept, below = [], ""
    for diff_id, chain in zip(config.diff_ids, chain_ids(config.diff_ids), strict=True):
        cache = doubts.tried(_cache_of, tree, found.driver, chain, below, diff_id)
        kept.append(Kept(directory_of(found.store, found.driver, cache) if cache else b"", diff_id,
                         doubts.tried(registry_digest, tree, found.driver, diff_id)))
        below = chain
    made, reason = layers(kept, config)
    doubts.add(reason)
    return ImageLayers(made, doubts.reason)


def _cache_of(tree: "Tree", driver: str, chain: str, below: str, diff_id: str) -> str:
    """Return the name of a layer's directory. Raises Unread."""
    at = f"image/{driver}/layerdb/sha256/{chain[7:]}/".encode()
    cache, parent = line(tree, at + b"cache-id"), optional(tree, at + b"parent")
    if line(tree, at + b"diff") != diff_id or (parent or b"").strip() != below.encode():
        raise Unread(at, "the layer is not what its name says")
    if not is_name(cache):
        raise Unread(at + b"cache-id", "a layer's name has a form that nobody knows")
    return cache


def references(tree: "Tree", driver: str) -> dict[str, str] | None:
    """Return the ids of images by their names, and by NAME@DIGEST; None where none has one. Raises Unread."""
    path = f"image/{driver}/".encode() + REPOSITORIES
    text = optional(tree, path)
    if text is None:
        return None
    listed = document(text, path).fields("Repositories")
    every = [listed.fields(name) for name in listed.names()]
    return {name: one.raw(name) for one in every for name in one.names()}


def digest_in(own: Sequence[str]) -> str | None:
    """Return the digest that a registry knows an image of these names by, None where it is not one."""
    digests = {name.rpartition("@")[2] for name in own if "@" in name}
    only = digests.pop() if len(digests) == 1 else None
    return only if is_digest(only) else None


def configured(tree: "Tree", driver: str, image_id: str | None) -> Configuration:
    """Return the configuration of an image. Raises Unread."""
    path = f"image/{driver}/imagedb/content/sha256/{(image_id or '')[7:]}".encode()
    if image_id is None or not is_digest(image_id):
        raise Unread(path, "the container's image is not known")
    return configuration(content(tree, path), image_id, path)


def registry_digest(tree: "Tree", driver: str, diff_id: str) -> str | None:
    """Return the digest that registries know a layer by, None where there is none, or several are. Raises Unread."""
    path = f"image/{driver}/distribution/v2metadata-by-diffid/sha256/{diff_id[7:]}".encode()
    text = optional(tree, path)
    if text is None:
        return None
    digests = {one.raw("Digest") for one in documents(text, path)}
    only = digests.pop() if len(digests) == 1 else None
    return only if is_digest(only) else None
