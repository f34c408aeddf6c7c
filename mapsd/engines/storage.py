"""containers/storage, the store of Podman, CRI-O and Buildah: the directory that `podman info` calls graphRoot.

    DRIVER/LAYER/diff                         the files of a layer
    DRIVER-containers/containers.json         id, names, image, layer, metadata; also volatile-containers.json
    DRIVER-{layers,images}                    see mapsd.engines.storageimages

See containers.go of containers/storage; the metadata are Podman's (libpod/storage.go) or CRI-O's
(internal/storage/runtime.go). Layers and images may be in further stores (additionalimagestores of
containers-storage.conf(5)).
"""

from mapsd.engines.documents import Fields, Unread, document, is_digest, is_name
from mapsd.engines.image import Kept
from mapsd.engines.libpod import Pods
from mapsd.engines.place import Doubts, Place, directory_of
from mapsd.engines.storageimages import Store, chain, described, records, records_of
from mapsd.light import Iterator, Sequence
from mapsd.model.containers import Container, ImageLayers, Unidentified


def container(stores: Sequence[Store], place: Place) -> Container:
    """Return the container whose own layer is at a place of the first store. Raises Unread."""
    return _only("layer", place.key, stores, place)


def container_called(identity: str, stores: Sequence[Store], place: Place) -> Container:
    """Return the container with an id in the first store, whose driver is that of a place. Raises Unread."""
    return _only("id", identity, stores, place)


def containers(stores: Sequence[Store], driver: str) -> Iterator[Container | Unidentified]:
    """Yield the containers of the first store, or why one of them is not known. Raises Unread."""
    listed, pods = records(stores[0], f"{driver}-containers", "containers"), Pods(stores[0].tree)
    for one in listed:
        if is_name(one.raw("id")) and is_name(one.raw("layer")):
            yield _described(one, listed, stores, Place("storage", stores[0].path, driver, one.raw("layer")), pods)
        else:
            yield Unidentified(f"{driver}-containers: a container's name has a form that nobody knows")


def stack(stores: Sequence[Store], found: Container) -> list[bytes]:
    """Return the directories of a container's layers, its own first. Raises Unread."""
    own = directory_of(stores[0].path, found.driver, found.key)
    return [own, *(one.directory for one in _below(stores, found))]


def _only(field: str, wanted: str, stores: Sequence[Store], place: Place) -> Container:
    listed = records(stores[0], f"{place.driver}-containers", "containers")
    found = [one for one in listed if one.raw(field) == wanted]
    if len(found) != 1 or not is_name(found[0].raw("id")):
        raise Unread(f"{place.driver}-containers/containers.json".encode(),
                     f"{len(found) or 'no'} containers have the {field} {wanted}")
    own = place._replace(key=found[0].raw("layer"))
    return _described(found[0], listed, stores, own, Pods(stores[0].tree))


def _described(found: Fields, listed: list[Fields], stores: Sequence[Store], place: Place, pods: Pods) -> Container:
    doubts, where = Doubts(), f"{place.driver}-containers/containers.json".encode()
    metadata = doubts.tried(_metadata, found, where) or Fields({}, where)
    engine = _engine(found, metadata)
    names = doubts.tried(lambda: [name for name in found.listed("names") if isinstance(name, str)]) or []
    made = Container(engine, found.raw("id"), None, doubts.tried(metadata.text, "image-name"),
                     store=place.store, driver=place.driver, key=place.key,
                     others=tuple(store.path for store in stores[1:]))
    made = made._replace(name=doubts.tried(_name, engine, metadata, names, where))
    made = _with_pod(made, metadata, listed, pods, doubts)
    made = _with_image(made, found.raw("image"), stores, doubts)
    return made._replace(reason=doubts.reason)


def _metadata(found: Fields, where: bytes) -> Fields:
    text = found.raw("metadata")
    return document(text.encode("utf-8", "replace"), where) if text else Fields({}, where)


def _engine(found: Fields, metadata: Fields) -> str | None:
    if metadata.has("pod-id") and metadata.has("metadata-name"):
        return "cri-o"
    if "buildah.json" in found.listed("big-data-names"):
        return "buildah"
    return "podman" if metadata.has("image-id") and metadata.has("name") else None


def _name(engine: str | None, metadata: Fields, names: list[str], where: bytes) -> str | None:
    """Return what users call the container: in a pod CRI-O's own name has pod, namespace and more in it."""
    if engine == "cri-o" and not metadata.flag("pod"):
        return metadata.text("metadata-name")
    return Fields({"names": names[0]}, where).text("names") if names else None


def _with_pod(made: Container, metadata: Fields, listed: list[Fields], pods: Pods, doubts: Doubts) -> Container:
    if made.engine == "podman":
        return made._replace(pod=doubts.tried(pods.of, made.id or ""))
    if made.engine != "cri-o":
        return made
    # Kubernetes' names are those of the pod's own container, which has the pod's id.
    sandboxes = [one for one in listed if one.raw("id") == metadata.raw("pod-id")]
    if len(sandboxes) != 1:
        doubts.add("the pod's own container is gone: pod and namespace are not known")
        return made
    where = f"{made.driver}-containers/containers.json".encode()
    pod = doubts.tried(_metadata, sandboxes[0], where)
    if pod is None or not pod.flag("pod"):
        return made
    return made._replace(pod=doubts.tried(pod.text, "metadata-name"),
                         namespace=doubts.tried(pod.text, "namespace"))


def _with_image(made: Container, image: str, stores: Sequence[Store], doubts: Doubts) -> Container:
    if not image:
        doubts.add("the container was made from no image")
        return made
    full = f"sha256:{image}"
    made = made._replace(image_id=full if is_digest(full) else None)
    for store in stores:
        listed = doubts.tried(records, store, f"{made.driver}-images", "images")
        for one in listed or ():
            if one.raw("id") == image:
                return _of_record(made, one, doubts)
    doubts.add("the image has been removed, or is in a store that is not known")
    return made


def _of_record(made: Container, record: Fields, doubts: Doubts) -> Container:
    digest = record.raw("digest")
    names = [name for name in doubts.tried(record.listed, "names") or () if isinstance(name, str)]
    if made.image is not None and made.image not in names:
        doubts.add("the image does not have the name any more that the container was made from")
    return made._replace(image_digest=digest if is_digest(digest) else None)


def image_layers(stores: Sequence[Store], found: Container) -> ImageLayers:
    """Return the layers of a container's image. Raises Unread."""
    return described(list(_below(stores, found)), stores, found.driver, found.image_id)


def _below(stores: Sequence[Store], found: Container) -> Iterator[Kept]:
    """Yield the layers below the container's own, the topmost first. Raises Unread."""
    known = records_of(stores, f"{found.driver}-layers", "layers")
    if found.key not in known:
        raise Unread(f"{found.driver}-layers/layers.json".encode(), f"it does not have the layer {found.key}")
    return chain(known, found.driver, known[found.key].fields.raw("parent"))
