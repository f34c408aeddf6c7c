"""The names of a file that somebody else named, as a JSON object. No raw control byte leaves here."""

from mapsd.model.translated import Hider, Inside, Name, Numbered, OnHost, Translation, View, Wanted
from mapsd.views.overlayjson import (
    backing_object,
    file_object,
    head,
    layer_place,
    mount_object,
    path_fields,
)
from mapsd.views.render import CONFIDENCE, JsonObject, container_object, moment


def translation_object(found: Translation) -> JsonObject:
    """Return the object of docs/schema/translate.json."""
    return {"schema": "mapsd/v1", "kernel": {"release": found.release},
            "as_of": moment(found.as_of), "asked": _asked(found.wanted), "views": [_view(one) for one in found.views]}


def _asked(wanted: Wanted) -> JsonObject:
    number = wanted if isinstance(wanted, Numbered) else None
    return {**path_fields("path", wanted.path if isinstance(wanted, OnHost) else None),
            **path_fields("inside", wanted.path if isinstance(wanted, Inside) else None),
            "device": None if number is None else str(number.device), "inode": None if number is None else number.inode}


def _view(one: View) -> JsonObject:
    whole = head(one.process, one.release, one.as_of, one.skipped)
    container = None if one.container is None else container_object(one.container)
    return {"process": whole["process"], "container": container, "pids": list(one.pids),
            "names": [_name(name) for name in one.names], "skipped": whole["skipped"]}


def _name(one: Name) -> JsonObject:
    return {
        "what": one.what, **path_fields("user_path", one.user_path), **path_fields("openable_path", one.openable_path),
        "mount": None if one.mount is None else mount_object(one.mount), "file": file_object(one.file),
        "layer": None if one.layer is None else layer_place(one.layer), **path_fields("inner_path", one.inner or None),
        "hidden_by": None if one.by is None else _hider(one.by), "backing": backing_object(one.opens),
        "proof": one.proof or None, "confidence": CONFIDENCE[one.proof] if one.proof else None,
        "evidence": [{"kind": seen.kind, "detail": seen.detail} for seen in one.evidence],
        "reason": one.reason or None, "needs": list(one.needs) or None,
    }


def _hider(one: Hider) -> JsonObject:
    return {"what": one.what, "layer": None if one.layer is None else layer_place(one.layer),
            **path_fields("path", one.path or None), "mount": None if one.mount is None else mount_object(one.mount)}
