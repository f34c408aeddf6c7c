"""`mapsd extract PID ADDRESS -o FILE`: the bytes that a mapping really holds."""

import os
import sys

import mapsd
from mapsd.cli.arguments import address, pid, quoted
from mapsd.cli.command import JSON, Asked, Command, Option
from mapsd.cli.output import FAILED, FOUND, report
from mapsd.errors import NotWritten, UsageError
from mapsd.light import TYPE_CHECKING

if TYPE_CHECKING:
    from mapsd.extraction import Extraction

COMMAND = Command(
    "extract", "PID|CONTAINER|self 0xADDRESS -o FILE",
    "Write what the mapping at an address really holds: the whole backing file where that is proven and has a "
    "name; else what the process has of it in memory, each part at its place in the file. The output is a new file "
    "that only its owner may read; it appears when it is whole. Size, SHA-256, build id and where the bytes came "
    "from are printed, with the parts that are missing (holes) and the pages of a private mapping that are the "
    "process's own and may differ from the file.\n\n"
    "Of memory that is no file's (heap, stack, anonymous, vdso) the one mapping is written. Memory comes in whole "
    "pages. To read a page of a file that is not in memory brings it there for the process, as if it had read it "
    "itself; --fault=never leaves such pages out. Nothing is read from a device's memory.",
    (Option(("-o", "--output"), "where to; - is stdout, and then what is printed goes to stderr", "FILE"),
     Option(("-f", "--force"), "replace FILE where it is a regular file; links are never followed nor replaced"),
     Option(("--fault",), "bring pages into memory for the process: never, always, or auto (the default): not from a "
            "filesystem with a server (FUSE, NFS), which might never answer", "WHEN", ("auto", "never", "always")),
     Option(("--max-size",), "refuse more than this; K, M, G and T may follow (default 4G)", "BYTES"),
     JSON),
    ((0, "written"), (1, "no such process, or nothing that can be extracted is at the address"),
     (3, "the process may not be read"), (4, "the process exited meanwhile"),
     (70, "not answered, not written, or other bytes meanwhile; only what went to stdout is then left")))
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_DEFAULT, _LOFF_MAX = "4G", (1 << 63) - 1


def run(asked: Asked) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print."""
    process, at = target(asked.operands)
    limit, path = size(asked.values.get("max-size", _DEFAULT)), _output(asked.values)
    return _extracted(process, at, (limit, asked.values.get("fault", "auto")), path, asked.flags)


def target(operands: list[str]) -> tuple[int, int]:
    """Return the process and the address. Raises UsageError for anything else."""
    if len(operands) != 2:
        raise UsageError("one PID and one address are needed (see mapsd extract --help)")
    return pid(operands[0]), address(operands[1])


def size(text: str) -> int:
    """Return a number of bytes, which may end in K, M, G or T. Raises UsageError for what is none."""
    unit = _UNITS.get(text[-1:], 1)
    digits = text[:-1] if unit > 1 else text
    if not digits.isascii() or not digits.isdigit() or len(digits) > 19 or int(digits) * unit > _LOFF_MAX:
        raise UsageError(f"not a size: {quoted(text)}")
    return int(digits) * unit


def _output(values: dict[str, str]) -> bytes | None:
    """Return the output's path, None for stdout."""
    if "output" not in values:
        raise UsageError("where to is missing: -o FILE (see mapsd extract --help)")
    if values["output"] != "-":
        return os.fsencode(values["output"])
    if sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("the bytes of a mapping are not written to a terminal: -o FILE")
    return None


def _extracted(process: int, at: int, wish: tuple[int, str], path: bytes | None,
               flags: frozenset[str]) -> tuple[int, list[str]]:
    to = _stdout() if path is None else path
    found = mapsd.extract(process, at, to, replace="force" in flags, max_size=wish[0], fault=wish[1])
    lines = _lines(found, path, flags)
    if path is None:
        return (FOUND if report(lines) else FAILED), []
    return FOUND, lines


def _stdout() -> int:
    if sys.stdout is None:
        # Where it is closed its number may be any file's by now.
        raise NotWritten(b"stdout", "it is closed")
    return sys.stdout.fileno()


def _lines(found: "Extraction", path: bytes | None, flags: frozenset[str]) -> list[str]:
    from mapsd.views.report import as_object, lines  # noqa: PLC0415
    if "json" not in flags:
        return list(lines(found, path))
    import json  # noqa: PLC0415
    return [json.dumps(as_object(found, path), indent=1)]
