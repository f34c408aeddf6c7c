"""`mapsd record`, and commands with --from: the same is printed as of the machine, anywhere, by anyone, and later."""

import contextlib
import json
import os
import re
import stat
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.cli import record
from mapsd.cli.command import Asked
from mapsd.errors import MapsdError, NotWritten, RecordingError
from mapsd.recorder.session import RecordedSession
from mapsd.recording import form
from mapsd.views.render import as_json
from tests.cli.command import BOUND, MAPSD, NOBODY, child, ended, mapped, renamed
from tests.cli.test_remote import ABSENT, PRINTED
from tests.cli.test_thread import scene
from tests.overlay.conftest import lab
from tests.test_imports import PACKAGES, imported

__all__ = ["lab"]

HIDDEN = 'mount -t tmpfs none /proc && mount -t tmpfs none /sys && cd "$0" && exec "$@"'


def run(*words: object, prefix: tuple[str, ...] | list[str] = ()) -> tuple[int, bytes, bytes]:
    done = subprocess.run([*prefix, MAPSD, *map(str, words)], capture_output=True, timeout=BOUND, check=False)
    assert all(line.startswith(b"mapsd: ") for line in done.stderr.splitlines()), done.stderr.decode()
    return done.returncode, re.sub(rb'"as_of": "[^"]*"', b"", done.stdout), done.stderr


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    base = tmp_path_factory.mktemp("target")
    names = [base / "a file\n", base / r"a \012 file", base / "gone", Path(os.fsdecode(os.fsencode(base) + b"/\xff"))]
    for path in names:
        path.write_bytes(b"." * 8192)

    def started():
        renamed(b"a (name) \xff")
        for fd in map(int, os.listdir("/proc/self/fd")):
            # What the tests print is in files that grow.
            if os.path.exists(f"/proc/self/fd/{fd}") and os.readlink(f"/proc/self/fd/{fd}").startswith("/"):
                os.dup2(os.open(os.devnull, os.O_RDWR), fd)
        held = mapped(*names), os.open(names[0], os.O_RDONLY)
        names[2].unlink()
        return held
    with child(started) as pid:
        yield pid


@pytest.fixture(scope="module")
def recording(target, tmp_path_factory):
    made = tmp_path_factory.mktemp("recording") / "made"
    status, out, err = run("record", target, "-o", made)
    assert (status, err) == (0, b"")
    assert re.fullmatch(rb"%b: 1 process, \d+ mappings, %d bytes\n" % (
        os.fsencode(made), made.stat().st_size), out)
    return made


def started_at(pid):
    with open(f"/proc/{pid}/maps") as maps:
        return f"0x{maps.readline().partition('-')[0]}"


# Of names that may be missing a recording says that it has only those of mapped files.
ASKED = [*(words for words in PRINTED if "PID /nothing" not in words and words != "translate PID EXE --json"), "doctor",
         "doctor --json"]


@pytest.mark.parametrize("words", ASKED)
def test_a_command_prints_the_same_of_a_recording(recording, target, words):
    named = {"PID": target, "START": started_at(target), "EXE": os.readlink(f"/proc/{target}/exe"),
             "/bin/sh": os.readlink(f"/proc/{target}/exe")}
    asked = [named.get(word, word) for word in words.split()]
    told = run(*asked)
    assert run(*asked, "--from", recording) == told
    assert told[1] or told[2]


@pytest.mark.parametrize("proof", ["lookup", "page-frame", "build-id", "bpf"])
def test_every_proof_is_recorded(recording, target, proof):
    for words in (["lookup"], *([["fds"]] if proof != "build-id" else [])):
        asked = [*words, target, "--json", "--proof", proof]
        assert run(*asked, "--from", recording) == run(*asked)


def test_a_recording_is_its_owner_s_alone_and_plain_text(recording):
    assert stat.S_IMODE(recording.stat().st_mode) == 0o600
    text = recording.read_text("ascii")
    assert text.startswith("mapsd recording 1\nbegin recorder\n")
    assert all(character.isprintable() or character in "\t\n" for character in text)


def test_of_the_same_answers_the_same_bytes_are_made(target):
    def steady(text: bytes) -> bytes:
        return re.sub(rb"(?m)^(time \[\]\t|end .*|complete .*|booted .*).*\n", b"", text)
    one, other = (subprocess.run([MAPSD, "record", str(target), "-o", "-"], capture_output=True, check=True).stdout
                  for _ in range(2))
    assert steady(one) == steady(other)


@pytest.fixture
def shared():
    """A directory that everybody may write to."""
    with tempfile.TemporaryDirectory() as made:
        os.chmod(made, 0o777)
        yield Path(made)


