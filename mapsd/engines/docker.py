"""Docker's own store, before its containerd store: the directory that `docker info` calls Docker Root Dir.

    DRIVER/ID/diff                                the files of a layer; ID-init is the container's own as well
    image/DRIVER/layerdb/mounts/CONTAINER/        mount-id (its ID above), parent (the chain id of the top layer)
    image/DRIVER/layerdb/sha256/CHAIN/            diff, cache-id (its ID above), parent
    image/DRIVER/{imagedb,repositories.json}      see mapsd.engines.dockerimages
    containers/CONTAINER/config.v2.json           the container

See layer/filestore.go of moby. With userns-remap all of it is below UID.GID/.
"""

from mapsd.engines.dockerimages import REPOSITORIES, configured, digest_in, references, registry_digest
from mapsd.engines.documents import (
    Unread,
    content,
    document,
    is_digest,
    is_name,
    line,
    names,
    optional,
    printable,
    shown,
)
from mapsd.engines.image import LAYERS, Kept, chain_ids, layers
from mapsd.engines.place import Doubts, Place, directory_of
from mapsd.light import TYPE_CHECKING, Iterator
from mapsd.model.containers import Container, ImageLayers, Unidentified

if TYPE_CHECKING:
    from mapsd.sources import Tree


def container(tree: "Tree", place: Place) -> Container:
    """Return the container whose own layer is at a place. Raises Unread."""
    mounts, doubts = f"image/{place.driver}/layerdb/mounts".encode(), Doubts()
    found = [name.decode("ascii", "replace") for name in names(tree, mounts)
             if doubts.tried(line, tree, mounts + b"/" + name + b"/mount-id") == place.key]
    if len(found) != 1 or not is_name(found[0]):
        raise Unread(mounts, doubts.reason or f"{len(found) or 'no'} containers have the layer {place.key}")
    return described(tree, found[0])._replace(store=place.store, driver=place.driver, key=place.key)


def containers(tree: "Tree", store: bytes, driver: str) -> Iterator[Container | Unidentified]:
    """Yield the containers of a store, or why one of them is not known. Raises Unread."""
    mounts = f"image/{driver}/layerdb/mounts".encode()
    for name in names(tree, mounts):
        identity = name.decode("ascii", "replace")
        if not is_name(identity):
            yield Unidentified(f"{shown(name)}: a container's name has a form that nobody knows")
            continue
        try:
            key = line(tree, mounts + b"/" + name + b"/mount-id")
            yield described(tree, identity)._replace(store=store, driver=driver, key=key)
        except Unread as error:
            yield Unidentified(f"{shown(name)}: {error}")


def stack(tree: "Tree", found: Container) -> list[bytes]:
    """Return the directories of a container's layers, its own first. Raises Unread."""
    path = f"image/{found.driver}/layerdb/mounts/{found.id}/init-id".encode()
    own = [found.key] if optional(tree, path) is None else [found.key, line(tree, path)]
    keys = [*own, *(cache for _, cache in _chain(tree, found))]
    if not all(map(is_name, keys)):
        raise Unread(path, "a layer's name has a form that nobody knows")
    return [directory_of(found.store or b"", found.driver, key) for key in keys]


def described(tree: "Tree", identity: str) -> Container:
    """Return what the container's own file says of it. Raises Unread."""
    path = f"containers/{identity}/config.v2.json".encode()
    fields, doubts = document(content(tree, path), path), Doubts()
    if fields.raw("ID") != identity:
        raise Unread(path, "it is another container's")
    name, image = doubts.tried(fields.text, "Name"), doubts.tried(lambda: fields.fields("Config").text("Image"))
    image_id = fields.raw("Image")
    driver = fields.raw("Driver")
    found = Container("docker", identity, name.removeprefix("/") if name else None, image,
                      image_id if is_digest(image_id) else None)
    if is_name(driver):
        found = doubts.tried(_with_repositories, tree, found, driver, doubts) or found
    return found._replace(reason=doubts.reason)


def _with_repositories(tree: "Tree", found: Container, driver: str, doubts: Doubts) -> Container:
    """Return a container with what the names of images say: which of them are its image's by now."""
    named = references(tree, driver)
    if named is None:
        return found
    own = [name for name, image_id in named.items() if image_id == found.image_id]
    digest = digest_in(own)
    if digest is None:
        doubts.add("the image has no digest of one registry: it was built or loaded here, or pulled from several")
    made = found._replace(image_digest=digest)
    asked = _tagged(found.image or "")
    if asked not in named and _is_id(found.image or "", found.image_id or ""):
        tags = [name for name in own if "@" not in name]
        return made._replace(image=printable(tags[0], REPOSITORIES) if len(tags) == 1 else None)
    if named.get(asked, found.image_id) != found.image_id:
        doubts.add("the image's name stands for another image by now")
    return made


def _tagged(image: str) -> str:
    """Return a name as Docker keeps it."""
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"


def _is_id(image: str, image_id: str) -> bool:
    """Return whether a container was made from an image's id, or the beginning of it."""
    begin = image.removeprefix("sha256:")
    return bool(begin) and image_id.removeprefix("sha256:").startswith(begin)


def image_layers(tree: "Tree", found: Container) -> ImageLayers:
    """Return the layers of a container's image. Raises Unread."""
    doubts = Doubts()
    kept = [Kept(directory_of(found.store or b"", found.driver, cache), diff_id,
                 doubts.tried(registry_digest, tree, found.driver, diff_id))
            for diff_id, cache in reversed(list(_chain(tree, found)))]
    made, reason = layers(kept, doubts.tried(configured, tree, found.driver, found.image_id))
    doubts.add(reason)
    return ImageLayers(made, doubts.reason)


def _chain(tree: "Tree", found: Container) -> Iterator[tuple[str, str]]:
    """Yield diff id and directory of each layer, the topmost first. Raises Unread where they do not form a chain."""
    database = f"image/{found.driver}/layerdb"
    path = f"{database}/mounts/{found.id}/parent".encode()
    parent = optional(tree, path)
    chain = None if parent is None else line(tree, path)
    met: list[tuple[str, str]] = []
    while chain is not None:
        if not is_digest(chain) or len(met) >= LAYERS:
            raise Unread(path, "the chain of the image's layers has no end")
        at = f"{database}/sha256/{chain[7:]}/".encode()
        diff_id, cache = line(tree, at + b"diff"), line(tree, at + b"cache-id")
        if not is_name(cache) or not is_digest(diff_id):
            raise Unread(at + b"cache-id", "a layer's name or digest has a form that nobody knows")
        met.append((chain, diff_id))
        yield diff_id, cache
        path = at + b"parent"
        chain = None if optional(tree, path) is None else line(tree, path)
    if chain_ids([diff_id for _, diff_id in reversed(met)]) != [name for name, _ in reversed(met)]:
        raise Unread(path, "the names of the layers are not made of their digests")
