"""containerd's store, also where it is Docker's or Kubernetes': the directory that its configuration calls root.

    SNAPSHOTTER/snapshots/N/fs                    the files of a snapshot
    SNAPSHOTTER/metadata.db                       v1/snapshots/KEY: id (N), parent (a KEY); KEY is GROUP/NUMBER/NAME
    io.containerd.metadata.v1.bolt/meta.db        v1/GROUP/{containers,images,snapshots/…}: what containerd knows
    io.containerd.content.v1.content/blobs/sha256/DIGEST      manifests and configurations

containerd calls a group a namespace. The name of an image layer's snapshot is its chain id. See
core/metadata/buckets.go and core/snapshots/storage/bolt.go of containerd, and daemon/start.go and daemon/containerd of
moby for its group `moby`.
"""

from mapsd.engines import cri
from mapsd.engines.blobs import Unpacked, unpacked
from mapsd.engines.database import opened
from mapsd.engines.documents import Unread, is_digest, is_name, printable, shown
from mapsd.engines.image import LAYERS, Kept, layers
from mapsd.engines.place import Doubts, Place, directory_of
from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING, Iterator, NamedTuple
from mapsd.model.containers import Container, ImageLayers, Unidentified
from mapsd.parse.bbolt import Bucket

if TYPE_CHECKING:
    from mapsd.sources import Tree

DOCKER = "moby"
_META = b"io.containerd.metadata.v1.bolt/meta.db"
_POD, _NAMESPACE, _NAME = (f"io.kubernetes.{one}".encode() for one in ("pod.name", "pod.namespace", "container.name"))
_SNAPSHOTTER = "io.containerd.snapshotter.v1."


class _Snapshot(NamedTuple):
    """One snapshot: the directory's number, and its key as the snapshotter has it."""

    number: int
    key: bytes

    @property
    def name(self) -> str:
        """Return what containerd's clients call it."""
        return self.key.split(b"/", 2)[-1].decode("utf-8", "replace")


def container(tree: "Tree", place: Place) -> Container:
    """Return the container whose own layer is at a place. Raises Unread, ParseError."""
    snapshots = _snapshots(tree, place.driver)
    chain = _chain(snapshots, _key_of(snapshots, int(place.key)))
    return _container(tree, place, chain, opened(tree, _META))


def containers(tree: "Tree", store: bytes) -> Iterator[Container | Unidentified]:
    """Yield the containers of a store, or why one of them is not known. Raises Unread, ParseError."""
    databases: dict[str, Bucket] = {}
    root = opened(tree, _META)
    groups = root.bucket(b"v1")
    for group, meta in groups.buckets() if groups is not None else ():
        listed = meta.bucket(b"containers")
        for identity, record in listed.buckets() if listed is not None else ():
            try:
                driver = _SNAPSHOTTER + (_text(record, b"snapshotter") or "")
                if driver not in databases:
                    databases[driver] = _snapshots(tree, driver)
                chain = _chain(databases[driver], _key_in(meta, record))
                place = Place("containerd", store, driver, str(chain[0].number))
                yield _container(tree, place, chain, root)
            except (Unread, ParseError) as error:
                yield Unidentified(f"{shown(group)}/{shown(identity)}: {error}")


def _key_in(meta: Bucket, record: Bucket) -> bytes:
    """Return what the snapshotter calls a container's own snapshot."""
    known = meta.bucket(b"snapshots", record.value(b"snapshotter") or b"", record.value(b"snapshotKey") or b"")
    key = known.value(b"name") if known is not None else None
    if not key:
        raise Unread(_META, "it has no snapshot of its own")
    return key


def stack(tree: "Tree", found: Container) -> list[bytes]:
    """Return the directories of a container's layers, its own first. Raises Unread, ParseError."""
    snapshots = _snapshots(tree, found.driver)
    return [directory_of(found.store or b"", found.driver, str(one.number))
            for one in _chain(snapshots, _key_of(snapshots, int(found.key)))]


