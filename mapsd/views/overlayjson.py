"""A process's overlays, and the file that a name opens, as JSON objects. No raw control byte leaves here."""

from mapsd.model import Backing, FileFacts, Layer, Mount, ProcessAnswer, ProcessFacts, Skipped
from mapsd.model.layers import Descent, Directory, LayerView, Met, OverlayView, ProcessLayers, Switch, Which
from mapsd.views.render import CONFIDENCE, JsonObject, as_json, escaped


def layers_object(found: ProcessLayers) -> JsonObject:
    """Return the object of docs/schema/layers.json."""
    return {**_head(found.process, found.release, found.as_of, found.skipped),
            "overlays": [_overlay(one) for one in found.overlays],
            "unions": [_mount(mount) for mount in found.unions]}


def which_object(found: Which) -> JsonObject:
    """Return the object of docs/schema/which.json."""
    seen, winner = found.way.found, found.winner
    exists = isinstance(seen, FileFacts)
    return {
        **_head(found.process, found.release, found.as_of, found.skipped),
        **_path("asked_path", found.asked), "exists": exists,
        "kind": seen.kind if isinstance(seen, FileFacts) else None,
        **_path("user_path", found.way.path if exists else None), **_path("host_path", found.host_path),
        **_path("openable_path", found.openable_path),
        "links": [{**_path("path", link.path), **_path("target", link.text)} for link in found.way.links],
        "missing": None if exists else {**_path("below", found.way.path), **_path("name", found.way.rest)},
        "mount": None if found.mount is None else _mount(found.mount),
        "backing": None if winner is None else _backing(winner.backing),
        "proof": None if winner is None else winner.proof,
        "confidence": None if winner is None else CONFIDENCE[winner.proof],
        "evidence": [] if winner is None else [{"kind": one.kind, "detail": one.detail} for one in winner.evidence],
        "reason": found.failure if winner is None else winner.reason,
        "needs": None if winner is None or not winner.needs else list(winner.needs),
        "overlays": [_descent(one) for one in found.descents],
    }


def _head(process: ProcessFacts, release: str, as_of: float, skipped: tuple[Skipped, ...]) -> JsonObject:
    whole = as_json(ProcessAnswer(process, release, None, as_of, (), skipped))
    return {name: whole[name] for name in ("schema", "process", "as_of", "skipped")} | {"kernel": {"release": release}}


def _overlay(one: OverlayView) -> JsonObject:
    return {
        "mount": _mount(one.mount), "covered": one.covered,
        "options": [_switch(switch) for switch in one.switches],
        "work": None if one.work is None else {**_path("text", one.work), "directory": _directory(one.work_directory)},
        "layers": [_layer_view(layer) for layer in one.layers],
    }


def _switch(one: Switch) -> JsonObject:
    value = None if one.value is None else escaped(one.value.encode())
    return {"name": escaped(one.name.encode()), "value": value, "printed": one.printed, "meaning": one.meaning}


def _layer_view(one: LayerView) -> JsonObject:
    return {
        "role": one.role, "index": one.position, **_path("text", one.text), "directory": _directory(one.directory),
        "certain": one.certain, "reachable": one.reachable, "reason": one.reason or None, "needs": _needs(one.needs),
        "overlay": None if one.inner is None else _overlay(one.inner),
    }


def _needs(text: str) -> list[str] | None:
    return text.split(",") if text else None


def _directory(one: Directory | None) -> JsonObject | None:
    if one is None:
        return None
    return {**_path("path", one.path), **_path("openable_path", one.openable), "device": str(one.device),
            "inode": one.inode, "fs_type": escaped(one.fs_type) if one.fs_type else None}


def _descent(one: Descent) -> JsonObject:
    return {"mount": _mount(one.mount), **_path("path", one.path), "attributes_visible": one.visible,
            "met": [_met(met, one) for met in one.met]}


def _met(one: Met, descent: Descent) -> JsonObject:
    hider = None if one.by is None else descent.met[one.by]
    found = one.found if isinstance(one.found, FileFacts) else None
    attributes = {} if found is None else dict(found.xattrs)
    known = found is not None and descent.visible
    return {
        "what": one.what, "layer": _layer(one.layer), **_path("path", one.path), "named": one.named,
        "kind": None if found is None else found.kind, "file": None if one.file is None else _file(one.file),
        "opaque": one.opaque if known else None, **_path("redirect", one.redirect),
        "metacopy": "metacopy" in attributes if known else None,
        "hidden_by": None if hider is None else {"layer": _layer(hider.layer), **_path("path", hider.path)},
        "reason": one.reason or None, "needs": _needs(one.needs),
    }


def _layer(one: Layer) -> JsonObject:
    path = None if one.dir is None else one.dir.path
    return {"role": one.role, "index": one.position, **_path("path", path), "certain": one.certain}


def _file(one: Backing) -> JsonObject:
    return {**_path("path", one.path), "device": str(one.device) if one.device else None, "inode": one.inode,
            "fs_type": escaped(one.fs_type) if one.fs_type else None}


def _backing(one: Backing | None) -> JsonObject | None:
    if one is None:
        return None
    layer = None if not one.overlaid else {"role": one.layer_role, "index": one.layer_index,
                                           **_path("path", one.layer_path), "digest": None}
    found = {**_file(one), "layer": layer}
    if one.through:
        found["through"] = [_backing(outer) for outer in one.through]
    if one.metadata is not None:
        found["metadata"] = _backing(one.metadata)
    return found


def _mount(mount: Mount) -> JsonObject:
    return {"id": mount.id, "device": str(mount.device), "fs_type": escaped(mount.fs_type),
            **_path("mount_point", mount.mount_point)}


def _path(name: str, path: bytes | None) -> JsonObject:
    text = None if path is None else escaped(path)
    if path is None or text is None or text.encode() == path:
        return {name: text}
    from base64 import b64encode  # noqa: PLC0415  (few paths need it)
    return {name: text, f"{name}_base64": b64encode(path).decode("ascii")}
