"""The layers of a container that does not run, and the file that a name opens, as JSON. No raw control byte."""

from mapsd.model import Absent, Backing, FileFacts
from mapsd.model.containers import Container
from mapsd.model.disks import StoredLayer, StoredLayers, StoredWhich
from mapsd.views.overlayjson import file_object, met_object, needed, path_fields
from mapsd.views.render import CONFIDENCE, JsonObject, container_object, layer_of_image, moment


def layers_object(found: StoredLayers) -> JsonObject:
    """Return the object of docs/schema/stored-layers.json."""
    return {**_head(found.container, found.form, found.as_of), "layers": [_layer(one) for one in found.layers],
            "layers_reason": found.reason}


def which_object(found: StoredWhich) -> JsonObject:
    """Return the object of docs/schema/stored-which.json."""
    seen, winner = found.way.found, found.winner
    opens = seen if isinstance(seen, FileFacts) else None
    return {
        **_head(found.container, found.form, found.as_of), **path_fields("asked_path", found.asked),
        "exists": found.exists, "kind": None if opens is None else opens.kind,
        **path_fields("user_path", None if opens is None else found.way.path),
        "links": [{**path_fields("path", link.path), **path_fields("target", link.text)} for link in found.way.links],
        "missing": None if not isinstance(seen, Absent) else {
            **path_fields("below", found.way.path), **path_fields("name", found.way.rest)},
        "backing": None if winner is None or winner.backing is None else _backing(winner.backing, found),
        "proof": None if winner is None else winner.proof,
        "confidence": None if winner is None else CONFIDENCE[winner.proof],
        "evidence": [] if winner is None else [{"kind": one.kind, "detail": one.detail} for one in winner.evidence],
        "reason": "No such file or directory" if winner is None else winner.reason,
        "needs": None if winner is None or not winner.needs else list(winner.needs),
        "attributes_visible": found.visible,
        "met": [met_object(one, found.met, found.visible) for one in found.met],
    }


def _head(container: Container, form: str, as_of: float) -> JsonObject:
    return {"schema": "mapsd/v1", "as_of": moment(as_of), "container": container_object(container), "merged_by": form}


def _layer(one: StoredLayer) -> JsonObject:
    return {"role": one.role, "index": one.position, **path_fields("path", one.directory),
            "image_layer": None if one.image is None else layer_of_image(one.image),
            "reason": one.reason or None, "needs": needed(one.needs)}


def _backing(one: Backing, found: StoredWhich) -> JsonObject:
    layer = next((each for each in found.layers if each.position == one.layer_index), None)
    made = {**file_object(one), "layer": None if layer is None else _layer(layer)}
    return made if one.metadata is None else {**made, "metadata": _backing(one.metadata, found)}