def _container(tree: "Tree", place: Place, chain: list[_Snapshot], root: Bucket) -> Container:
    itself, *below = chain
    group, _, _ = itself.key.decode("utf-8", "replace").partition("/")
    meta = root.bucket(b"v1", group.encode())
    snapshotter = place.driver.partition("/")[0].removeprefix(_SNAPSHOTTER)
    if meta is None or not _is_known(meta, snapshotter, itself):
        raise Unread(_META, f"it does not know the snapshot {place.key}")
    identity, record = _only(meta, snapshotter, itself)
    made, doubts = Container("docker" if group == DOCKER else "containerd", identity, store=place.store,
                             driver=place.driver, key=place.key, group=group), Doubts()
    made = doubts.tried(_with_labels, made, record) or made
    made = made._replace(image=doubts.tried(_text, record, b"image"))
    made = doubts.tried(_with_image, made, record, tree, meta, below) or made
    return made._replace(reason=doubts.reason)


def _with_labels(made: Container, record: Bucket) -> Container:
    labels = record.bucket(b"labels")
    if labels is None:
        return made
    name = _text(labels, _NAME) or _text(labels, b"nerdctl/name")
    return made._replace(name=name, pod=_text(labels, _POD), namespace=_text(labels, _NAMESPACE))


def image_layers(tree: "Tree", found: Container) -> ImageLayers:
    """Return the layers of a container's image. Raises Unread, ParseError."""
    chain, doubts = _of_image(_below(tree, found)), Doubts()
    wanted = [one.name for one in reversed(chain)]
    image = doubts.tried(_contents, tree, found, wanted)
    # The chain id of a base layer is its own digest.
    kept = [Kept(directory_of(found.store or b"", found.driver, str(one.number)), one.name if not above else None)
            for above, one in enumerate(reversed(chain))]
    digests = image.digests if image is not None and len(image.digests) == len(kept) else (None,) * len(kept)
    made, reason = layers([one._replace(digest=digest) for one, digest in zip(kept, digests, strict=True)],
                          image.config if image is not None else None)
    doubts.add(reason)
    return ImageLayers(made, doubts.reason)


def with_image_id(tree: "Tree", found: Container) -> Container:
    """Return a container whose image's digest is known with the image's id. Raises Unread, ParseError."""
    image = _contents(tree, found, [one.name for one in reversed(_of_image(_below(tree, found)))])
    return found._replace(image_id=image.image_id)


def _contents(tree: "Tree", found: Container, wanted: list[str]) -> Unpacked:
    """Return what is known of the layers of an image. Raises Unread, ParseError."""
    if found.image_digest is not None:
        image = unpacked(tree, found.image_digest, wanted)
    else:
        meta = opened(tree, _META).bucket(b"v1", found.group.encode())
        target = None if meta is None else _target(meta, found.image)
        image = None if target is None else unpacked(tree, target.digest, wanted)
        # Another image may have the same layers: who made them is then another history's word.
        image = None if image is None else image._replace(config=image.config._replace(steps=()))
    if image is None:
        raise Unread(_META, "the image that it was made from is not there any more, or not named")
    return image


def _snapshots(tree: "Tree", driver: str) -> Bucket:
    path = f"{driver}/metadata.db".encode()
    found = opened(tree, path).bucket(b"v1", b"snapshots")
    if found is None:
        raise Unread(path, "it has no snapshots")
    return found


def _below(tree: "Tree", found: Container) -> list[_Snapshot]:
    snapshots = _snapshots(tree, found.driver)
    return _chain(snapshots, _key_of(snapshots, int(found.key)))[1:]


def _key_of(snapshots: Bucket, number: int) -> bytes:
    numbered = [key for key, record in snapshots.buckets() if _number(record) == number]
    if len(numbered) != 1:
        raise Unread(b"metadata.db", f"{len(numbered) or 'no'} snapshots have the number {number}")
    return numbered[0]


