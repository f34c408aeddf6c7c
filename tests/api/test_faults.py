"""Clients that are slow or gone, descriptors and disk that run out, a clock that jumps: it answers or says busy."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from tests.api.crowd import all_at_once, asking, is_busy, large, request, warmed
from tests.api.running import BOUND, Daemon, UnixConnection, asked, connected, daemon, until
from tests.cli.command import child
from tests.conftest import missing

OF_US = f"/v1/processes/{os.getpid()}"
TIMES = 20
# Adds the seconds in a file to what clock_gettime(2) says of the wall clock.
CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME) {
        char text[32] = "";
        int fd = open(getenv("CLOCK_JUMPS"), O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && read(fd, text, sizeof text - 1) > 0)
            now->tv_sec += atoll(text);
        if (fd >= 0)
            close(fd);
    }
    return result;
}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Daemon]:
    with daemon(tmp_path_factory.mktemp("faults"), "--watch-interval=0.1") as made:
        yield made


def rests(served: Daemon) -> bool:
    """Return whether nobody is looked up, waited for or told anything."""
    return not any(served.metric(f"mapsd_{name}")
                   for name in ("lookups_running", "lookups_waiting", "event_subscribers"))


def test_who_takes_nothing_keeps_neither_the_others_nor_the_memory(served, tmp_path):
    before = warmed(served)
    with large(tmp_path) as pid:
        # Each of them 15 MB, and with what is made of it on the way several times that.
        forms = ["", "?files=true", "?fields=start", "?fields=end,state", "?proof=lookup"]
        targets = [f"/v1/processes/{pid}/mappings{form}" for form in forms * 8]
        with asking(served, *targets):
            until(lambda: served.metric("mapsd_lookups_running") == 0)
            assert served.answer(f"{OF_US}/mappings").status == 200
            assert served.resident() < 1 << 30
    served.gives_back(before)


def test_who_takes_slowly_gets_all_of_it(served, tmp_path):
    with large(tmp_path, 4000) as pid, connected(served.path) as one:
        one.sendall(request(f"/v1/processes/{pid}/mappings", "Connection: close"))
        said = bytearray()
        while part := one.recv(10_000):
            said += part
    assert len(json.loads(said.partition(b"\r\n\r\n")[2])["mappings"]) > 4000


@pytest.mark.parametrize("target", ["/mappings", "/fds", "/mappings?files=true", "/explain?path=/"])
def test_who_is_gone_before_the_answer_comes_leaves_nothing(served, tmp_path, target):
    before = warmed(served)
    with large(tmp_path) as pid:
        with asking(served, *[f"/v1/processes/{pid}{target}"] * TIMES):
            pass
        until(lambda: rests(served))
    served.gives_back(before)


def test_who_is_gone_in_the_middle_of_an_answer_leaves_nothing(served, tmp_path):
    before = warmed(served)
    with large(tmp_path) as pid:
        for accept in ("application/json", "application/x-ndjson"):
            for _ in range(3):
                with connected(served.path) as one:
                    one.sendall(request(f"/v1/processes/{pid}/mappings", f"Accept: {accept}"))
                    assert one.recv(1000).startswith(b"HTTP/1.1 200 ")
                    assert one.recv(1000)
    until(lambda: rests(served))
    served.gives_back(before)


@pytest.mark.parametrize("target", ["/v1/processes", "/v1/processes?states=true"])
def test_who_is_gone_in_the_middle_of_lines_leaves_nothing(served, target):
    before = warmed(served)
    for _ in range(TIMES // 4):
        with connected(served.path) as one:
            one.sendall(request(target, "Accept: application/x-ndjson"))
            assert one.recv(1000).startswith(b"HTTP/1.1 200 ")
    until(lambda: rests(served))
    served.gives_back(before)


def test_who_is_gone_in_the_middle_of_a_stream_leaves_nothing(served):
    before = warmed(served)
    for _ in range(TIMES):
        with connected(served.path) as one:
            one.sendall(request(f"/v1/events?pid={os.getpid()}"))
            assert one.recv(1000).startswith(b"HTTP/1.1 200 ")
    until(lambda: rests(served))
    served.gives_back(before)


def test_without_descriptors_it_says_busy_and_recovers(tmp_path):
    with daemon(tmp_path, before=("prlimit", "--nofile=40:40"), ends=False) as served:
        before = warmed(served)
        answers = all_at_once(served, *[f"{OF_US}/mappings"] * 60)
        assert all(answer.status == 200 or is_busy(answer) for answer in answers)
        assert any(map(is_busy, answers))
        served.gives_back(before)
        assert served.answer(f"{OF_US}/mappings").status == 200
        said = [line["message"].partition("\n")[0] for line in served.complaints()]
        assert {*said} <= {"socket.accept() out of system resource"}
        assert len(said) < 500


def test_a_full_disk_costs_lines_of_the_audit_and_nothing_else(tmp_path):
    if os.geteuid() != 0:
        missing("root", "needs root to mount a small disk")
    script = 'mount -t tmpfs -o size=16k disk "$1"; shift; exec "$@"'
    disk = tmp_path / "disk"
    disk.mkdir()
    with daemon(tmp_path, audit=disk / "audit", ends=False, before=(
            "unshare", "--mount", "--propagation=private", "sh", "-ec", script, "sh", str(disk))) as served:
        theirs = Path(f"/proc/{served.pid}/root{disk}")
        before = warmed(served)
        while not served.metric("mapsd_audit_lines_lost_total"):
            assert served.answer("/v1/processes/1").status == 200
        full = (theirs / "audit").read_bytes()
        assert [served.answer("/v1/processes/1").status for _ in range(5)] == [200] * 5
        assert (theirs / "audit").read_bytes() == full
        (theirs / "audit").rename(theirs / "old")
        (theirs / "old").write_bytes(b"")
        assert served.answer("/v1/processes/1").status == 200
        lost = int(served.metric("mapsd_audit_lines_lost_total"))
        told = [json.loads(line) for line in (theirs / "old").read_bytes().splitlines() if line]
        assert [one.get("lost", one.get("operation")) for one in told] == [lost, "show_process"]
        assert [line["message"] for line in served.complaints()] == [
            "the audit cannot be written: lines are lost, and counted"]
        served.gives_back(before)


@pytest.fixture
def clock(tmp_path) -> tuple[str, Path]:
    """Return what to put into the environment of a program, and the file of the seconds by which its clock is wrong."""
    if shutil.which("gcc") is None:
        missing("overlay", "needs gcc for a clock that jumps")
    (tmp_path / "clock.c").write_text(CLOCK)
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", tmp_path / "clock.so",
                    tmp_path / "clock.c"], check=True)
    return f"LD_PRELOAD={tmp_path}/clock.so", tmp_path / "jumps"


def test_a_clock_that_jumps_changes_times_and_nothing_else(tmp_path, clock):
    preload, jumps = clock
    jumps.write_text("0")
    years = 10 * 365 * 86400
    with (daemon(tmp_path, "--watch-interval=0.1", before=("env", preload, f"CLOCK_JUMPS={jumps}")) as served,
          connected(served.path) as stream, closing(UnixConnection(served.path)) as kept, child(lambda: None) as quiet):
        stream.sendall(request("/v1/events"))
        assert stream.recv(1000).startswith(b"HTTP/1.1 200 ")
        cursor = asked(kept, "/v1/processes?limit=1").json()["next"]
        target = f"/v1/processes/{quiet}/mappings"
        tag = asked(kept, target).headers["ETag"]
        for jump in (years, -years, 0):
            jumps.write_text(str(jump))
            answer = asked(kept, f"{target}?state=current")
            assert abs(datetime.fromisoformat(answer.json()["as_of"]).timestamp() - time.time() - jump) < BOUND
            assert asked(kept, f"/v1/processes?cursor={cursor}").status == 200
            assert asked(kept, target, If_None_Match=tag).status == 304
            with child(lambda: None) as pid:
                until_told(stream, b'event: seen\ndata: {"pid": %d,' % pid)
            until_told(stream, b'event: gone\ndata: {"pid": %d,' % pid)


def until_told(stream: socket.socket, words: bytes) -> None:
    said = b""
    while words not in said:
        part = stream.recv(1 << 16)
        assert part, "the stream ended"
        said += part
