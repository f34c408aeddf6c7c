"""A recording of processes, as lines that are written down."""

import os

from mapsd.light import Iterator, NamedTuple, Sequence
from mapsd.linux import capabilities
from mapsd.linux.live import Live
from mapsd.model import HERE, Host
from mapsd.recorder.asked import recorded
from mapsd.recorder.session import PROCESS
from mapsd.recording import form
from mapsd.recording.codec import Json, Names, text_of
from mapsd.recording.plain import Plain
from mapsd.recording.transcript import Transcript, spelled


class Recording(NamedTuple):
    """What was recorded: *lines* are its bytes, made as they are asked for."""

    processes: int
    mappings: int
    lines: Iterator[bytes]


def record(pids: Sequence[int], names: Names | None = None, host: Host = HERE, version: str = "") -> Recording:
    """Return a recording of processes of a machine, with other *names* in place of their own.

    *version* is that of the program that records, for whoever reads it.

    Raises what a lookup of any of them raises: ProcessGone, AccessDenied, NoHost, ParseError.
    """
    live = Live(host)
    try:
        found = {pid: recorded(pid, live, names or Plain()) for pid in dict.fromkeys(pids)}
    finally:
        live.iterator.close()
    mappings = sum(len(answer.mappings) for _, answer in found.values())
    transcripts = {pid: transcript for pid, (transcript, _) in found.items()}
    return Recording(len(found), mappings, form.rendered(_sections(transcripts, _recorder(names, host, version))))


def _sections(transcripts: dict[int, Transcript], about: dict[str, Json]) -> Iterator[tuple[str, Iterator[str]]]:
    yield "recorder", iter([f"{name}\t{spelled(value)}" for name, value in about.items()])
    for pid, transcript in sorted(transcripts.items()):
        yield f"{PROCESS}{pid}", transcript.lines()


def _recorder(names: Names | None, host: Host, version: str) -> dict[str, Json]:
    """Return who recorded, on which kernel: for whoever reads it, never for an answer."""
    held, kernel = capabilities.own(), os.uname()
    return {"mapsd": version, "kernel": kernel.release, "machine": kernel.machine,
            "capabilities": list(held.held), "initial user namespace": held.initial,
            "procfs": None if names else text_of(host.procfs), "redacted": names is not None}
