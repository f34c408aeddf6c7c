"""What a process has open becomes text: a table for a reader, and the contract's JSON."""

import os

from mapsd.light import Iterator
from mapsd.model import Answer, DeviceId, ProcessAnswer, Vma
from mapsd.model.open import DATA, OpenAnswer, OpenFile
from mapsd.views.columns import Row, named
from mapsd.views.columns import text as cell
from mapsd.views.render import JsonObject, as_json, escaped, printable
from mapsd.views.table import Heading, Line, Table

COLUMNS = ("FD", "KIND", "STATE", "LAYER", "CONFIDENCE", "USER_PATH", "BACKING")
_SHARED = named(COLUMNS[2:])
_ACCESS = {os.O_RDONLY: "read", os.O_WRONLY: "write", os.O_RDWR: "read-write"}
_MAPPING = frozenset({"start", "end", "perms", "offset", "kind", "shown", "build_id"})
_UNSEEN = DeviceId(0, 0)


def table(answer: OpenAnswer) -> Iterator[str]:
    """Yield the lines of the readable table: one row an open file."""
    rows = [Line((file.fd, file.kind, *_cells(file, answer))) for file in answer.files]
    yield from Table([Heading(name) for name in COLUMNS]).lines(rows)


def title(answer: OpenAnswer) -> str:
    """Return the line above the table of one of several processes."""
    return f"{answer.process.pid} {printable(escaped(answer.process.name))}"


def _cells(file: OpenFile, answer: OpenAnswer) -> Iterator[str]:
    mapping = _as_answer(file)
    for column in _SHARED:
        if file.state is None and column.name == "USER_PATH":
            yield printable(f"[{escaped(file.shown or b'')}]")
        elif file.kind not in DATA and column.name in {"BACKING", "CONFIDENCE"}:
            yield "-"
        else:
            yield cell(column, Row(answer.process, mapping, (mapping,)))


def _as_answer(file: OpenFile) -> Answer:
    """Return an open file in the words of a mapping, which has the same fields."""
    vma = Vma(0, 0, "", 0, file.device or _UNSEEN, file.inode or 0, file.shown or b"")
    return Answer(vma, "file" if file.kind in DATA else file.kind, file.user_path, file.host_path, file.openable_path,
                  file.mount, file.backing, file.state, file.proof or "none", file.evidence, file.reason, file.needs)


def as_object(answer: OpenAnswer) -> JsonObject:
    """Return the JSON object of docs/schema/fds.json."""
    whole = as_json(ProcessAnswer(answer.process, answer.release, None, answer.as_of,
                                  tuple(map(_as_answer, answer.files)), answer.skipped, answer.container))
    mappings = whole.pop("mappings")
    files = mappings if isinstance(mappings, list) else []
    skipped = whole.pop("skipped")
    return {**whole, "open_files": [_file(*pair) for pair in zip(answer.files, files, strict=True)],
            "skipped": skipped}


def _file(file: OpenFile, mapping: JsonObject) -> JsonObject:
    info, claim = file.info, mapping["shown"]
    shown = claim if isinstance(claim, dict) else {}
    if file.shown is None:
        shown = {"path": None}
    shown = {**shown, "device": None if file.device is None else str(file.device), "inode": file.inode}
    return {
        "fd": int(file.fd) if file.fd.isdigit() else file.fd, "kind": file.kind,
        "access": None if info is None else access(info.flags), "flags": None if info is None else f"0{info.flags:o}",
        "position": None if info is None else info.position, "shown": shown,
        **{name: value for name, value in mapping.items() if name not in _MAPPING}}


def access(flags: int) -> str:
    """Return what a descriptor may be used for, from the flags of open(2): read, write, read-write or path."""
    return "path" if flags & os.O_PATH else _ACCESS.get(flags & os.O_ACCMODE, "none")
