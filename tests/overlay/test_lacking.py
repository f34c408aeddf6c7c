"""A recording of a real overlay from which facts are taken away: less is known, nothing else is said, and what is
unknown is what the recording lacks.
"""

import json
import os
import re

import pytest

from mapsd.recorder.session import RecordedSession
from mapsd.recorder.written import record
from mapsd.recording import form
from tests.overlay.test_recordings import SCENES
from tests.recording.lacking import lacking
from tests.recording.recorded import processes

GONE = json.dumps({"refused": {"reason": "taken away"}})
SILENT = json.dumps(["silent", "taken away"])
# What is taken away: how the questions begin, and what is answered instead.
TAKEN = {
    "page frames": {"page frames ": SILENT},
    "structures": {"vm_file compared ": SILENT, "vm_file ": GONE},
    "build ids": {"build id mapped ": GONE, "build id ": GONE},
    "handles": {"handle of a directory ": "null", "handle ": GONE},
    "links": {"map_files ": GONE},
    "namespaces": {"namespace ": json.dumps({"place": "unknown", "reason": "taken away"})}}
EACH = [(), *[(name,) for name in TAKEN], ("page frames", "structures"), ("page frames", "structures", "build ids"),
        ("page frames", "structures", "build ids", "handles"),
        ("page frames", "structures", "build ids", "handles", "links"), tuple(TAKEN)]


def without(text: bytes, taken: tuple[str, ...]) -> bytes:
    """Return a recording without what is *taken*."""
    sections = [(one.name, iter([_line(line, taken) for line in one.lines])) for one in form.parsed(text, b"f")]
    return b"".join(form.rendered(iter(sections)))


def _line(line: str, taken: tuple[str, ...]) -> str:
    question, tab, _ = line.partition("\t")
    if not tab or line.startswith("| "):
        return line
    for begin, answer in (one for name in taken for one in TAKEN[name].items()):
        if question.startswith(begin):
            return f"{question}\t{answer}"
    return re.sub(r'"handle": \[\d+, "[0-9a-f]*"\]', '"handle": null', line) if "handles" in taken else line


def told(text: bytes, path) -> dict:
    """Return what is said of each mapping of a file: user path, state and backing file, None where it is unknown."""
    path.write_bytes(text)
    session = RecordedSession(os.fsencode(path))
    [pid] = session.pids()
    return {one.vma.start: (one.user_path, None if one.state == "unknown" else one.state,
                            one.backing and (one.backing.device, one.backing.inode, one.backing.layer_role))
            for one in session.lookup(pid).mappings if one.kind == "file"}


@pytest.mark.parametrize("made", SCENES)
def test_fewer_facts_make_no_other_answer(lab, mapper, base, made):
    with made(lab, mapper) as scene:
        whole = b"".join(record([scene.target.pid]).lines)
    known, unknown = told(whole, base / "whole"), 0
    for taken in EACH:
        text = without(whole, taken)
        holes = lacked(text)
        for start, answer in told(text, base / "less").items():
            for question, before, now in zip(("path", "state", "backing"), known[start], answer, strict=True):
                where = taken, hex(start), question
                assert None in {before, now} or not differ(before, now), where
                if now is None and before is not None:
                    unknown += 1
                    # Without handles other files are asked for than were when this was recorded.
                    assert holes[start][question] or "handles" in taken, where
    assert unknown


def lacked(text: bytes) -> dict:
    [process] = processes(text.decode()).values()
    return {vma.start: lacking(process, vma) for vma in process.vmas()}


def differ(before, now) -> bool:
    if isinstance(now, tuple):
        return any(None not in pair and pair[0] != pair[1] for pair in zip(before, now, strict=True))
    return before != now
