"""containerd's store, also where it is Docker's or Kubernetes': the directory that its configuration calls root.

    SNAPSHOTTER                                   see mapsd.engines.snapshots
    io.containerd.metadata.v1.bolt/meta.db        v1/GROUP/containers/ID: image, snapshotter, snapshotKey, labels
    io.containerd.content.v1.content/blobs/sha256/DIGEST      manifests and configurations

See core/metadata/buckets.go of containerd, and mapsd.engines.metadata for the rest of meta.db.
"""

from mapsd.engines import cri
from mapsd.engines.blobs import Unpacked, unpacked
from mapsd.engines.database import opened
from mapsd.engines.documents import Unread, is_name, shown
from mapsd.engines.image import Kept, layers
from mapsd.engines.metadata import DOCKER, META, key_of, moment, target, text
from mapsd.engines.place import Doubts, Place, directory_of
from mapsd.engines.snapshots import SNAPSHOTTER, Snapshot, chain, numbered, of_image, snapshots
from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING, Iterator, Sequence
from mapsd.model.containers import Container, ImageLayers, Unidentified
from mapsd.parse.bbolt import Bucket

if TYPE_CHECKING:
    from mapsd.sources import Tree

_POD, _NAMESPACE, _NAME = (f"io.kubernetes.{one}".encode() for one in ("pod.name", "pod.namespace", "container.name"))


def container(tree: "Tree", place: Place) -> Container:
    """Return the container whose own layer is at a place. Raises Unread, ParseError."""
    return _container(tree, place, numbered(snapshots(tree, place.driver), int(place.key)), opened(tree, META))


def containers(tree: "Tree", store: bytes) -> Iterator[Container | Unidentified]:
    """Yield the containers of a store, or why one of them is not known. Raises Unread, ParseError."""
    databases: dict[str, Bucket] = {}
    root = opened(tree, META)
    groups = root.bucket(b"v1")
    for group, meta in groups.buckets() if groups is not None else ():
        listed = meta.bucket(b"containers")
        for identity, record in listed.buckets() if listed is not None else ():
            try:
                driver = SNAPSHOTTER + (text(record, b"snapshotter") or "")
                if driver not in databases:
                    databases[driver] = snapshots(tree, driver)
                found = chain(databases[driver], _key_in(meta, record))
                yield _container(tree, Place("containerd", store, driver, str(found[0].number)), found, root)
            except (Unread, ParseError) as error:
                yield Unidentified(f"{shown(group)}/{shown(identity)}: {error}")


def stack(tree: "Tree", found: Container) -> list[bytes]:
    """Return the directories of a container's layers, its own first. Raises Unread, ParseError."""
    return [directory_of(found.store or b"", found.driver, str(one.number)) for one in _own_chain(tree, found)]


def image_layers(tree: "Tree", found: Container) -> ImageLayers:
    """Return the layers of a container's image. Raises Unread, ParseError."""
    below, doubts = list(reversed(of_image(_own_chain(tree, found)[1:]))), Doubts()
    image = doubts.tried(_contents, tree, found, [one.name for one in below])
    # The chain id of a base layer is its own digest.
    kept = [Kept(directory_of(found.store or b"", found.driver, str(one.number)), one.name if not above else None)
            for above, one in enumerate(below)]
    digests = image.digests if image is not None and len(image.digests) == len(kept) else (None,) * len(kept)
    made, reason = layers([one._replace(digest=digest) for one, digest in zip(kept, digests, strict=True)],
                          image.config if image is not None else None)
    doubts.add(reason)
    return ImageLayers(made, doubts.reason)


def with_image_id(tree: "Tree", found: Container) -> Container:
    """Return a container whose image's digest is known with the image's id. Raises Unread, ParseError."""
    below = reversed(of_image(_own_chain(tree, found)[1:]))
    return found._replace(image_id=_contents(tree, found, [one.name for one in below]).image_id)


def _own_chain(tree: "Tree", found: Container) -> list[Snapshot]:
    return numbered(snapshots(tree, found.driver), int(found.key))


