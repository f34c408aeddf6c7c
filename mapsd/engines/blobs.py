"""The content store of containerd: manifests and configurations by their digests. See the OCI image specification."""

from mapsd.engines.documents import Unread, content, digest_of, document, is_digest, optional
from mapsd.engines.image import Configuration, chain_ids, configuration
from mapsd.light import TYPE_CHECKING, Iterator, NamedTuple, Sequence

if TYPE_CHECKING:
    from mapsd.engines.documents import Fields
    from mapsd.sources import Tree

_BLOBS = b"io.containerd.content.v1.content/blobs/sha256/"
_MANIFESTS = 200  # of one index


class Unpacked(NamedTuple):
    """An image as its layers were unpacked: *digest* is what its name stands for, *digests* those of its layers."""

    digest: str
    image_id: str
    config: Configuration
    digests: tuple[str | None, ...]


def unpacked(tree: "Tree", digest: str, chain: Sequence[str]) -> Unpacked | None:
    """Return the image that *digest* names, where its layers have these chain ids, the base first; else None.

    Of an index it is the manifest with these layers. Raises Unread.
    """
    return next((one for one in present(tree, digest) if chain_ids(one.config.diff_ids) == list(chain)), None)


def present(tree: "Tree", digest: str) -> Iterator[Unpacked]:
    """Yield what *digest* names: an image, or of an index those whose configurations are there. Raises Unread."""
    for manifest in _manifests(tree, digest):
        image_id = manifest.fields("config").raw("digest")
        text = optional(tree, _path(image_id)) if is_digest(image_id) else None
        if text is not None:
            layers = [one.raw("digest") for one in manifest.objects("layers")]
            yield Unpacked(digest, image_id, configuration(text, image_id, _path(image_id)),
                           tuple(one if is_digest(one) else None for one in layers))


def _manifests(tree: "Tree", digest: str) -> "Iterator[Fields]":
    """Yield a manifest, or those of an index that are there."""
    first = _document(content(tree, _path(digest)), digest)
    if not first.has("manifests"):
        yield first
        return
    for one in first.objects("manifests")[:_MANIFESTS]:
        listed = one.raw("digest")
        # What BuildKit says of an image has the form of one: docs/attestations/attestation-storage.md of buildkit.
        attests = one.fields("annotations").raw("vnd.docker.reference.type") == "attestation-manifest"
        text = optional(tree, _path(listed)) if is_digest(listed) and not attests else None
        if text is not None:
            yield _document(text, listed)


def _document(text: bytes, digest: str) -> "Fields":
    if digest_of(text) != digest:
        raise Unread(_path(digest), "it is not what its digest says")
    return document(text, _path(digest))


def _path(digest: str) -> bytes:
    return _BLOBS + digest.removeprefix("sha256:").encode()
