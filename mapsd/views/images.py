"""Images of a disk and their layers become text: tables for a reader, or JSON objects. No raw control byte."""

from mapsd.light import Iterator
from mapsd.model.containers import Container, ImageLayer
from mapsd.model.disks import Image, Images, PlacedLayer, PlacedLayers, StoredImage
from mapsd.views.overlayjson import needed, path_fields
from mapsd.views.overlaytext import aligned, because, noted
from mapsd.views.render import JsonObject, escaped, layer_of_image, moment, printable
from mapsd.views.table import Heading, Line, Table

_HEADINGS = ("IMAGE", "ENGINE", "ID", "DIGEST", "LAYERS", "CONTAINERS", "STORE")
_LAYERS = ("POSITION", "DIFF-ID", "DIGEST", "DIRECTORY", "STEP")
_SHA256 = len("sha256:")
_SHORT = 12  # letters of an id, as engines print them


def lines(found: Images, *, headed: bool = True) -> Iterator[str]:
    """Yield the lines of a table of images, none where there is none."""
    rows = [Line(tuple(map(printable, _cells(one)))) for one in found.images]
    if rows:
        yield from Table([Heading(name) for name in _HEADINGS], headed=headed).lines(rows)


def _cells(one: StoredImage) -> tuple[str, ...]:
    image, layers = one.image, one.layers
    count = "?" if not layers.layers and layers.reason else str(len(layers.layers))
    users = ",".join(made.name or (made.id or "?")[:_SHORT] for made in one.containers)
    return (",".join(image.names) or "-", image.engine, _short(image.id), _digest(image.digest), count, users or "-",
            escaped(image.store))


def _short(image_id: str | None) -> str:
    return "-" if image_id is None else image_id[_SHA256:][:_SHORT]


def _digest(digest: str | None) -> str:
    return "-" if digest is None else digest[:_SHA256 + _SHORT]


def layers_lines(found: PlacedLayers) -> Iterator[str]:
    """Yield the layers of an image, the base first."""
    yield from map(printable, _layers_lines(found))


def _layers_lines(found: PlacedLayers) -> Iterator[str]:
    image = found.image
    words = (image.engine, ",".join(image.names), _short(image.id))
    yield from aligned([("image", " ".join(word for word in words if word)), ("digest", image.digest or "-"),
                        ("store", escaped(image.store))], "")
    yield ""
    yield from aligned([_LAYERS, *map(_row, found.layers)], "")
    if found.reason is not None:
        yield f"of the image: {found.reason}"


def _row(one: PlacedLayer) -> tuple[str, ...]:
    layer = one.layer
    where = noted(escaped(layer.directory) or "-", [because(one.reason, one.needs)] if one.reason else [])
    return str(layer.position), _digest(layer.diff_id), _digest(layer.digest), where, layer.step or "-"


def as_object(found: Images) -> JsonObject:
    """Return the object of docs/schema/images.json."""
    return {"schema": "mapsd/v1", "as_of": moment(found.as_of), "images": [_object(one) for one in found.images],
            "skipped": [{"what": store, "reason": why.reason, "needs": next(iter(why.needs), None)}
                        for store, why in found.unidentified]}


def layers_object(found: PlacedLayers) -> JsonObject:
    """Return the object of docs/schema/image-layers.json."""
    return {"schema": "mapsd/v1", "as_of": moment(found.as_of), "image": _image(found.image),
            "layers": [{**_layer(one.layer), "reason": one.reason or None, "needs": needed(one.needs)}
                       for one in found.layers], "layers_reason": found.reason}


def _object(one: StoredImage) -> JsonObject:
    return {**_image(one.image), "layers": [_layer(layer) for layer in one.layers.layers],
            "layers_reason": one.layers.reason, "containers": [_container(made) for made in one.containers]}


def _image(one: Image) -> JsonObject:
    return {"engine": one.engine, "id": one.id, "digest": one.digest, "names": list(one.names),
            **path_fields("store", one.store), "reason": one.reason}


def _layer(layer: ImageLayer) -> JsonObject:
    return {**layer_of_image(layer), **path_fields("path", layer.directory or None)}


def _container(made: Container) -> JsonObject:
    return {"engine": made.engine, "id": made.id, "name": made.name}
