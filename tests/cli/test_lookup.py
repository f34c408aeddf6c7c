"""`mapsd lookup` on real processes: what it prints, and how it ends."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import (
    BOUND,
    MAPSD,
    NOBODY,
    as_json,
    child,
    ended,
    exact,
    mapped,
    mapsd,
    opened_by,
    renamed,
    said,
    until,
)
from tests.conftest import missing
from tests.schema import validate

NAMES = [b"new\nline", rb"new\012line", b"back\\slash", b"file (deleted)", b"\x1b[31mred\x1b[0m", b"\xff\xfe",
         b"\xc2\x85", "\u202egnp.exe".encode(), "blank s\u00e9\u4e2d".encode(), b"tab\t\r\x08\x7f"]
ABSENT = (1 << 22) + 1  # above the highest pid that Linux gives


@pytest.fixture
def sleeper():
    with child(lambda: None) as pid:
        yield pid


def test_one_process_is_an_object_and_every_mapping_a_row(sleeper):
    answer = as_json(sleeper)
    assert (answer["process"]["pid"], answer["process"]["uid"]) == (sleeper, os.getuid())
    lines = mapsd(sleeper).stdout.decode().splitlines()
    assert lines[0].split() == ["ADDRESS", "PERMS", "STATE", "LAYER", "CONFIDENCE", "USER_PATH", "BACKING"]
    assert [line.split()[0] for line in lines[1:]] == [
        f"{m['start'][2:]}-{m['end'][2:]}" for m in answer["mappings"]]
    assert len(lines) - 1 == len(Path(f"/proc/{sleeper}/maps").read_bytes().splitlines())


def test_several_processes_are_an_array_or_a_line_each(sleeper):
    several = json.loads(mapsd(sleeper, os.getpid(), "--json").stdout)
    assert [validate(one)["process"]["pid"] for one in several] == [sleeper, os.getpid()]
    lines = mapsd("--ndjson", sleeper, os.getpid()).stdout.splitlines()
    assert [validate(json.loads(line))["process"]["pid"] for line in lines] == [sleeper, os.getpid()]
    heading, *rows = [line.split() for line in mapsd(sleeper, os.getpid()).stdout.decode().splitlines()]
    assert heading[:2] == ["PID", "ADDRESS"]
    assert list(dict.fromkeys(row[0] for row in rows)) == [str(sleeper), str(os.getpid())]


def test_self_is_mapsd():
    assert Path(as_json("self")["process"]["exe"]).name.startswith("python3")


def test_an_address_selects_the_mapping_that_holds_it(sleeper):
    mappings = as_json(sleeper)["mappings"]
    last = int(mappings[1]["end"], 16) - 1
    found = as_json(sleeper, hex(last), mappings[0]["start"])["mappings"]
    assert [m["start"] for m in found] == [mappings[0]["start"], mappings[1]["start"]]
    assert len(mapsd(sleeper, hex(last)).stdout.splitlines()) == 2


def test_an_address_belongs_to_the_process_before_it(sleeper):
    start = as_json(sleeper)["mappings"][0]["start"]
    first, second = json.loads(mapsd(os.getpid(), sleeper, start, "--json").stdout)
    assert len(first["mappings"]) > 1
    assert [m["start"] for m in second["mappings"]] == [start]


def test_an_address_that_no_mapping_holds_is_status_1(sleeper):
    assert said(mapsd(sleeper, "0x0")) == (1, f"mapsd: {sleeper}: no mapping holds 0x0\n")
    done = mapsd(sleeper, "0xffffffffffffffff", "--json")
    assert done.returncode == 1
    assert validate(json.loads(done.stdout))["mappings"] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_path_of_any_bytes_is_exact_in_json_and_harmless_in_the_table(tmp_path, name):
    path = os.path.join(os.fsencode(tmp_path), name)
    Path(os.fsdecode(path)).write_bytes(b"." * 4096)
    with child(lambda: mapped(path)) as pid:
        found = [m for m in as_json(pid)["mappings"] if m["kind"] == "file" and exact(m, "user_path") == path]
        assert [m["state"] for m in found] == ["current"]
        assert os.stat(exact(found[0], "openable_path")).st_ino == os.stat(path).st_ino
        table = mapsd(pid).stdout.decode()
        raw = mapsd(pid, "-r", "-o", "USER_PATH,STATE").stdout.decode()
        zero = mapsd(pid, "-0", "-o", "USER_PATH").stdout
        text = mapsd(pid, "--format=proc").stdout
        maps = Path(f"/proc/{pid}/maps").read_bytes()
    assert all(char.isprintable() or char == "\n" for char in table + raw)
    assert sum(str(tmp_path) in line for line in table.splitlines()) == 1
    [line] = [line for line in raw.splitlines() if line.startswith(f"{tmp_path}/")]
    word, state = line.split(" ")
    assert re.sub(rb"\\x(..)", lambda match: bytes.fromhex(match[1].decode()), word.encode()) == path
    assert (state, zero.split(b"\0").count(path), text) == ("current", 1, maps)


def test_a_deleted_file_is_deleted(tmp_path):
    path = tmp_path / "gone"
    path.write_bytes(b"." * 4096)
    with child(lambda: mapped(path)) as pid:
        path.unlink()
        found = [m for m in as_json(pid)["mappings"] if m["shown"]["path"] == f"{path} (deleted)"]
    # An ordinary user may not follow map_files: the name may as well end in the mark.
    told = ("deleted", str(path), None) if os.geteuid() == 0 else ("unknown", None, None)
    assert [(m["state"], m["user_path"], m["openable_path"]) for m in found] == [told]


@pytest.mark.parametrize("name", [b"\x1b]0;owned\x07", b"\xff\xc2\x9b31m", b"two\nlines", "\u202eabc".encode(),
                                  b"a) Z 1 ("])
def test_a_process_may_have_any_name(name):
    with child(lambda: renamed(name)) as pid:
        assert exact(as_json(pid)["process"], "name") == name
        table = mapsd(pid, pid, "-o", "PID,NAME").stdout.decode()
        raw = mapsd(pid, "-nro", "PID,NAME,KIND").stdout.decode()
        zero = mapsd(pid, "-0o", "NAME").stdout
    assert all(char.isprintable() or char == "\n" for char in table + raw)
    assert all(line.startswith(f"{pid} ") for line in table.splitlines()[1:])
    assert all(len(line.split(" ")) == 3 for line in raw.splitlines())
    assert set(zero.split(b"\0")) == {name, b""}


def test_a_missing_process_is_status_1():
    assert said(mapsd(ABSENT)) == (1, f"mapsd: {ABSENT}: no such process\n")
    assert mapsd(ABSENT, "--json").stdout == b""


def test_several_processes_are_an_array_also_of_those_that_were_found(sleeper):
    some, none = mapsd(ABSENT, sleeper, "--json"), mapsd(ABSENT, ABSENT, "--json")
    assert [one["process"]["pid"] for one in json.loads(some.stdout)] == [sleeper]
    assert json.loads(none.stdout) == []
    assert (some.returncode, none.returncode, mapsd(ABSENT, ABSENT, "--ndjson").stdout) == (1, 1, b"")


@pytest.mark.parametrize("state", ["zombie", "kernel thread"])
def test_a_process_without_memory_has_no_mappings(state):
    if state == "zombie":
        with child(lambda: None, stays=False) as pid:
            assert as_json(pid)["mappings"] == []
        return
    try:
        name = Path("/proc/2/comm").read_text()
    except FileNotFoundError:
        name = ""
    if name != "kthreadd\n":
        missing("kernel-thread", "kernel threads are not visible in this pid namespace")
    assert (as_json(2)["mappings"], as_json(2)["process"]["exe"]) == ([], None)


@pytest.mark.usefixtures("root")
def test_a_process_that_may_not_be_read_is_status_3_and_names_the_capability(sleeper):
    if shutil.which("setpriv") is None:
        missing("root", "needs setpriv")
    assert said(mapsd(sleeper, prefix=NOBODY)) == (
        3, f"mapsd: {sleeper}: maps: permission denied: needs CAP_SYS_PTRACE\n")
    worst = mapsd(ABSENT, sleeper, "self", "--json", prefix=NOBODY)
    assert worst.returncode == 3
    assert len(json.loads(worst.stdout)) == 1


@pytest.mark.usefixtures("root")
def test_an_unprivileged_user_gets_an_answer_for_a_process_of_his_own():
    if shutil.which("setpriv") is None:
        missing("root", "needs setpriv")
    done = mapsd("self", "--json", prefix=NOBODY)
    assert said(done) == (0, "")
    assert validate(json.loads(done.stdout))["process"]["uid"] == 65534


def test_a_process_that_exits_in_the_middle_is_status_4():
    for _ in range(40):
        with child(lambda: mapped(*[__file__] * 2000)) as pid:
            asking = subprocess.Popen([MAPSD, "lookup", str(pid)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            until(lambda pid=pid, asking=asking: f"/proc/{pid}" in opened_by(asking.pid) or asking.poll() is not None)
            ended(pid)
            told = asking.communicate(timeout=BOUND)[1].decode()
        assert (asking.returncode, told) in {
            (4, f"mapsd: {pid}: process exited during the lookup\n"), (1, f"mapsd: {pid}: no such process\n"), (0, "")}
        if asking.returncode == 4:
            return
    pytest.fail("the process was never seen to exit in the middle")


def test_every_process_that_can_be_seen_is_asked(sleeper):
    done = mapsd("--all", "-nro", "PID,USER_PATH")
    assert done.returncode == 0
    seen = {int(line.split(" ")[0]) for line in done.stdout.decode().splitlines()}
    assert {sleeper, os.getpid()} <= seen
    array = mapsd("--all", "--json", "--state", "current")
    assert array.returncode == 0
    several = [validate(one) for one in json.loads(array.stdout)]
    assert {sleeper, os.getpid()} <= {one["process"]["pid"] for one in several}
    assert all(m["state"] == "current" for one in several for m in one["mappings"])
    assert all(one["mappings"] for one in several)


@pytest.mark.usefixtures("root")
def test_processes_that_may_not_be_read_are_counted(sleeper):
    if shutil.which("setpriv") is None:
        missing("root", "needs setpriv")
    done = mapsd("--all", "--ndjson", prefix=NOBODY)
    status, told = said(done)
    assert (status, told.count("\n")) == (0, 1)
    assert int(re.search(r"(\d+) process(es)? may not be read", told)[1]) > 0
    assert sleeper not in [json.loads(line)["process"]["pid"] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("words", [["--all", "1"], ["--all", "self", "0x1"], ["--all", "--thread", "1"],
                                   ["--thread", "1"], ["--thread", "x", "self"], ["--thread", "self", "self"],
                                   ["--thread", "1", "self", "1"], ["--all", "--format=proc"], ["--state", "", "self"],
                                   ["self", "1", "--format=proc"], ["--state", "fine", "self"],
                                   ["--state", "current,", "self"], ["--state", "\x1b[31m", "self"],
                                   ["--format=xml", "self"], ["--color=green", "self"], ["--no-page", "self"]])
def test_words_that_do_not_go_together_are_status_2(words):
    done = mapsd(*words)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert done.stderr.decode()[:-1].isprintable()


def test_states_are_selected_in_every_form(sleeper):
    whole = as_json(sleeper)["mappings"]
    current = [m["start"] for m in whole if m["state"] == "current"]
    assert 0 < len(current) < len(whole)
    assert [m["start"] for m in as_json(sleeper, "--state", "current,unknown")["mappings"]] == [
        m["start"] for m in whole if m["state"] in {"current", "unknown"}]
    assert mapsd(sleeper, "--state=current", "-nro", "START").stdout.decode().split() == current
    assert len(mapsd(sleeper, "--state=current", "--format=proc").stdout.splitlines()) == len(current)


def test_nothing_in_such_a_state_is_status_1(sleeper):
    assert said(mapsd(sleeper, "--state", "detached,covered")) == (1, "")
    done = mapsd(sleeper, "--state", "detached", "--json")
    assert (done.returncode, validate(json.loads(done.stdout))["mappings"]) == (1, [])
    assert said(mapsd(sleeper, "--state", "detached", "-n")) == (1, "")
    assert mapsd(sleeper, "--state", "detached", "-n").stdout == b""


def test_no_file_on_an_overlay_is_status_1(sleeper):
    on_overlay = {m["start"] for m in as_json(sleeper)["mappings"] if m["mount"] and m["mount"]["fs_type"] == "overlay"}
    done = mapsd(sleeper, "--overlay-only", "-nro", "START")
    assert (done.returncode, set(done.stdout.decode().split())) == (int(not on_overlay), on_overlay)


def test_files_are_told_with_their_mappings(sleeper):
    counted: dict[str, int] = {}
    for m in as_json(sleeper)["mappings"]:
        if m["kind"] == "file":
            counted[m["user_path"]] = counted.get(m["user_path"], 0) + 1
    text = mapsd(sleeper, "--files", "-nro", "USER_PATH,MAPPINGS").stdout.decode()
    rows = [line.split(" ") for line in text.splitlines()]
    assert {path: int(number) for path, number in rows} == counted
    assert max(counted.values()) > 1


def test_a_thread_that_is_not_the_process_s_is_status_1(sleeper):
    assert said(mapsd(sleeper, "--thread", ABSENT)) == (1, f"mapsd: {sleeper}: no thread {ABSENT}\n")
    assert said(mapsd(sleeper, "--thread", os.getpid())) == (1, f"mapsd: {sleeper}: no thread {os.getpid()}\n")
    assert said(mapsd(ABSENT, "--thread", ABSENT)) == (1, f"mapsd: {ABSENT}: no such process\n")
    assert said(mapsd(sleeper, "--thread", sleeper)) == (0, "")
