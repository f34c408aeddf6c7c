"""A recording that is cut off or altered is refused by file and line, by every command; one that is signed anew is
answered as what it says, or refused: never with a traceback.
"""

import contextlib
import io
import json
import os
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapsd.cli.__main__ import main
from mapsd.recording import form
from tests.cli.command import MAPSD, child, mapped
from tests.recording.test_commands import altered
from tests.recording.test_kernels import NAMES, unpacked

COMMANDS = ["lookup PID", "lookup PID --packages --json", "lookup --all --json", "lookup PID --format=proc",
            "explain PID START", "fds PID", "layers PID --json", "which PID /", "doctor", "translate PID /bin/sh",
            "translate --inside /data/lower.dat --json", "translate fe:00 5"]
STATUSES = {0, 1, 3, 4, 70}  # what docs/recordings.md and each command's help document


@pytest.fixture(scope="module", params=[*NAMES, "fresh"])
def text(request, tmp_path_factory):
    """Return the bytes of a recording: of each kernel, and one that is made now."""
    if request.param in NAMES:
        return unpacked(f"{request.param}.rec")
    held = tmp_path_factory.mktemp("held") / "a\\file\n"
    held.write_bytes(b"." * 4096)
    with child(lambda: mapped(held)) as pid:
        words = ["record", str(pid), "--packages", "-o", "-"]
        return subprocess.run([MAPSD, *words], check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def words(text):
    """Return the commands about the first process."""
    pid, start = re.search(rb"^begin process (\d+)\n.*?^\| (\w+)-\w+ r", text, re.DOTALL | re.MULTILINE).groups()
    named = {"PID": pid.decode(), "START": f"0x{start.decode()}"}
    return [[named.get(word, word) for word in command.split()] for command in COMMANDS]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile") / "altered"


def asked(words, path):
    """Return exit status, stdout and stderr of a command that is asked of a file; whatever is raised is a failure."""
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([*words, "--from", os.fspath(path)])
    out.flush()
    assert all(line.startswith("mapsd: ") for line in err.getvalue().splitlines()), err.getvalue()
    return status, out.buffer.getvalue(), err.getvalue()


def changes(text):
    """Return a strategy of texts that are cut off, or have a line or a byte altered, dropped, doubled or moved."""
    lines = text.split(b"\n")
    places = st.integers(0, len(lines) - 1)
    cut = st.integers(0, len(text) - 1).map(lambda end: text[:end])
    other = st.tuples(places, places.map(lines.__getitem__) | st.binary(max_size=9)).map(
        lambda one: b"\n".join([*lines[:one[0]], one[1], *lines[one[0] + 1:]]))
    byte = st.tuples(st.integers(0, len(text) - 1), st.integers(0, 255)).map(
        lambda one: text[:one[0]] + bytes([one[1]]) + text[one[0] + 1:])
    dropped = st.tuples(places, st.integers(1, 40)).map(lambda one: b"\n".join(lines[:one[0]] + lines[sum(one):]))
    doubled = places.map(lambda at: b"\n".join([*lines[:at], lines[at], *lines[at:]]))
    return (cut | other | byte | dropped | doubled).filter(lambda made: made != text)


@settings(max_examples=20)
@given(data=st.data())
def test_what_is_cut_off_or_altered_is_refused_by_file_and_line_by_every_command(data, text, words, path):
    path.write_bytes(data.draw(changes(text)))
    status, out, err = asked(data.draw(st.sampled_from(words)), path)
    assert (status, out) == (70, b"")
    line = re.fullmatch(rf"mapsd: {re.escape(os.fspath(path))}:(\d+): [^\n]+\n", err)
    assert line is not None, err
    assert 1 <= int(line[1]) <= path.read_bytes().count(b"\n") + 1


@settings(max_examples=20)
@given(data=st.data())
def test_what_is_altered_and_signed_anew_is_answered_or_refused_by_every_command(data, text, words, path):
    sections = [[one.name, list(one.lines)] for one in form.parsed(text, b"f")]
    for _ in range(data.draw(st.integers(1, 3))):
        _, lines = data.draw(st.sampled_from([one for one in sections if one[1]]))
        at = data.draw(st.integers(0, len(lines) - 1))
        lines[at] = altered(lines[at], data)
    path.write_bytes(b"".join(form.rendered((name, iter(lines)) for name, lines in sections)))
    status, out, err = asked(data.draw(st.sampled_from(words)), path)
    assert status in STATUSES
    assert out or err


def test_every_command_answers_from_what_is_whole(text, words, path):
    path.write_bytes(text)
    statuses = {tuple(command): asked(command, path)[0] for command in words}
    # The kernels that were booted once were asked for mappings and layers only.
    assert {status for command, status in statuses.items() if command[0] in {"lookup", "explain"}} == {0}
    assert set(statuses.values()) <= {0, 1, 70}


def test_layers_that_lie_on_their_own_overlay_are_no_endless_descent(text, words, path):
    sections = [(one.name, iter(onto_itself(one.lines))) for one in form.parsed(text, b"f")]
    path.write_bytes(b"".join(form.rendered(iter(sections))))
    for command in words:
        assert asked(command, path)[0] in STATUSES


def onto_itself(lines):
    """Yield lines in which every file of a layer is on the mount that is the process's root."""
    root = next((json.loads(line.partition("\t")[2]) for line in lines if line.startswith('named ["/"]')), {})
    for line in lines:
        ours = "file" in root and line.startswith(("directory ", "entry "))
        yield re.sub(r'"mount_id": \d+', f'"mount_id": {root["file"]["mount_id"]}', line) if ours else line


def test_a_recording_without_processes_is_answered_or_refused(path):
    path.write_bytes(b"".join(form.rendered(iter([("recorder", iter(['kernel\t"6.1"']))]))))
    for command in COMMANDS:
        words = command.replace("PID", "1").replace("START", "0x1000").split()
        assert asked(words, path)[0] in STATUSES


def test_a_recording_nested_as_deep_as_json_allows_is_refused(text, words, path):
    deep = "[" * sys.getrecursionlimit() + "]" * sys.getrecursionlimit()
    sections = [[one.name, list(one.lines)] for one in form.parsed(text, b"f")]
    lines = next(lines for name, lines in sections if name.startswith("process "))
    at = next(at for at, line in enumerate(lines) if line.startswith("mountinfo [")) - 1
    lines[at] = lines[at].partition("\t")[0] + "\t" + deep
    path.write_bytes(b"".join(form.rendered((name, iter(lines)) for name, lines in sections)))
    status, _, err = asked(words[0], path)
    assert (status, "not JSON" in err or "not " in err) == (70, True)
    with pytest.raises(RecursionError):
        json.loads(deep)