def _key_in(meta: Bucket, record: Bucket) -> bytes:
    """Return what the snapshotter calls a container's own snapshot."""
    known = meta.bucket(b"snapshots", record.value(b"snapshotter") or b"", record.value(b"snapshotKey") or b"")
    key = known.value(b"name") if known is not None else None
    if not key:
        raise Unread(META, "it has no snapshot of its own")
    return key


def _container(tree: "Tree", place: Place, found: Sequence[Snapshot], root: Bucket) -> Container:
    itself, *below = found
    group, _, _ = itself.key.decode("utf-8", "replace").partition("/")
    meta = root.bucket(b"v1", group.encode())
    snapshotter = place.driver.partition("/")[0].removeprefix(SNAPSHOTTER)
    # containerd, too, must say that this is the snapshot of the name: a store may be another's copy.
    if meta is None or key_of(meta, snapshotter, itself.name) != itself.key:
        raise Unread(META, f"it does not know the snapshot {place.key}")
    identity, record = _only(meta, snapshotter, itself)
    made, doubts = Container("docker" if group == DOCKER else "containerd", identity, store=place.store,
                             driver=place.driver, key=place.key, group=group), Doubts()
    made = doubts.tried(_with_labels, made, record) or made
    made = made._replace(image=doubts.tried(text, record, b"image"))
    made = doubts.tried(_with_image, made, record, tree, meta, below) or made
    return made._replace(reason=doubts.reason)


def _only(meta: Bucket, snapshotter: str, itself: Snapshot) -> tuple[str, Bucket]:
    """Return the one container that has a snapshot."""
    listed = meta.bucket(b"containers")
    found = [] if listed is None else [
        (identity.decode("utf-8", "replace"), record) for identity, record in listed.buckets()
        if (record.value(b"snapshotter"), record.value(b"snapshotKey")) == (
            snapshotter.encode(), itself.name.encode("utf-8", "replace"))]
    if len(found) != 1 or not is_name(found[0][0]):
        raise Unread(META, f"{len(found) or 'no'} containers have the snapshot {itself.number}")
    return found[0]


def _with_labels(made: Container, record: Bucket) -> Container:
    labels = record.bucket(b"labels")
    if labels is None:
        return made
    name = text(labels, _NAME) or text(labels, b"nerdctl/name")
    return made._replace(name=name, pod=text(labels, _POD), namespace=text(labels, _NAMESPACE))


def _with_image(made: Container, record: Bucket, tree: "Tree", meta: Bucket, below: Sequence[Snapshot]) -> Container:
    """Return a container with its image, where the name that it has still stands for what it was made from."""
    name = text(record, b"image")
    request = cri.request(record)
    made = made._replace(image=request.image if request is not None and request.image else name)
    layers_of_it, now = of_image(below), target(meta, name)
    if now is None or not layers_of_it:
        raise Unread(META, "the image that it was made from is not there any more, or not named")
    found = unpacked(tree, now.digest, [one.name for one in reversed(layers_of_it)])
    if found is None:
        raise Unread(META, "the image's name stands for another image by now")
    if request is not None and request.image_id is not None:
        sure = request.image_id == found.image_id
    else:
        sure = now.updated <= moment(record, b"createdat")
    if not sure:
        raise Unread(META, "the image's name was given again after the container was made")
    return made._replace(image_id=found.image_id, image_digest=found.digest)


def _contents(tree: "Tree", found: Container, wanted: list[str]) -> Unpacked:
    """Return what is known of the layers of an image. Raises Unread, ParseError."""
    if found.image_digest is not None:
        image = unpacked(tree, found.image_digest, wanted)
    else:
        meta = opened(tree, META).bucket(b"v1", found.group.encode())
        now = None if meta is None else target(meta, found.image)
        image = None if now is None else unpacked(tree, now.digest, wanted)
        # Another image may have the same layers: who made them is then another history's word.
        image = None if image is None else image._replace(config=image.config._replace(steps=()))
    if image is None:
        raise Unread(META, "the image that it was made from is not there any more, or not named")
    return image
