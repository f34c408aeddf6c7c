"""`mapsd --socket FILE COMMAND …` prints what `mapsd COMMAND …` prints, and says in one line why it does not."""

import os
import re
import subprocess

import pytest

from mapsd.cli.through import READING
from tests.cli.command import BOUND, CHECKOUT, MAPSD, child, mapped
from tests.remote.server import Daemon, at_socket
from tests.test_imports import PACKAGES, imported


def run(*words: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run([MAPSD, *map(str, words)], capture_output=True, timeout=BOUND, check=False, **options)
    assert all(line.startswith(b"mapsd: ") for line in done.stderr.splitlines()), done.stderr.decode()
    return done


def through(daemon: Daemon, *words: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    return run("--socket", daemon.where, *words, **options)


def timeless(done: subprocess.CompletedProcess[bytes]) -> tuple[int, bytes, bytes]:
    return done.returncode, re.sub(rb'"as_of": "[^"]*"', b"", done.stdout), done.stderr


@pytest.fixture
def daemon(tmp_path):
    with at_socket(tmp_path / "socket") as made:
        yield made


@pytest.fixture
def target(tmp_path):
    (tmp_path / "a file\n").write_bytes(b"." * 8192)
    with child(lambda: (mapped(tmp_path / "a file\n"), open(os.devnull))) as pid:
        yield pid


ABSENT = (1 << 22) + 1
PRINTED = [
    "lookup PID", "lookup PID --output-all", "lookup PID --files", "lookup PID --raw -o USER_PATH,BACKING,FS_TYPE",
    "lookup PID -0 --output-all", "lookup PID --json", "lookup PID --ndjson", "lookup PID --format=proc",
    "lookup PID --color=always", "lookup PID --state current", "lookup PID --overlay-only", "lookup PID PID --json",
    "lookup PID --proof lookup", "lookup PID --thread PID", "lookup PID 0x0", "lookup PID START",
    "lookup PID START --json", "lookup PID START PID", "lookup PID 0x0 START -n", "lookup --list-columns",
    "lookup --help", "lookup", "lookup --state fine PID", "explain PID START", "explain PID START --json",
    "explain PID START 0x0", "explain PID 0x0", "explain PID 0x0 --json", "explain PID EXE --proof lookup",
    "explain PID", "fds PID", "fds PID PID", "fds PID --json", "fds PID --ndjson --proof lookup", "fds x/y",
    "containers now", "containers --help",
    "layers PID", "layers PID --json", "which PID /bin/sh", "which PID /bin/sh --json", "which PID /nothing/at/all",
    "which PID /nothing/at/all --json", "which PID bin", "translate PID EXE", "translate PID EXE --json",
    "translate PID 10:12 5", "translate PID bin", "translate PID --thread PID EXE", "translate --help", "doctor --help"]


OF_PACKAGES = [
    "lookup PID --packages", "lookup PID --packages --json", "lookup PID --files -o USER_PATH,PACKAGE,PACKAGE_STATE",
    "lookup PID --packages --format=proc", "lookup PID -o PACKAGES"]


@pytest.mark.parametrize("words", [*PRINTED, *OF_PACKAGES])
def test_a_command_prints_the_same_through_a_daemon(daemon, target, words):
    with open(f"/proc/{target}/maps") as maps:
        start = f"0x{maps.readline().partition('-')[0]}"
    named = {"PID": target, "START": start, "EXE": os.readlink(f"/proc/{target}/exe")}
    asked = [named.get(word, word) for word in words.split()]
    here = timeless(run(*asked))
    assert timeless(through(daemon, *asked)) == here
    assert here[0] in {0, 1, 2}


def test_every_command_that_reads_is_asked(daemon):
    assert {words.split()[0] for words in PRINTED} == set(READING)
    found = through(daemon, "doctor")
    assert [line.split()[:2] for line in found.stdout.splitlines()] == [
        line.split()[:2] for line in run("doctor").stdout.splitlines()]


def test_only_the_mappings_that_are_wanted_are_asked_for(daemon, target):
    with open(f"/proc/{target}/maps") as maps:
        start, other = (f"0x{line.partition('-')[0]}" for line in list(maps)[:2])
    both = f"?address={start}&address={other}"
    for words, query in ((["PID", start], f"?address={start}"), (["PID", start, "PID", other], both),
                         (["PID", start, "PID"], ""), (["PID"], "")):
        daemon.asked.clear()
        assert through(daemon, "lookup", *(target if word == "PID" else word for word in words)).returncode == 0
        assert {path for path, _ in daemon.asked} == {f"/v1/processes/{target}/mappings{query}"}


def test_self_is_the_process_that_asks(daemon):
    found = through(daemon, "fds", "self", "--json")
    asked = daemon.asked[0][0]
    assert re.fullmatch(r"/v1/processes/[0-9]+/fds\?container=true", asked)
    assert int(asked.split("/")[3]) != os.getpid()
    exe = next(line for line in found.stdout.decode().splitlines() if '"user_path": ' in line)
    assert "python" in exe


def test_every_process_is_asked_over_one_connection(daemon, target):
    found = through(daemon, "lookup", "--all", "--state=current", "-n", "-o", "PID")
    pids = {int(line) for line in found.stdout.split()}
    assert {target, os.getpid()} <= pids
    assert len(daemon.connections) == 1
    assert daemon.asked[0][1]["Accept"] == "application/x-ndjson"
    assert {path for path, _ in daemon.asked[1:]} >= {f"/v1/processes/{pid}/mappings" for pid in pids}


@pytest.mark.parametrize("words", ["lookup PID", "fds PID", "which PID /", "explain PID START"])
def test_a_client_needs_no_package_and_no_machine(daemon, target, tmp_path, words):
    (tmp_path / "bin").mkdir()
    with open(f"/proc/{target}/maps") as maps:
        start = f"0x{maps.readline().partition('-')[0]}"
    asked = [{"PID": str(target), "START": start}.get(word, word) for word in words.split()]
    names = imported(CHECKOUT, tmp_path / "bin", "--socket", daemon.where, *asked)
    assert "mapsd.remote.session" in names
    assert not names & (PACKAGES | {"ctypes", "mapsd.linux.procfs", "mapsd.answer.observe", "mapsd.session"})
