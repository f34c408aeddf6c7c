"""What is noted of looks at other users' processes, and what becomes of it when it cannot be written."""

import json
import os
import resource
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from mapsd.errors import UsageError
from mapsd.linux.rights.authority import Peer
from mapsd.model import ProcessFacts
from mapsd_api.asker.identity import Identity
from mapsd_api.records import audit
from mapsd_api.records.audit import Audit

USER = Identity(Peer(1000, 100, (27,)), everything=False, via="unix")
ROOT = Identity(Peer(0, 0, ()), everything=True, via="tcp")
NOW = datetime(2026, 11, 26, 10, 0, 0, 123456, UTC)


class Look(NamedTuple):
    identity: Identity
    pid: int
    process: ProcessFacts | None = None
    outcome: str = "answered"
    operation: str = "list_mappings"


def process(uid: int) -> ProcessFacts:
    return ProcessFacts(42, 777, b"\x1b[31mname\n", uid, b"/bin/\x07", None, None)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit.log"


@pytest.fixture
def written(path):
    made = Audit(lambda: audit._file(str(path)), lambda: NOW, lambda: None, lambda: None)
    yield made
    made.close()


def test_a_look_at_another_user_s_process_is_one_line(path, written):
    written.noted(Look(USER, 42, process(1001)))
    assert lines(path) == [{
        "audit": "mapsd/v1", "time": "2026-11-26T10:00:00.123Z", "uid": 1000, "gid": 100, "via": "unix",
        "everything": False, "foreign": False, "operation": "list_mappings", "pid": 42, "start_time": 777,
        "process_uid": 1001, "outcome": "answered"}]
    assert path.stat().st_mode & 0o777 == 0o600
    assert all(byte in b"\n" or byte >= 0x20 for byte in path.read_bytes())


def test_a_look_at_the_asker_s_own_process_is_none(path, written):
    written.noted(Look(USER, 42, process(1000)))
    assert lines(path) == []


def test_whoever_sees_everything_is_noted_always(path, written):
    written.noted(Look(ROOT, 42, process(0)))
    assert [(line["uid"], line["process_uid"], line["via"]) for line in lines(path)] == [(0, 0, "tcp")]


def test_what_is_denied_and_what_is_not_there_are_the_same_line(path, written):
    for _ in range(2):
        written.noted(Look(USER, 42, None, "absent"))
    one, other = lines(path)
    assert one == other
    assert (one["outcome"], one["start_time"], one["process_uid"]) == ("absent", None, None)


def test_a_file_is_appended_to_and_one_that_was_renamed_is_left(path, written):
    written.noted(Look(ROOT, 1, process(0)))
    old = path.with_name("audit.log.1")
    path.rename(old)
    written.noted(Look(ROOT, 2, process(0)))
    written.reopen()
    written.noted(Look(ROOT, 3, process(0)))
    assert [line["pid"] for line in lines(old)] == [1, 2]
    assert [line["pid"] for line in lines(path)] == [3]
    again = audit.to(str(path), lambda: None)
    again.noted(Look(ROOT, 4, process(0)))
    again.close()
    assert [line["pid"] for line in lines(path)] == [3, 4]


def test_where_it_cannot_be_opened_anew_the_open_one_goes_on(path, written, caplog):
    path.rename(path.with_name("old"))
    path.mkdir()
    before = os.listdir("/proc/self/fd")
    written.reopen()
    written.noted(Look(ROOT, 3, process(0)))
    assert len(lines(path.with_name("old"))) == 1
    assert "not opened anew" in caplog.text
    assert os.listdir("/proc/self/fd") == before


def test_a_full_disk_ends_no_request_and_what_was_lost_is_counted(path):
    said, lost = [], []
    made = Audit(lambda: audit._file(str(path)), lambda: NOW, lambda: said.append(1), lambda: lost.append(1))
    made.noted(Look(ROOT, 1, process(0)))
    length = path.stat().st_size
    limits, usual = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length + 10, limits[1]))
    try:
        for _ in range(3):
            made.noted(Look(ROOT, 2, process(0)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, usual)
    made.noted(Look(ROOT, 3, process(0)))
    made.noted(Look(ROOT, 4, process(0)))
    made.close()
    first, torn, *rest = path.read_bytes().splitlines()
    assert (json.loads(first)["pid"], len(torn)) == (1, 10)
    assert [(line.get("lost"), line.get("pid")) for line in map(json.loads, rest)] == [(3, None), (None, 3), (None, 4)]
    assert (said, lost) == ([1], [1, 1, 1])


def test_a_reader_that_has_stopped_stops_nobody():
    reader, writer = os.pipe()
    made = Audit(lambda: os.dup(writer), lambda: NOW, lambda: None, lambda: None)
    for _ in range(1000):
        made.noted(Look(ROOT, 1, process(0)))
    os.close(writer)
    text = os.read(reader, 1 << 20)
    made.noted(Look(ROOT, 2, process(0)))
    made.close()
    with open(reader, "rb") as file:
        text += file.read()
    found = [json.loads(line) for line in text.splitlines()]
    whole = [line for line in found if line.get("pid") == 1]
    assert found[len(whole):] == [found[-2], found[-1]]
    assert (found[-2]["lost"], found[-1]["pid"]) == (1000 - len(whole), 2)
    assert found[-2]["lost"] > 0


def test_lines_of_many_threads_do_not_mix(path, written):
    def ask(pid: int) -> None:
        for _ in range(100):
            written.noted(Look(ROOT, pid, process(0)))
    threads = [threading.Thread(target=ask, args=(pid,)) for pid in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(line["pid"] for line in lines(path)) == sorted([*range(8)] * 100)


def test_off_is_nothing_and_what_is_no_file_is_refused(tmp_path):
    assert audit.to("off", lambda: None) is None
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    before = os.listdir("/proc/self/fd")
    for name in ("fifo", "link", "no/file", "."):
        with pytest.raises(UsageError, match=r"^audit: "):
            audit.to(str(tmp_path / name), lambda: None)
    with pytest.raises(UsageError, match="not a regular file"):
        audit.to("/dev/null", lambda: None)
    assert os.listdir("/proc/self/fd") == before


def test_stderr_takes_the_lines_as_they_are(capfd):
    made = audit.to("stderr", lambda: None)
    made.noted(Look(USER, 42, None, "absent"))
    made.close()
    assert json.loads(capfd.readouterr().err)["outcome"] == "absent"
