"""What stands between a command and a daemon's answer is one line, and the exit status says what kind it is."""

import os
import socket
from itertools import cycle, product

import pytest

from tests.cli.test_remote import ABSENT, run
from tests.remote.server import NDJSON, PROBLEM, Said, at_port, at_socket, problem, saying

OF_ONE = ["lookup 1", "explain 1 0x0", "fds 1", "layers 1", "which 1 /"]
UNREACHED, NOTHING, USAGE, DENIED, GONE, FAILED = 5, 1, 2, 3, 4, 70
HTML = Said(b"<html>", kind="text/html")
REPLIES = {
    "absent": (problem("absent", 404), NOTHING, "1: no such process, or the daemon at PLACE may not show it to you"),
    "gone": (problem("gone", 410), GONE, "1: process exited during the lookup"),
    "not-readable": (problem("not-readable", 403, needs=["CAP_SYS_PTRACE"]), DENIED,
                     "1: the daemon at PLACE: permission denied: needs CAP_SYS_PTRACE"),
    "not-readable, in other words": (problem("not-readable", 403), DENIED,
                                     "1: the daemon at PLACE: permission denied: needs another privilege"),
    "invalid": (problem("invalid", 400), USAGE, "the daemon at PLACE does not take this: why"),
    "unauthenticated": (problem("unauthenticated", 401), UNREACHED,
                        "the daemon at PLACE cannot be asked: it wants a token (--token-file)"),
    "unknown-host": (problem("unknown-host", 421), UNREACHED, "the daemon at PLACE cannot be asked: why"),
    "internal": (problem("internal", 500), FAILED, "the daemon at PLACE failed: why"),
    "kernel-lacks": (problem("kernel-lacks", 501), FAILED, "the daemon at PLACE failed: why"),
    "a kind of a later version": (problem("tired", 418), FAILED, "the daemon at PLACE failed: why"),
    "control bytes": (problem("internal", 500, "\x1b[31m\n"), FAILED, r"the daemon at PLACE failed: \x1b[31m\n"),
    "a long story": (problem("internal", 500, "x" * 5000), FAILED, "the daemon at PLACE failed: " + "x" * 300),
}
NO_MAPSD = {
    "no such route": (problem("no-route", 404), "it has no ROUTE"),
    "a page": (HTML, "ROUTE: no JSON"),
    "another's 404": (HTML._replace(status=404), "ROUTE: it answers 404, text/html"),
    "a list": (Said(b"[]"), "ROUTE: the reply: no object"), "nothing": (Said(b""), "ROUTE: no JSON"),
    "another version": (Said(b'{"schema": "mapsd/v2"}'), "ROUTE: schema: not known: 'mapsd/v2'"),
    "no field": (Said(b'{"schema": "mapsd/v1"}'), "missing"), "another's problem": (
        Said(b'{"type": "about:blank", "detail": "x"}', 404, PROBLEM),
        "ROUTE: it answers 404 with a problem that is none of mapsd's"),
    "a problem without a sentence": (Said(b'{"type": "urn:mapsd:problem:absent"}', 404, PROBLEM), "detail: missing"),
    "elsewhere": (HTML._replace(status=302, more=(("Location", "http://127.0.0.1:1/"),)),
                  "ROUTE: it answers 302, text/html"),
}


def ended(where: str, words: str) -> tuple[int, str]:
    """Return exit status and the one line that was said, where nothing is printed."""
    done = run("--socket", where, *words.split())
    assert done.stdout == b""
    [line] = done.stderr.decode().splitlines()
    assert line.isprintable()
    return done.returncode, line.removeprefix("mapsd: ").replace(where, "PLACE")


@pytest.mark.parametrize(("kind", "words"), [*zip(REPLIES, cycle(OF_ONE), strict=False),
                                             *product(["absent", "not-readable"], OF_ONE)])
def test_a_problem_is_a_failure(tmp_path, kind, words):
    said, status, line = REPLIES[kind]
    with at_socket(tmp_path / "s", lambda *_: said) as daemon:
        assert ended(daemon.where, words) == (status, line)


@pytest.mark.parametrize(("kind", "words"), [*zip(NO_MAPSD, cycle([*OF_ONE, "doctor"]), strict=False),
                                             *product(["a page", "another version"], [*OF_ONE, "doctor"])])
def test_what_is_no_mapsd_is_said_to_be_none(tmp_path, kind, words):
    said, line = NO_MAPSD[kind]
    with at_socket(tmp_path / "s", lambda *_: said) as daemon:
        status, told = ended(daemon.where, words)
        route = daemon.asked[0][0].partition("?")[0]
    assert status == FAILED
    assert told.startswith("what answers at PLACE is no mapsd that this one understands: ")
    assert told.endswith(line.replace("ROUTE", route))


@pytest.mark.parametrize("body", [b"{}\n", b'{"pid": 0}\n', b"no\n", b'{"pid": "1"}\n', b"[]\n"])
def test_a_list_of_no_processes_is_said_to_be_none(tmp_path, body):
    with at_socket(tmp_path / "s", lambda *_: Said(body, kind=NDJSON)) as daemon:
        assert ended(daemon.where, "lookup --all")[0] == FAILED
    with at_socket(tmp_path / "t", lambda *_: Said(b"{}")) as daemon:
        assert ended(daemon.where, "lookup --all")[1].endswith("/v1/processes: it answers application/json")


