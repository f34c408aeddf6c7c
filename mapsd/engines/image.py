"""What an image's configuration says of its layers: their digests, and the steps that made them.

See config.md of the OCI image specification: `rootfs.diff_ids` has the layers from the base up, `history` the steps,
of which those with `empty_layer` made none. A chain id names a layer together with all below it.
"""

from mapsd.engines.documents import Unread, digest_of, document, is_digest
from mapsd.light import NamedTuple, Sequence
from mapsd.model.containers import ImageLayer

LAYERS = 1000  # of one image: overlayfs takes 500
_STEP = 4096  # characters


class Configuration(NamedTuple):
    """The layers' digests from the base up; *steps* are as many, or none where the history does not say."""

    diff_ids: tuple[str, ...]
    steps: tuple[str | None, ...] = ()


def configuration(text: bytes, digest: str, where: bytes) -> Configuration:
    """Return an image's configuration, whose *digest* the engine names. Raises Unread (also: it is another text)."""
    if digest_of(text) != digest:
        raise Unread(where, "it is not what its digest says")
    fields = document(text, where)
    listed = fields.fields("rootfs").listed("diff_ids")
    diff_ids = tuple(one for one in listed if isinstance(one, str) and is_digest(one))
    if len(diff_ids) != len(listed) or len(diff_ids) > LAYERS:
        raise Unread(where, "the digests of its layers have a form that nobody knows")
    made = [_one_line(step.raw("created_by")) for step in fields.objects("history") if not step.flag("empty_layer")]
    return Configuration(diff_ids, tuple(made) if len(made) == len(diff_ids) else ())


def chain_ids(diff_ids: Sequence[str]) -> list[str]:
    """Return the chain id of each layer together with those below it, the base first."""
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(digest_of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return chain


class Kept(NamedTuple):
    """A layer as the store keeps it: what the store itself says of its digests, None where it says nothing."""

    directory: bytes
    diff_id: str | None
    digest: str | None = None


def layers(kept: Sequence[Kept], config: Configuration | None) -> tuple[tuple[ImageLayer, ...], str | None]:
    """Return an image's layers, of which the store has *kept* these, the base first, and what is missing."""
    if config is None:
        return tuple(ImageLayer(n, one.diff_id, one.digest, one.directory, None) for n, one in enumerate(kept, 1)), None
    if len(kept) != len(config.diff_ids) or any(one.diff_id not in {None, diff_id}
                                                for one, diff_id in zip(kept, config.diff_ids, strict=True)):
        plain, _ = layers(kept, None)
        return plain, "the layers are not those of the image's configuration: which step made them is not known"
    steps = config.steps or (None,) * len(kept)
    made = tuple(ImageLayer(n, diff_id, one.digest, one.directory, step)
                 for n, (one, diff_id, step) in enumerate(zip(kept, config.diff_ids, steps, strict=True), 1))
    if len(config.steps) == len(kept):
        return made, None
    return made, "the image's history does not say which step made which layer"


def _one_line(text: str) -> str | None:
    line = " ".join(text.split())[:_STEP]
    return "".join(one if one.isprintable() else "\ufffd" for one in line) or None