@pytest.mark.usefixtures("root")
def test_it_is_answered_from_where_nothing_of_the_machine_is_to_be_seen(recording, target, shared):
    copy = shared / "copy"
    copy.write_bytes(recording.read_bytes())
    hidden = ["unshare", "-m", "--propagation", "private", "sh", "-c", HIDDEN, str(shared), *NOBODY]
    for words in (["lookup", target], ["fds", target], ["layers", target], ["which", target, "/"],
                  ["explain", target, started_at(target)], ["doctor"]):
        asked = [*words, "--json", "--from", copy]
        told = run(*asked)
        assert told[1]
        assert run(*asked, prefix=hidden) == told


@pytest.mark.parametrize("words", [["lookup", "PID"], ["lookup", "--all", "--json"], ["fds", "PID"],
                                   ["which", "PID", "/"], ["doctor"], ["doctor", "--json"]])
def test_a_replay_imports_nothing_that_touches_a_machine(checkout, tmp_path, recording, target, words):
    asked = [str(target) if word == "PID" else word for word in words]
    names = imported(checkout, tmp_path, *asked, "--from", str(recording))
    assert "mapsd.recorder.session" in names
    assert not {name for name in names if name.startswith("mapsd.linux")}
    assert not names & (PACKAGES | {"ctypes", "socket", "mapsd.session"})


def test_a_lookup_imports_nothing_of_recordings(checkout, tmp_path):
    names = imported(checkout, tmp_path, "lookup", "self")
    assert not {name for name in names if name.startswith(("mapsd.recorder", "mapsd.recording", "mapsd.sources"))}


@pytest.mark.usefixtures("root")
def test_a_machine_that_is_seen_through_a_procfs_is_recorded_as_it_is_seen(target, shared):
    made = shared / "made"
    assert run("record", target, "--procfs", "/proc", "--host-root", "/", "-o", made)[0] == 0
    for words in (["lookup", target, "--json"], ["fds", target, "--json"], ["which", target, "/", "--json"]):
        assert run(*words, "--from", made) == run(*words, "--procfs", "/proc", "--host-root", "/")


def test_it_answers_for_a_process_that_has_exited_since(tmp_path):
    made = tmp_path / "made"
    with child(lambda: mapped(__file__)) as pid:
        assert run("record", pid, "-o", made)[0] == 0
        told = run("lookup", pid, "--json")
        ended(pid)
        assert run("lookup", pid)[0] == 1
        assert run("lookup", pid, "--json", "--from", made) == told


def test_several_processes_are_in_one_recording_and_all_means_these(tmp_path, target):
    made = tmp_path / "made"
    with child(lambda: None) as other:
        assert run("record", other, target, other, "-o", made)[0] == 0
        told = run("lookup", *sorted((other, target)), "--json")
    assert run("lookup", *sorted((other, target)), "--json", "--from", made) == told
    listed = run("lookup", "--all", "-n", "-o", "PID", "--from", made)[1].split()
    assert set(map(int, listed)) == {other, target}


def refused(words, status, said):
    found, out, err = run(*words)
    assert (found, out) == (status, b"")
    assert said in err.decode()


def test_what_a_recording_does_not_have_is_said(recording, target):
    refused(["lookup", ABSENT, "--from", recording], 1, f"{ABSENT}: no such process is recorded in {recording}")
    refused(["lookup", target, "--thread", 1, "--from", recording], 1, f"{target}: thread 1 is not recorded in")
    refused(["which", target, "/not/asked", "--from", recording], 1, "the recording does not have it")


def test_what_does_not_go_with_a_recording_is_not_understood(recording, target, tmp_path):
    for words, said in (
            (["lookup", "self"], "self is no process of a recording"), (["fds", target, "self"], "self is no process"),
            (["lookup", target, "--procfs", "/proc"], "--procfs and --from exclude each other"),
            (["which", target, "bin"], "not an absolute path"),
            (["doctor", "--procfs", "/proc"], "--procfs and --from exclude each other"),
            (["doctor", target], "no operand is taken"),
            (["extract", target, "0x0", "-o", "-"], "no such option")):
        refused([*words, "--from", recording], 2, said)
    refused(["lookup", target, "--from", tmp_path / "none"], 2, "No such file or directory")
    refused(["lookup", target, "--from", tmp_path], 2, "Is a directory")
    refused(["--socket", tmp_path / "s", "lookup", target, "--from", recording], 2, "--from asks no daemon")


def test_what_is_no_recording_is_refused_by_file_line_and_reason(tmp_path, recording, target):
    path = tmp_path / "other"
    path.write_bytes(recording.read_bytes().replace(b"| ", b"|  ", 1))
    refused(["lookup", target, "--from", path], 70, f"{path}:15: the section process {target}, up to line ")
    refused(["lookup", target, "--from", __file__], 70, f"{__file__}:1: no recording of mapsd's")
    refused(["lookup", target, "--from", "/dev/zero"], 70, "/dev/zero:1: larger than 256 MiB")


