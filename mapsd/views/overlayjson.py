"""A process's overlays, and the file that a name opens, as JSON objects. No raw control byte leaves here."""

from mapsd.light import TYPE_CHECKING, Sequence
from mapsd.model import Backing, FileFacts, Layer, Mount, ProcessAnswer, ProcessFacts, Skipped
from mapsd.model.layers import Descent, Directory, LayerView, Met, OverlayView, ProcessLayers, Switch, Which
from mapsd.views.render import CONFIDENCE, JsonObject, as_json, container_object, escaped, layer_of_image

if TYPE_CHECKING:
    from mapsd.model.containers import Container, ImageLayer


def layers_object(found: ProcessLayers) -> JsonObject:
    """Return the object of docs/schema/layers.json."""
    return {**head(found.process, found.release, found.as_of, found.skipped), **_container(found.container),
            "overlays": [_overlay(one) for one in found.overlays],
            "unions": [mount_object(mount) for mount in found.unions]}


def which_object(found: Which) -> JsonObject:
    """Return the object of docs/schema/which.json."""
    seen, winner = found.way.found, found.winner
    exists = isinstance(seen, FileFacts)
    return {
        **head(found.process, found.release, found.as_of, found.skipped), **_container(found.container),
        **path_fields("asked_path", found.asked), "exists": exists,
        "kind": seen.kind if isinstance(seen, FileFacts) else None,
        **path_fields("user_path", found.way.path if exists else None), **path_fields("host_path", found.host_path),
        **path_fields("openable_path", found.openable_path),
        "links": [{**path_fields("path", link.path), **path_fields("target", link.text)} for link in found.way.links],
        "missing": None if exists else {**path_fields("below", found.way.path), **path_fields("name", found.way.rest)},
        "mount": None if found.mount is None else mount_object(found.mount),
        "backing": None if winner is None else backing_object(winner.backing),
        "proof": None if winner is None else winner.proof,
        "confidence": None if winner is None else CONFIDENCE[winner.proof],
        "evidence": [] if winner is None else [{"kind": one.kind, "detail": one.detail} for one in winner.evidence],
        "reason": found.failure if winner is None else winner.reason,
        "needs": None if winner is None or not winner.needs else list(winner.needs),
        "overlays": [_descent(one) for one in found.descents],
    }


def head(process: ProcessFacts, release: str, as_of: float, skipped: tuple[Skipped, ...]) -> JsonObject:
    """Return what every answer about one process begins with."""
    whole = as_json(ProcessAnswer(process, release, None, as_of, (), skipped))
    return {name: whole[name] for name in ("schema", "process", "as_of", "skipped")} | {"kernel": {"release": release}}


def _overlay(one: OverlayView) -> JsonObject:
    return {
        "mount": mount_object(one.mount), "covered": one.covered,
        "options": [_switch(switch) for switch in one.switches],
        "work": None if one.work is None else {
            **path_fields("text", one.work), "directory": _directory(one.work_directory)},
        "layers": [_layer_view(layer) for layer in one.layers],
    }


def _switch(one: Switch) -> JsonObject:
    value = None if one.value is None else escaped(one.value.encode())
    return {"name": escaped(one.name.encode()), "value": value, "printed": one.printed, "meaning": one.meaning}


def _layer_view(one: LayerView) -> JsonObject:
    return {
        "role": one.role, "index": one.position, **path_fields("text", one.text),
        "directory": _directory(one.directory),
        "certain": one.certain, "reachable": one.reachable, "reason": one.reason or None, "needs": needed(one.needs),
        "overlay": None if one.inner is None else _overlay(one.inner), **_of_image(one.image_layer),
    }


def _of_image(layer: "ImageLayer | None") -> JsonObject:
    return {} if layer is None else layer_of_image(layer)


def _container(found: "Container | None") -> JsonObject:
    return {} if found is None else {"container": container_object(found)}


def needed(text: str) -> list[str] | None:
    """Return the capabilities that would help, None where none would."""
    return text.split(",") if text else None


def _directory(one: Directory | None) -> JsonObject | None:
    if one is None:
        return None
    return {**path_fields("path", one.path), **path_fields("openable_path", one.openable), "device": str(one.device),
            "inode": one.inode, "fs_type": escaped(one.fs_type) if one.fs_type else None}


def _descent(one: Descent) -> JsonObject:
    return {"mount": mount_object(one.mount), **path_fields("path", one.path), "attributes_visible": one.visible,
            "met": [met_object(each, one.met, one.visible) for each in one.met]}


def met_object(one: Met, met: Sequence[Met], visible: bool) -> JsonObject:
    """Return what lies in a layer, *met* with others; *visible* says that the overlay's attributes are."""
    hider = None if one.by is None else met[one.by]
    found = one.found if isinstance(one.found, FileFacts) else None
    attributes = {} if found is None else dict(found.xattrs)
    known = found is not None and visible
    return {
        "what": one.what, "layer": {**layer_place(one.layer), **_of_image(one.image_layer)},
        **path_fields("path", one.path), "named": one.named,
        "kind": None if found is None else found.kind, "file": None if one.file is None else file_object(one.file),
        "opaque": one.opaque if known else None, **path_fields("redirect", one.redirect),
        "metacopy": "metacopy" in attributes if known else None,
        "hidden_by": None if hider is None else {"layer": layer_place(hider.layer), **path_fields("path", hider.path)},
        "reason": one.reason or None, "needs": needed(one.needs),
    }


def layer_place(one: Layer) -> JsonObject:
    """Return where a layer is among those of its overlay."""
    path = None if one.dir is None else one.dir.path
    return {"role": one.role, "index": one.position, **path_fields("path", path), "certain": one.certain}


def file_object(one: Backing) -> JsonObject:
    """Return a file by its path, device and inode."""
    return {**path_fields("path", one.path), "device": str(one.device) if one.device else None, "inode": one.inode,
            "fs_type": escaped(one.fs_type) if one.fs_type else None}


def backing_object(one: Backing | None) -> JsonObject | None:
    """Return the file that holds the data, with its layer."""
    if one is None:
        return None
    layer = None if not one.overlaid else {"role": one.layer_role, "index": one.layer_index,
                                           **path_fields("path", one.layer_path), "digest": None,
                                           **_of_image(one.image_layer)}
    found = {**file_object(one), "layer": layer}
    if one.through:
        found["through"] = [backing_object(outer) for outer in one.through]
    if one.metadata is not None:
        found["metadata"] = backing_object(one.metadata)
    return found


def mount_object(mount: Mount) -> JsonObject:
    """Return a mount."""
    return {"id": mount.id, "device": str(mount.device), "fs_type": escaped(mount.fs_type),
            **path_fields("mount_point", mount.mount_point)}


def path_fields(name: str, path: bytes | None) -> JsonObject:
    """Return a path as text, with the exact bytes beside it where that changes them."""
    text = None if path is None else escaped(path)
    if path is None or text is None or text.encode() == path:
        return {name: text}
    from base64 import b64encode  # noqa: PLC0415  (few paths need it)
    return {name: text, f"{name}_base64": b64encode(path).decode("ascii")}
