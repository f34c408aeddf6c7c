"""The images that containerd has names for, and where a snapshotter has unpacked their layers.

Several names may stand for one digest; of an index every platform that is there is an image of its own. See
mapsd.engines.metadata and mapsd.engines.blobs for where they are kept.
"""

from mapsd.engines.blobs import Unpacked, present
from mapsd.engines.database import opened
from mapsd.engines.documents import Unread, is_digest, is_name, names, printable, shown
from mapsd.engines.image import Kept, chain_ids, layers
from mapsd.engines.metadata import DOCKER, META, key_of, target_of
from mapsd.engines.place import Doubts, directory_of
from mapsd.engines.snapshots import SNAPSHOTTER, number_of, snapshots
from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING, Iterator
from mapsd.model.containers import ImageLayers, Unidentified
from mapsd.model.disks import Image
from mapsd.parse.bbolt import Bucket

if TYPE_CHECKING:
    from mapsd.sources import Tree

_OVERLAYFS = SNAPSHOTTER + "overlayfs"


def images(tree: "Tree", store: bytes) -> Iterator[Image | Unidentified]:
    """Yield the images of a store, or why one of them is not known. Raises Unread, ParseError."""
    groups = opened(tree, META).bucket(b"v1")
    for group, meta in groups.buckets() if groups is not None else ():
        named: dict[str, list[bytes]] = {}
        listed = meta.bucket(b"images")
        for name, record in listed.buckets() if listed is not None else ():
            try:
                now = target_of(record)
            except (Unread, ParseError) as error:
                yield Unidentified(f"{shown(group)}/{shown(name)}: {error}")
                continue
            if now is not None:
                named.setdefault(now.digest, []).append(name)
            else:
                yield Unidentified(f"{shown(group)}/{shown(name)}: what it stands for has a form that nobody knows")
        for digest, own in named.items():
            yield from _of_digest(tree, store, group, digest, own)


def _of_digest(tree: "Tree", store: bytes, group: bytes, digest: str, own: list[bytes]) -> Iterator[Image]:
    """Yield the images that a digest names: at least one, also where nothing of it is known."""
    doubts = Doubts()
    texts = [doubts.tried(printable, name.decode("utf-8", "replace"), META) for name in own]
    made = Image("docker" if group == DOCKER.encode() else "containerd", None, digest,
                 tuple(one for one in texts if one and not _is_no_name(one, digest)), store,
                 group=group.decode("utf-8", "replace"))
    found = doubts.tried(lambda: [one.image_id for one in present(tree, digest)])
    if found is not None and not found:
        doubts.add("no configuration of it is there: it was not fetched, or has been removed")
    for image_id in dict.fromkeys(found or (None,)):
        yield made._replace(id=image_id, reason=doubts.reason)


def _is_no_name(text: str, digest: str) -> bool:
    # Of Kubernetes' every image has a name that is its id, of Docker's one without a name has this one: see
    # daemon/containerd/soft_delete.go of moby.
    return is_digest(text) or text == f"moby-dangling@{digest}"


def image_layers(tree: "Tree", found: Image) -> ImageLayers:
    """Return the layers of an image. Raises Unread, ParseError."""
    image = next((one for one in present(tree, found.digest or "") if one.image_id == found.id), None)
    if image is None:
        raise Unread(META, "the image's configuration is not known")
    doubts = Doubts()
    places = _unpacked(tree, found, image, doubts)
    made, reason = layers([Kept(place, diff_id, digest) for place, diff_id, digest in zip(
        places, image.config.diff_ids, _digests(image), strict=True)], image.config)
    doubts.add(reason)
    return ImageLayers(made, doubts.reason)


def _digests(image: Unpacked) -> tuple[str | None, ...]:
    count = len(image.config.diff_ids)
    return image.digests if len(image.digests) == count else (None,) * count


def _unpacked(tree: "Tree", found: Image, image: Unpacked, doubts: Doubts) -> list[bytes]:
    """Return the directories of an image's layers, the base first, empty for one that is not unpacked."""
    wanted = chain_ids(image.config.diff_ids)
    if not wanted:
        return []
    meta = opened(tree, META).bucket(b"v1", found.group.encode())
    drivers = [driver for driver in _drivers(tree)
               if meta is not None and key_of(meta, driver.removeprefix(SNAPSHOTTER), wanted[0])]
    if meta is None or not drivers:
        doubts.add("no snapshotter has unpacked it")
        return [b""] * len(wanted)
    if len(drivers) > 1:
        doubts.add(f"several snapshotters have it: its directories are those of {drivers[0]}")
    known = doubts.tried(snapshots, tree, drivers[0])
    above: bytes | None = None
    places = []
    for name in wanted:
        key = key_of(meta, drivers[0].removeprefix(SNAPSHOTTER), name)
        place = None if known is None or key is None else doubts.tried(
            _directory, known, found.store, drivers[0], key, above)
        if key is None:
            doubts.add("some layers are not unpacked")
        places.append(place or b"")
        above = key
    return places


def _directory(known: Bucket, store: bytes, driver: str, key: bytes, above: bytes | None) -> bytes:
    record = known.bucket(key)
    number = None if record is None else number_of(record)
    if record is None or number is None or (record.value(b"parent") or None) != above:
        raise Unread(b"metadata.db", "the chain of snapshots has a gap")
    return directory_of(store, driver, str(number))


def _drivers(tree: "Tree") -> list[str]:
    """Return the snapshotters of a store, the usual one first."""
    found = [name.decode("ascii", "replace") for name in names(tree, b"")]
    return sorted((one for one in found if one.startswith(SNAPSHOTTER) and is_name(one)),
                  key=lambda name: (name != _OVERLAYFS, name))
