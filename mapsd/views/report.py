"""An extraction becomes text: lines for a reader, or a JSON object. No raw control byte leaves here."""

from base64 import b64encode

from mapsd.copying import Copied
from mapsd.extraction import Extraction
from mapsd.light import Iterator
from mapsd.model import Vma
from mapsd.resolve.source import FromFile
from mapsd.views.render import JsonObject, as_json, escaped, printable

_RANGES = 20  # of one kind are shown, all of them in JSON
_WHY = {"unmapped": "no mapping covers it", "absent": "not in memory, not read", "unreadable": "mapped, cannot be read",
        "untouched": "never written to, reads as zeros"}


def lines(found: Extraction, path: bytes | None) -> Iterator[str]:
    """Yield what was extracted, a fact a line; *path* is the output's, None for stdout."""
    copied = found.copied
    yield _line("output", "-" if path is None else _shown(path))
    yield _line("size", f"{copied.size} bytes")
    yield _line("sha256", copied.sha256)
    yield _line("build id", copied.build_id.hex() if copied.build_id else "-")
    yield _line("source", _source(found))
    if copied.changed:
        yield _line("changed", "the backing file was written to while it was read")
    yield from _shortened("left out", [f"{vma.start:#x}-{vma.end:#x}  shown alike, not known to hold the same file"
                                       for vma in found.left_out])
    yield from _shortened("hole", [f"{hole.start:#x}-{hole.end:#x}  {_WHY[hole.why]}" for hole in copied.holes])
    where = "not in the output" if isinstance(found.source, FromFile) else "in the output, may differ from the file"
    yield from _shortened("private", [f"{own.start:#x}-{own.end:#x}  at {own.address:#x}: pages of the process's own, "
                                      f"{where}" for own in copied.own])


def _line(name: str, value: str) -> str:
    return f"{name:<9} {value}"


def _shortened(name: str, values: list[str]) -> Iterator[str]:
    yield from (_line(name, value) for value in values[:_RANGES])
    if len(values) > _RANGES:
        yield _line(name, f"and {len(values) - _RANGES} more (--json names them all)")


def _shown(path: bytes) -> str:
    return printable(escaped(path))


def _source(found: Extraction) -> str:
    if isinstance(found.source, FromFile):
        return f"backing file {_shown(found.source.path)} (proof {found.source.proof})"
    count = len(found.copied.read)
    mappings = "1 mapping" if count == 1 else f"{count} mappings"
    path = "" if found.source.path is None else f" ({_shown(found.source.path)})"
    return f"memory of {found.answer.process.pid}, {mappings}: {printable(found.source.reason)}{path}"


def as_object(found: Extraction, path: bytes | None) -> JsonObject:
    """Return the same as the JSON object of docs/schema/extract.json."""
    about = as_json(found.answer._replace(mappings=(found.mapping,)))
    mappings = about["mappings"]
    copied = found.copied
    return {
        "schema": about["schema"], "process": about["process"], "as_of": about["as_of"],
        "mapping": mappings[0] if isinstance(mappings, list) else None,
        **_path("output", path), "size": copied.size, "sha256": copied.sha256,
        "build_id": copied.build_id.hex() if copied.build_id else None, "source": _source_object(found),
        "changed": copied.changed, "left_out": [_vma(vma) for vma in found.left_out], **_ranges(copied),
    }


def _source_object(found: Extraction) -> JsonObject:
    wanted = found.source
    if isinstance(wanted, FromFile):
        return {"kind": "backing-file", **_path("path", wanted.path), "proof": wanted.proof, "reason": None,
                "mappings": []}
    return {"kind": "memory", **_path("path", wanted.path), "proof": None, "reason": wanted.reason,
            "mappings": [_vma(vma) for vma in found.copied.read]}


def _vma(vma: Vma) -> JsonObject:
    return {"start": f"{vma.start:#x}", "end": f"{vma.end:#x}", "perms": vma.perms, "offset": vma.offset}


def _ranges(copied: Copied) -> JsonObject:
    return {"holes": [{"start": hole.start, "end": hole.end, "why": hole.why} for hole in copied.holes],
            "private": [{"start": own.start, "end": own.end, "address": f"{own.address:#x}"} for own in copied.own]}


def _path(name: str, path: bytes | None) -> JsonObject:
    text = None if path is None else escaped(path)
    if path is None or text is None or text.encode() == path:
        return {name: text}
    return {name: text, f"{name}_base64": b64encode(path).decode("ascii")}
