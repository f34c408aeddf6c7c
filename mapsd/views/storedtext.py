"""The layers of a container that does not run, and the file that a name opens, as lines. No raw control byte."""

from mapsd.light import Iterator
from mapsd.model import FileFacts, Refused
from mapsd.model.containers import Container, ImageLayer
from mapsd.model.disks import StoredLayer, StoredLayers, StoredWhich
from mapsd.views.overlaytext import aligned, backed, because, noted
from mapsd.views.render import CONFIDENCE, escaped, printable
from mapsd.views.whichtext import merged, met_lines

FORMS = {"trusted": "overlayfs, by attributes trusted.overlay.", "user": "overlayfs, by attributes user.overlay.",
         "fuse-trusted": "fuse-overlayfs of root's", "fuse-user": "fuse-overlayfs of a user's",
         "plain": "nobody: it has one directory"}
_SHORT = len("sha256:") + 12  # of a digest
_STEP = 60  # of a build step in the story of one file


def layers_lines(found: StoredLayers) -> Iterator[str]:
    """Yield the layers in the order of lookup, each with the image's layer that it is."""
    yield from map(printable, _layers(found))


def _layers(found: StoredLayers) -> Iterator[str]:
    yield from aligned(_about(found.container, found.form), "")
    yield ""
    rows = [("LAYER", "POSITION", "DIFF-ID", "DIGEST", "DIRECTORY", "STEP")]
    yield from aligned([*rows, *map(_row, found.layers)], "")
    if found.reason is not None:
        yield f"of the image: {found.reason}"


def _about(container: Container, form: str) -> list[tuple[str, ...]]:
    words = (container.engine, container.name, container.id and container.id[:12], container.image)
    return [("container", " ".join(word for word in words if word)), ("merged by", FORMS[form])]


def _row(one: StoredLayer) -> tuple[str, ...]:
    image = one.image
    where = noted(escaped(one.directory), [because(one.reason, one.needs)] if one.reason else [])
    if image is None:
        return f"{one.role}:{one.position}", "-", "-", "-", where, "(the container's own)"
    digests = ((digest or "-")[:_SHORT] for digest in (image.diff_id, image.digest))
    return f"{one.role}:{one.position}", str(image.position), *digests, where, image.step or "-"


def which_lines(found: StoredWhich) -> Iterator[str]:
    """Yield which file a name would open, how that is known, and what every layer has of the name."""
    yield from map(printable, _which(found))


def _which(found: StoredWhich) -> Iterator[str]:
    seen, winner = found.way.found, found.winner
    path = found.way.path.rstrip(b"/") + b"/" + found.way.rest if found.way.rest else found.way.path
    rows = _about(found.container, found.form)
    rows.append(("path", escaped(path)))
    rows += [("link", f"{escaped(link.path)} -> {escaped(link.text)}") for link in found.way.links]
    if isinstance(seen, FileFacts):
        rows.append(("kind", seen.kind))
    if winner is None:
        rows.append(("opens", "nothing"))
    elif winner.backing is not None:
        rows.append(("opens", backed(winner.backing)))
        rows += [("metadata", backed(one)) for one in (winner.backing.metadata,) if one is not None]
        rows += [("image", _of_image(one.image)) for one in found.layers
                 if one.position == winner.backing.layer_index and one.image is not None]
    else:
        rows.append(("opens", "?" if isinstance(seen, Refused) or winner.proof == "none" else merged(found.met)))
    if winner is not None:
        rows.append(("confidence", ": ".join((CONFIDENCE[winner.proof], *("; ".join(
            one.detail for one in winner.evidence),) * bool(winner.evidence)))))
        if winner.reason:
            rows.append(("reason", because(winner.reason, ",".join(winner.needs))))
    yield from aligned(rows, "")
    yield ""
    yield from met_lines(found.met)


def _of_image(one: ImageLayer) -> str:
    step = f": {one.step[:_STEP]}{'…' * (len(one.step) > _STEP)}" if one.step else ""
    return f"layer {one.position} {(one.diff_id or '')[:_SHORT]}{step}"