@pytest.mark.parametrize("name", ["process PID", "thread 7 of PID", "doctor"])
def test_what_is_recorded_is_there_once(recording, target, tmp_path, name):
    sections = [(one.name, iter(one.lines)) for one in form.parsed(recording.read_bytes(), b"f")]
    named = name.replace("PID", str(target))
    path = tmp_path / "twice"
    path.write_bytes(b"".join(form.rendered(iter([*sections, *[(named, iter(["run lookup"]))] * 2]))))
    refused(["lookup", target, "--from", path], 70, f"another section of the {named}")


@pytest.mark.parametrize("name", ["process x", "process ", "thread 1 of", "thread x of 1", "thread 1 of 99999999999"])
def test_what_is_no_number_is_refused(tmp_path, name):
    path = tmp_path / "numbered"
    path.write_bytes(b"".join(form.rendered(iter([(name, iter(["run lookup"]))]))))
    refused(["lookup", 1, "--from", path], 70, "2: not the number of a process")


def test_a_recording_without_an_examination_says_so(recording, tmp_path):
    found = form.parsed(recording.read_bytes(), b"f")
    sections = [(one.name, iter(one.lines)) for one in found if one.name != "doctor"]
    path = tmp_path / "unexamined"
    path.write_bytes(b"".join(form.rendered(iter(sections))))
    refused(["doctor", "--from", path], 70, f"{path}:1: its machine was not examined when this was recorded")


def test_a_machine_that_could_not_be_examined_is_said_to_be_one(tmp_path):
    path = tmp_path / "failed"
    path.write_bytes(b"".join(form.rendered(iter([
        ("doctor", iter(["run doctor", 'examined []\traised {"errno": [2, "No such file or directory"]}']))]))))
    refused(["doctor", "--from", path], 70, "this machine cannot be examined: [Errno 2] No such file or directory")


@pytest.fixture
def threaded(lab):
    with scene(Path(tempfile.mkdtemp(dir=lab))) as (pid, thread):
        yield pid, thread


def test_a_thread_with_mounts_of_its_own_is_recorded_as_it_sees_the_process(threaded, tmp_path):
    pid, thread = threaded
    made = tmp_path / "made"
    status, out, _ = run("record", pid, "-o", made)
    assert (status, b": 1 process and 1 thread, " in out) == (0, True)
    told = [run("lookup", pid, "--json", *words) for words in ([], ["--thread", thread], ["--thread", pid])]
    assert told[0] == told[2] != told[1]
    assert told == [run("lookup", pid, "--json", *words, "--from", made) for words in (
        [], ["--thread", thread], ["--thread", pid])]
    listed = run("lookup", "--all", "-n", "-o", "PID", "--from", made)[1].split()
    assert set(map(int, listed)) == {pid}
    bound = re.search(rb'"openable_path": "/proc/\d+/task/\d+/root(/[^"]*/f)"', told[1][1])[1].decode()
    file = bound.removesuffix("f") + "g"
    status, out, _ = run("translate", pid, "--thread", thread, file, "--from", made)
    assert (status, [line.split()[1::3] for line in out.decode().splitlines()[2:]]) == (0, [["visible", bound]])
    assert run("translate", pid, file, "--from", made)[0] == 1
    redacted = tmp_path / "redacted"
    assert run("record", pid, "--redact", "-o", redacted)[0] == 0
    asked = "lookup", pid, "--thread", thread, "-n", "-o", "STATE,OPENABLE_PATH", "--from"
    named, other = (run(*asked, path)[1] for path in (made, redacted))
    assert [line.split()[0] for line in named.splitlines()] == [line.split()[0] for line in other.splitlines()]
    assert b"/proc/%d/task/%d/root/" % (pid, thread) in other


def test_any_thread_is_recorded_where_it_is_asked_for(tmp_path):
    def body():
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        return mapped(__file__)
    made = tmp_path / "made"
    with child(body) as pid:
        [other] = {int(name) for name in os.listdir(f"/proc/{pid}/task")} - {pid}
        assert b": 1 process, " in run("record", pid, "-o", made)[1]
        refused(["lookup", pid, "--thread", other, "--from", made], 1, f"{pid}: thread {other} is not recorded in")
        assert run("record", pid, "--thread", other, "--force", "-o", made)[0] == 0
        told = run("lookup", pid, "--thread", other, "--json")
    assert run("lookup", pid, "--thread", other, "--json", "--from", made) == told


def test_more_than_is_read_is_not_written(tmp_path, target, monkeypatch):
    monkeypatch.setattr(form, "LARGEST", 1000)
    with pytest.raises(NotWritten, match="record fewer processes"):
        record.run(Asked(frozenset(), {"output": str(tmp_path / "made")}, [str(target)]))
    assert not list(tmp_path.iterdir())