def _chain(snapshots: Bucket, key: bytes | None) -> list[_Snapshot]:
    """Return a snapshot and those below it, the topmost first. Raises Unread, ParseError."""
    chain: list[_Snapshot] = []
    while key:
        record = snapshots.bucket(key)
        at = None if record is None else _number(record)
        if record is None or at is None or len(chain) > LAYERS:
            raise Unread(b"metadata.db", "the chain of snapshots has a gap, or no end")
        chain.append(_Snapshot(at, key))
        key = record.value(b"parent")
    return chain


def _number(record: Bucket) -> int | None:
    # binary.Uvarint() of Go: seven bits a byte, the lowest first.
    value, shift = 0, 0
    for byte in (record.value(b"id") or b"")[:10]:
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7
    return None


def _is_known(meta: Bucket, snapshotter: str, itself: _Snapshot) -> bool:
    """Return whether containerd, too, says that this is the snapshot of the name: a store may be another's copy."""
    known = meta.bucket(b"snapshots", snapshotter.encode(), itself.name.encode("utf-8", "replace"))
    return known is not None and known.value(b"name") == itself.key


def _only(meta: Bucket, snapshotter: str, itself: _Snapshot) -> tuple[str, Bucket]:
    """Return the one container that has a snapshot."""
    containers = meta.bucket(b"containers")
    found = [] if containers is None else [
        (identity.decode("utf-8", "replace"), record) for identity, record in containers.buckets()
        if (record.value(b"snapshotter"), record.value(b"snapshotKey")) == (
            snapshotter.encode(), itself.name.encode("utf-8", "replace"))]
    if len(found) != 1 or not is_name(found[0][0]):
        raise Unread(_META, f"{len(found) or 'no'} containers have the snapshot {itself.number}")
    return found[0]


def _text(record: Bucket, key: bytes) -> str | None:
    value = record.value(key)
    return printable(value.decode("utf-8", "replace"), _META) if value else None


def _of_image(below: list[_Snapshot]) -> list[_Snapshot]:
    """Return the snapshots of an image, the topmost first: above them the container has some of its own."""
    first = next((place for place, one in enumerate(below) if is_digest(one.name)), len(below))
    return below[first:] if all(is_digest(one.name) for one in below[first:]) else []


def _with_image(made: Container, record: Bucket, tree: "Tree", meta: Bucket, below: list[_Snapshot]) -> Container:
    """Return a container with its image, where the name that it has still stands for what it was made from."""
    name = _text(record, b"image")
    request = cri.request(record)
    made = made._replace(image=request.image if request is not None and request.image else name)
    chain, target = _of_image(below), _target(meta, name)
    if target is None or not chain:
        raise Unread(_META, "the image that it was made from is not there any more, or not named")
    found = unpacked(tree, target.digest, [one.name for one in reversed(chain)])
    if found is None:
        raise Unread(_META, "the image's name stands for another image by now")
    if request is not None and request.image_id is not None:
        sure = request.image_id == found.image_id
    else:
        sure = target.updated <= _moment(record, b"createdat")
    if not sure:
        raise Unread(_META, "the image's name was given again after the container was made")
    return made._replace(image_id=found.image_id, image_digest=found.digest)


class _Target(NamedTuple):
    """What the name of an image stands for, and since when."""

    digest: str
    updated: bytes


def _target(meta: Bucket, name: str | None) -> _Target | None:
    image = meta.bucket(b"images", name.encode()) if name is not None else None
    target = image.bucket(b"target") if image is not None else None
    digest = _text(target, b"digest") if target is not None else None
    return _Target(digest, _moment(image, b"updatedat")) if image is not None and digest and is_digest(digest) else None


def _moment(record: Bucket, key: bytes) -> bytes:
    """Return a time that can be compared: Time.MarshalBinary() of Go has seconds and nanoseconds behind a version."""
    return (record.value(key) or b"")[1:13]
