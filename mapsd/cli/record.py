"""`mapsd record PID… -o FILE`: all that answers about processes are made from."""

import os
import sys

import mapsd
from mapsd.cli.arguments import pid, tid
from mapsd.cli.command import MACHINE, Asked, Command, Option, machine
from mapsd.cli.output import FAILED, FOUND, report
from mapsd.errors import NotWritten, UsageError
from mapsd.light import TYPE_CHECKING
from mapsd.views.render import escaped

if TYPE_CHECKING:
    from mapsd.linux.outfile import OutFile
    from mapsd.linux.outstream import OutStream
    from mapsd.recorder.written import Recording
    from mapsd.recording.redaction import Pseudonyms

COMMAND = Command(
    "record", "PID|CONTAINER|self … -o FILE",
    "Write down all that the answers about processes are made from, so that lookup, explain, fds, layers, which, "
    "translate, containers and doctor can answer from the file (--from=FILE) on another machine, as another user, and "
    "after the processes have exited. It is plain text with a digest for each section: what is cut off or altered is "
    "refused.\n\n"
    "It has the texts of /proc, what links and paths open, the entries and attributes of layers that were asked for, "
    "what page frames, build ids and the BPF iterator said, and what doctor finds. No byte of a file or of "
    "memory is in it, but names are: of files, of users' directories, of programs. --redact writes others in their "
    "place. The output is a new file that only its owner may read; it appears when it is whole.",
    (Option(("-o", "--output"), "where to; - is stdout", "FILE"),
     Option(("-f", "--force"), "replace FILE where it is a regular file; links are never followed nor replaced"),
     Option(("--thread",), "as this thread of the one process sees it as well; those that have a mount namespace or a "
            "root of their own are recorded in any case", "TID"),
     Option(("--packages",), "also the packages of the mapped files: their names and versions, and what their records "
            "say of these files; every mapped file is read for its digest"),
     Option(("--redact",), "write the same pseudonym wherever a name is the same; user and group ids as well"),
     *MACHINE),
    ((0, "written"), (1, "no such process"), (3, "a process may not be read"), (4, "a process exited meanwhile"),
     (70, "not answered or not written; only what went to stdout is then left")))


def run(asked: Asked) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print."""
    from mapsd.recorder.written import record  # noqa: PLC0415  (--help needs none of it)
    host = machine(asked)
    wanted = [pid(operand, host) for operand in asked.operands]
    if not wanted:
        raise UsageError("a PID is missing (see mapsd record --help)")
    threads = _threads(asked.values, wanted)
    if "output" not in asked.values:
        raise UsageError("where to is missing: -o FILE (see mapsd record --help)")
    to = asked.values["output"]
    out = _stdout() if to == "-" else _file(os.fsencode(to), force="force" in asked.flags)
    try:
        found = record(wanted, _names(asked.flags), host, mapsd.__version__, threads,
                       packages="packages" in asked.flags)
        line = _told(to, found, _written(found, out))
        out.commit()
    finally:
        out.close()
    if to == "-":
        return (FOUND if report([line]) else FAILED), []
    return FOUND, [line]


def _names(flags: frozenset[str]) -> "type[Pseudonyms] | None":
    """Return what is written in place of names, None for the names themselves."""
    if "redact" not in flags:
        return None
    from mapsd.recording.redaction import Pseudonyms  # noqa: PLC0415  (most names stay)
    return Pseudonyms


def _threads(values: dict[str, str], wanted: list[int]) -> dict[int, list[int]]:
    """Return the thread that is asked for, with its process."""
    if "thread" not in values:
        return {}
    if len(set(wanted)) != 1:
        raise UsageError("--thread is of one process")
    return {wanted[0]: [tid(values["thread"])]}


def _file(path: bytes, *, force: bool) -> "OutFile":
    from mapsd.linux.outfile import OutFile  # noqa: PLC0415  (stdout needs none)
    return OutFile(path, replace=force)


def _stdout() -> "OutStream":
    from mapsd.linux.outstream import OutStream  # noqa: PLC0415  (a file needs none)
    if sys.stdout is None:
        raise NotWritten(b"stdout", "it is closed")
    return OutStream(sys.stdout.fileno(), b"stdout")


def _written(found: "Recording", out: "OutFile | OutStream") -> int:
    """Write a recording, and return its size in bytes."""
    from mapsd.recording.form import LARGEST  # noqa: PLC0415  (--help needs none of it)
    size, chunk = 0, bytearray()
    for line in found.lines:
        chunk += line
        if len(chunk) >= 1 << 16:
            size += _put(out, chunk)
        if size > LARGEST:
            raise NotWritten(b"the recording", f"it is larger than {LARGEST >> 20} MiB: record fewer processes")
    return size + _put(out, chunk)


def _put(out: "OutFile | OutStream", chunk: bytearray) -> int:
    size = len(chunk)
    out.write(bytes(chunk))
    chunk.clear()
    return size


def _told(to: str, found: "Recording", size: int) -> str:
    processes = f"{found.processes} process{'es' * (found.processes != 1)}"
    if found.threads:
        processes += f" and {found.threads} thread{'s' * (found.threads != 1)}"
    where = "stdout" if to == "-" else escaped(os.fsencode(to))
    return f"{where}: {processes}, {found.mappings} mappings, {size} bytes"