def test_a_recording_is_not_made_where_it_cannot_be(tmp_path, target):
    made = tmp_path / "made"
    made.write_text("mine")
    refused(["record", target, "-o", made], 70, "it exists (--force replaces it)")
    refused(["record", target, "-o", tmp_path / "no/where"], 70, "No such file or directory")
    refused(["record", ABSENT, "-o", tmp_path / "absent"], 1, "no such process")
    refused(["record", "-o", tmp_path / "absent"], 2, "a PID is missing")
    refused(["record", target, "--thread", ABSENT, "-o", tmp_path / "absent"], 1, f"{target}: no thread {ABSENT}")
    refused(["record", target, 1, "--thread", 1, "-o", tmp_path / "absent"], 2, "--thread is of one process")
    refused(["record", target, "--thread", "x", "-o", tmp_path / "absent"], 2, "not a TID: 'x'")
    refused(["record", target], 2, "where to is missing")
    (tmp_path / "link").symlink_to(made)
    refused(["record", target, "--force", "-o", tmp_path / "link"], 70, "no regular file")
    assert made.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "made"]
    assert run("record", target, "--force", "-o", made)[0] == 0
    assert made.read_bytes().startswith(b"mapsd recording 1\n")


@pytest.mark.usefixtures("root")
def test_what_may_not_be_read_is_not_recorded(shared, target):
    status, out, err = run("record", target, "-o", shared / "made", prefix=NOBODY)
    assert (status, out) == (3, b"")
    assert err == b"mapsd: %d: maps: permission denied: needs CAP_SYS_PTRACE\n" % target
    assert not list(shared.iterdir())


@given(st.data())
def test_whatever_is_altered_is_refused(recording, tmp_path_factory, data):
    text = recording.read_bytes()
    lines = text.split(b"\n")
    at = data.draw(st.integers(0, len(lines) - 1))
    how = data.draw(st.sampled_from(["cut", "line", "swap"]))
    if how == "cut":
        altered = text[:data.draw(st.integers(0, len(text) - 1))]
    elif how == "line":
        altered = b"\n".join([*lines[:at], data.draw(st.sampled_from(lines) | st.binary(max_size=9)), *lines[at + 1:]])
    else:
        other = data.draw(st.integers(0, len(lines) - 1))
        lines[at], lines[other] = lines[other], lines[at]
        altered = b"\n".join(lines)
    path = tmp_path_factory.getbasetemp() / "altered"
    path.write_bytes(altered)
    if altered != text:
        with pytest.raises(RecordingError):
            RecordedSession(os.fsencode(path))


leaves = st.sampled_from([None, True, 0, -1, 1 << 63, 1e300, "", "x", "/", "\udcff", "0:1", "mnt:[x]", [], {}])


def changed(value, data):
    """Return a value of JSON with another one somewhere in it."""
    if isinstance(value, dict | list) and value and data.draw(st.integers(0, 3)):
        place = data.draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
        made = value.copy()
        made[place] = changed(value[place], data)
        return made
    return data.draw(leaves)


def altered(line, data):
    """Return a line of a section with another answer, or another text."""
    question, tab, answer = line.partition("\t")
    if tab:
        with contextlib.suppress(ValueError):
            return f"{question}\t{json.dumps(changed(json.loads(answer), data))}"
        return f"{question}\t{data.draw(st.sampled_from(['', '{', 'text 0', 'list 1', 'raised {}', 'raised []']))}"
    cut = data.draw(st.integers(0, len(line)))
    return line[:cut] + data.draw(st.sampled_from(["", " ", "x", "\\", "\\x00"])) + line[cut + 1:]


@given(st.data())
def test_what_is_altered_and_signed_anew_is_a_failure_of_one_line_or_what_it_says(recording, tmp_path_factory, data):
    [section] = [one for one in form.parsed(recording.read_bytes(), b"f") if one.name.startswith("process ")]
    lines, path = list(section.lines), tmp_path_factory.getbasetemp() / "signed"
    for at in data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=1, max_size=3)):
        lines[at] = altered(lines[at], data)
    path.write_bytes(b"".join(form.rendered(iter([(section.name, iter(lines))]))))
    with contextlib.suppress(MapsdError):
        session = RecordedSession(os.fsencode(path))
        [pid] = session.pids()
        assert as_json(session.lookup(pid))["schema"] == "mapsd/v1"


def test_the_library_answers_from_a_recording_as_the_command_does(recording, target):
    session = RecordedSession(os.fsencode(recording))
    told = json.loads(run("lookup", target, "--json", "--from", recording)[1].replace(b" ,\n", b""))
    answer = as_json(session.lookup(target))
    answer.pop("as_of")
    assert json.loads(json.dumps(answer)) == told
    first = session.lookup(target).mappings[0].vma
    assert [one.vma for one in session.lookup(target, addresses=[first.start]).mappings] == [first]
