"""Answers become text: exact bytes as harmless text, and the contract's JSON. No raw control byte leaves here."""

import time

from mapsd.light import TYPE_CHECKING
from mapsd.model import Answer, Backing, Mount, ProcessAnswer, ProcessFacts

if TYPE_CHECKING:
    from mapsd.model.containers import Container, ImageLayer
    from mapsd.model.packages import Brought

CONFIDENCE = {"kernel-inode": "proven", "bpf": "proven", "page-frame": "proven", "build-id": "proven",
              "sole-candidate": "proven", "lookup": "inferred", "none": "unknown"}
JsonObject = dict[str, object]


def escaped(path: bytes) -> str:
    r"""Return *path* as text: `\\` for a backslash, `\xHH` for control bytes and what is no UTF-8."""
    text = path.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return text if text.isprintable() else "".join(_escaped(char) for char in text)


def _escaped(char: str) -> str:
    # U+0080 to U+009F are control characters as well: a terminal obeys them.
    control = char < " " or "\x7f" <= char < "\xa0"
    return "".join(f"\\x{byte:02x}" for byte in char.encode()) if control else char


def printable(text: str) -> str:
    r"""Return *text* for a terminal: also what reorders, hides or breaks a line is escaped (`\u202e`)."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def confidence(answer: Answer) -> str:
    """Return how sure the backing file is, from its proof."""
    return CONFIDENCE[answer.proof]


def as_json(answer: ProcessAnswer) -> JsonObject:
    """Return the contract's object of one process."""
    return {
        "schema": "mapsd/v1",
        "process": process_object(answer.process),
        "container": None if answer.container is None else container_object(answer.container),
        "kernel": {"release": answer.release, "shows": answer.shows},
        "as_of": moment(answer.as_of),
        "mappings": [mapping_object(mapping, packages=answer.packages) for mapping in answer.mappings],
        "skipped": [{"what": part.what, "reason": part.reason, "needs": part.needs or None} for part in answer.skipped],
    }


def process_object(process: ProcessFacts) -> JsonObject:
    """Return the contract's words on who a process is."""
    return {"pid": process.pid, "start_time": process.start_time, **path_object("name", process.name),
            "uid": process.uid, **path_object("exe", process.exe), "mount_namespace": process.mount_namespace,
            **path_object("root", process.root)}


def container_object(container: "Container") -> JsonObject:
    """Return the contract's words on a container."""
    return {"engine": container.engine, "id": container.id, "name": container.name, "image": container.image,
            "image_id": container.image_id, "image_digest": container.image_digest, "pod": container.pod,
            "namespace": container.namespace, "reason": container.reason}


def layer_of_image(layer: "ImageLayer") -> JsonObject:
    """Return the contract's words on a layer of an image."""
    return {"digest": layer.digest, "diff_id": layer.diff_id, "position": layer.position, "step": layer.step}


def moment(seconds: float) -> str:
    """Return seconds since the epoch as RFC 3339 has it, in UTC, to the millisecond."""
    milliseconds = int(seconds * 1000)
    date = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{date}.{milliseconds % 1000:03}Z"


def path_object(name: str, path: bytes | None) -> JsonObject:
    """Return a path by its name, and its exact bytes where the text is not the path itself."""
    if path is None:
        return {name: None}
    text = escaped(path)
    if text.encode() == path:
        return {name: text}
    from base64 import b64encode  # noqa: PLC0415  (few paths need it)
    return {name: text, f"{name}_base64": b64encode(path).decode("ascii")}


def mapping_object(mapping: Answer, *, packages: bool = False) -> JsonObject:
    """Return the contract's object of one mapping, with its package where *packages* were asked for."""
    vma = mapping.vma
    is_file = mapping.kind == "file"
    more: JsonObject = {"package": package_object(mapping.package)} if packages else {}
    return {
        "start": f"{vma.start:#x}", "end": f"{vma.end:#x}", "perms": vma.perms, "offset": vma.offset,
        "kind": mapping.kind,
        "shown": {**path_object("path", vma.name), "device": str(vma.device), "inode": vma.inode},
        **path_object("user_path", mapping.user_path), **path_object("host_path", mapping.host_path),
        **path_object("openable_path", mapping.openable_path),
        "mount": _mount(mapping.mount), "backing": _backing(mapping.backing), "state": mapping.state,
        "confidence": confidence(mapping) if is_file else None, "proof": mapping.proof if is_file else None,
        "evidence": [{"kind": seen.kind, "detail": seen.detail} for seen in mapping.evidence],
        "build_id": mapping.build_id.hex() if mapping.build_id else None,
        "reason": mapping.reason, "needs": list(mapping.needs) if mapping.needs else None, **more,
    }


def package_object(found: "Brought | None") -> JsonObject | None:
    """Return the contract's words on the package of a file's bytes, None for what is no file."""
    if found is None:
        return None
    one = found.package
    built_from, distribution = (None, None) if one is None else (one.origin, one.distribution)
    return {
        "state": found.state, "kind": one and one.kind, "name": one and one.name, "version": one and one.version,
        "architecture": one and one.architecture,
        "distribution": None if distribution is None else {"id": distribution.id, "version": distribution.version},
        "source": None if built_from is None else {"name": built_from[0], "version": built_from[1]},
        **path_object("path", found.path), "layer": found.layer,
        "reason": found.reason, "needs": list(found.needs) or None,
    }


def _mount(mount: Mount | None) -> JsonObject | None:
    if mount is None:
        return None
    return {"id": mount.id, "device": str(mount.device), "fs_type": escaped(mount.fs_type),
            **path_object("mount_point", mount.mount_point)}


def _backing(backing: Backing | None) -> JsonObject | None:
    if backing is None:
        return None
    found: JsonObject = {
        **path_object("path", backing.path), "device": str(backing.device) if backing.device else None,
        "inode": backing.inode, "fs_type": escaped(backing.fs_type) if backing.fs_type else None,
        "layer": _layer(backing),
    }
    if backing.through:
        found["through"] = [_backing(outer) for outer in backing.through]
    if backing.metadata is not None:
        found["metadata"] = _backing(backing.metadata)
    return found


def _layer(backing: Backing) -> JsonObject | None:
    if not backing.overlaid:
        return None
    found: JsonObject = {"role": backing.layer_role, "index": backing.layer_index,
                         **path_object("path", backing.layer_path), "digest": None}
    return found if backing.image_layer is None else found | layer_of_image(backing.image_layer)
