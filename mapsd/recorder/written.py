"""A recording of processes, as lines that are written down."""

import os
import time
from contextlib import suppress

from mapsd.answer.contained import housed
from mapsd.answer.packaged import Packaging
from mapsd.errors import MapsdError, ProcessGone
from mapsd.light import Callable, Iterator, Mapping, NamedTuple, Sequence
from mapsd.linux import capabilities
from mapsd.linux.doctor import examined
from mapsd.linux.live import Live
from mapsd.linux.threads import apart
from mapsd.model import HERE, Host, ProcessFacts
from mapsd.model.containers import Housed
from mapsd.recorder.asked import recorded
from mapsd.recorder.sections import DOCTOR, OF, PROCESS, THREAD
from mapsd.recorder.tape import Recorder
from mapsd.recording import form, questions
from mapsd.recording.codec import Json, Names, text_of
from mapsd.recording.plain import Plain
from mapsd.recording.transcript import Transcript, spelled

_NONE: Mapping[int, Sequence[int]] = {}
THREADS = 64  # of one process, which see other mounts than its leader


class Recording(NamedTuple):
    """What was recorded: *lines* are its bytes, made as they are asked for; *threads* are beside the leaders."""

    processes: int
    mappings: int
    lines: Iterator[bytes]
    threads: int = 0


def record(pids: Sequence[int], named: Callable[[Sequence[int]], Names] | None = None, host: Host = HERE,
           version: str = "", threads: Mapping[int, Sequence[int]] = _NONE, *, packages: bool = False) -> Recording:
    """Return a recording of processes of a machine, as their leaders and those threads see them that see otherwise.

    And as *threads* of each process do. *named* gives the names that are written in place of their own, and is told the
    numbers of processes and threads. *version* is that of the program that records, for whoever reads it. With
    *packages* those of the files' bytes are recorded as well.

    Raises what a lookup of any of them raises: ProcessGone, AccessDenied, NoHost, ParseError.
    """
    live, pids = Live(host), list(dict.fromkeys(pids))
    packaging = Packaging(live) if packages else None
    others = {pid: apart(pid, host)[:THREADS] for pid in pids}
    numbers = [*pids, *(thread for several in (others, threads) for few in several.values() for thread in few)]
    names = named(numbers) if named else Plain()

    def house(process: ProcessFacts, thread: int | None) -> Housed:
        return housed(process, thread, live, time.time())
    try:
        found = {f"{PROCESS}{pid}": recorded(pid, live, names, None, house, packaging) for pid in sorted(pids)}
        seen = {(pid, thread): recorded(pid, live, names, thread, house, packaging)
                for pid, few in threads.items() for thread in few if thread != pid}
        for pid, thread in [(pid, thread) for pid, few in others.items() for thread in few]:
            if (pid, thread) not in seen:
                # It may have ended since.
                with suppress(ProcessGone):
                    seen[pid, thread] = recorded(pid, live, names, thread, house, packaging)
    finally:
        live.iterator.close()
    mappings = sum(len(answer.mappings) for _, answer in found.values())
    found |= {f"{THREAD}{thread}{OF}{pid}": one for (pid, thread), one in sorted(seen.items())}
    transcripts = {DOCTOR: _examined(names, host)} | {name: transcript for name, (transcript, _) in found.items()}
    sections = _sections(transcripts, _recorder(host, version, redacted=named is not None))
    return Recording(len(pids), mappings, form.rendered(sections), len(seen))


def _examined(names: Names, host: Host) -> Transcript:
    """Return what `doctor` finds of the machine, or how it fails."""
    recorder = Recorder(names)
    recorder.begin(DOCTOR)
    with suppress(MapsdError, OSError):
        recorder.ask(questions.EXAMINED, (), lambda: examined(host))
    return recorder.transcript


def _sections(transcripts: dict[str, Transcript], about: dict[str, Json]) -> Iterator[tuple[str, Iterator[str]]]:
    yield "recorder", iter([f"{name}\t{spelled(value)}" for name, value in about.items()])
    for name, transcript in transcripts.items():
        yield name, transcript.lines()


def _recorder(host: Host, version: str, *, redacted: bool) -> dict[str, Json]:
    """Return who recorded, on which kernel: for whoever reads it, never for an answer."""
    held, kernel = capabilities.own(), os.uname()
    return {"mapsd": version, "kernel": kernel.release, "machine": kernel.machine,
            "capabilities": list(held.held), "initial user namespace": held.initial,
            "procfs": None if redacted else text_of(host.procfs), "redacted": redacted}