def test_of_several_processes_the_worst_is_the_status_and_no_answer_is_lost(tmp_path):
    replies = {"1": problem("absent", 404), "2": problem("gone", 410), "3": HTML}
    with at_socket(tmp_path / "s", lambda path, _: replies[path.split("/")[3]]) as daemon:
        for command in ("lookup", "fds"):
            for pids, status in (([1], NOTHING), ([1, 2], GONE), ([1, 3, 2], FAILED)):
                done = run("--socket", daemon.where, command, *pids)
                assert (done.returncode, len(done.stderr.splitlines())) == (status, len(pids))


def test_after_a_daemon_that_cannot_be_asked_nothing_is(tmp_path):
    with at_socket(tmp_path / "s", lambda *_: problem("unauthenticated", 401)) as daemon:
        for words in ("lookup 1 2 3", "fds 1 2 3"):
            daemon.asked.clear()
            assert ended(daemon.where, words)[0] == UNREACHED
            assert len(daemon.asked) == 1


@pytest.mark.parametrize(("parts", "status", "line"), [
    ([], UNREACHED, "cannot be asked: Remote end closed connection without response"),
    ([b"SSH-2.0-OpenSSH\r\n"], FAILED, "no HTTP: SSH-2.0-OpenSSH"),
    ([b"\x1b]0;x\x07\xff\r\n"], FAILED, r"no HTTP: \x1b]0;x\x07"),
    ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"], UNREACHED, "it ended in the middle of a reply"),
    ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n{"], UNREACHED, "in the middle of a reply"),
    ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"], UNREACHED, "in the middle of a reply"),
    ([b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 200], FAILED, "no HTTP: got more than 100 headers"),
    ([b"HTTP/1.1 200 OK\r\nA: ", b"x" * 100_000], FAILED, "no HTTP: got more than 65536 bytes"),
    ([b"HTTP/1.1 200 OK\r\n\r\n{}"], FAILED, "schema: missing")])
def test_something_else_at_the_socket_is_one_line(tmp_path, parts, status, line):
    with saying(tmp_path / "s", *parts) as where:
        found, told = ended(where, "lookup 1")
    assert found == status
    assert line in told


def test_nobody_at_the_socket_is_status_5(tmp_path):
    assert ended(f"{tmp_path}/none", "doctor") == (
        UNREACHED, "the daemon at PLACE cannot be asked: No such file or directory")
    left = socket.socket(socket.AF_UNIX)
    left.bind(f"{tmp_path}/left")
    assert ended(f"{tmp_path}/left", "doctor")[1].endswith("cannot be asked: Connection refused")
    left.close()
    (tmp_path / "file").touch()
    assert ended(f"{tmp_path}/file", "lookup self")[0] == UNREACHED
    assert "too long" in ended(f"{tmp_path}/{'x' * 200}", "lookup 1")[1]
    assert ended(f"{tmp_path}/\x1b[m", "lookup 1")[0] == UNREACHED
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    done = run("--url", f"http://127.0.0.1:{port}", "lookup", 1)
    assert (done.returncode, done.stdout) == (UNREACHED, b"")
    assert done.stderr.endswith(b"cannot be asked: Connection refused\n")


@pytest.mark.parametrize("words", [
    "--socket S demo", "--socket S extract 1 0x0 -o -", "--socket S teach", "--socket S unteach", "--socket S serve",
    "--url http://h demo", "--socket S locate 1", "--socket S", "--socket", "--socket S --socket S doctor",
    "--socket S --url http://h doctor", "--socket S --token-file F doctor", "--ca-file F doctor",
    "--url http://h --ca-file F doctor", "--url https://h --cert-file F doctor", "--url https://h --key-file F doctor",
    "--url https://h --ca-file /nowhere doctor", "--url http://h --token-file /nowhere doctor", "--url ftp://h doctor",
    "--url h:1 doctor", "--url http:// doctor", "--url http://h:x doctor", "--url http://h:99999 doctor",
    "--url http://h/?x=1 doctor", "--url http://h/#x doctor", "--url http://u:p@h doctor", "--url http://u@h doctor",
    "--url http://u:p@[::1 doctor", "--url ftp://u:p@h doctor",
    "--url http://127.0.0.1:1 lookup self", "--url http://127.0.0.1:1 explain self 0x0", "--url http://h\x1b doctor",
    "--url http://[::1 doctor", "--socket S lookup 1 --procfs /proc", "--socket S layers 1 --host-root /",
    "--socket S doctor now", "--socket S lookup x/y",
    "--socket S lookup --proof belief 1", "--json --socket S lookup 1"])
def test_what_is_not_understood_is_status_2_and_one_line(words):
    done = run(*words.split(" "))
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (USAGE, b"", 1)
    assert done.stderr.decode()[:-1].isprintable()
    assert b":p@" not in done.stderr


def test_a_wrong_host_name_is_a_daemon_that_is_not_there():
    for host in ("nowhere.invalid", "x" * 70 + ".invalid"):
        done = run("--url", f"http://{host}:1", "doctor")
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (UNREACHED, b"", 1)


def test_a_missing_process_is_status_1_and_names_the_daemon(tmp_path):
    with at_socket(tmp_path / "s") as daemon, at_port() as other:
        assert ended(daemon.where, f"lookup {ABSENT}")[0] == NOTHING
        done = run("--url", other.where, "lookup", ABSENT)
    assert done.stderr.decode() == (f"mapsd: {ABSENT}: no such process, or the daemon at {other.where} may not show it "
                                    "to you\n")
    assert os.path.exists(f"/proc/{ABSENT}") is False
