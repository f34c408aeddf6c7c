"""Processes that exit, execute and come back under the same pid while they are looked up."""

import ctypes
import os
import random
import shutil
import signal
import struct
import subprocess
from pathlib import Path

import pytest

from mapsd import lookup
from mapsd.errors import ProcessGone
from mapsd.linux.procfs import ProcFs
from tests.conftest import missing
from tests.hostile.conftest import storm, until
from tests.hostile.scenes import forked, mapped, overlay
from tests.overlay.conftest import asked
from tests.overlay.target import Target
from tests.schema import answered

EXECER = "#include <unistd.h>\nint main(int n, char **w) { return n - 3 + execl(w[1], w[1], w[2], w[1], (char *)0); }\n"


def spin(rounds: int) -> None:
    for _ in range(rounds):
        os.getppid()


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_process_that_exits_meanwhile_is_gone_or_answered(base):
    path, chance = overlay(base) / "one", random.Random(1)
    go, pids = os.pipe(), os.pipe()

    def step() -> None:
        os.read(go[0], 1)
        rounds = chance.randrange(60_000)
        child = forked(lambda: (mapped(path), spin(rounds)))
        os.write(pids[1], struct.pack("i", child))
        os.waitpid(child, 0)

    os.write(go[1], b".")
    with storm(step):
        os.read(pids[0], 4)
        alive = gone = 0
        for _ in range(80):
            os.write(go[1], b".")
            child = struct.unpack("i", os.read(pids[0], 4))[0]
            try:
                found = [m for m in answered(child)["mappings"] if m["user_path"] == str(path)]
            except ProcessGone:
                gone += 1
                continue
            alive += 1
            assert all(m["backing"]["path"] == str(base / "lower/one") for m in found if m["backing"])
            assert {m["state"] for m in found} <= {"current", "unknown"}
    assert gone
    assert alive + gone == 80


@pytest.mark.parametrize("randomized", [True, False])
def test_a_process_that_executes_in_a_loop_is_one_program_at_a_time(base, randomized):
    merged = overlay(base)
    source = base / "execer.c"
    source.write_text(EXECER)
    programs = [merged / "ping", merged / "pong"]
    for program in programs:
        subprocess.run(["gcc", "-O1", "-static", "-o", program, source], check=True)
    prefix = [] if randomized else ["setarch", "-R"]
    child = subprocess.Popen([*prefix, programs[0], programs[1], programs[0]])
    until(lambda: os.readlink(f"/proc/{child.pid}/exe") in map(str, programs))
    try:
        for _ in range(200):
            answer = answered(child.pid)
            sure = {m["user_path"] for m in answer["mappings"] if m["state"] == "current"}
            assert {(m["shown"]["path"], m["user_path"]) for m in answer["mappings"] if m["state"] == "current"} <= {
                (str(program), str(program)) for program in programs}
            assert len(sure) <= 1
            assert sure <= {answer["process"]["exe"]}
            for mapping in (m for m in answer["mappings"] if m["backing"] and "/p" in m["shown"]["path"]):
                held = base / "upper" / os.path.basename(mapping["shown"]["path"])
                assert mapping["backing"]["inode"] == held.stat().st_ino, mapping
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_a_process_whose_leader_has_exited_is_answered_through_a_thread(base, mapper):
    path = overlay(base) / "one"
    with Target(mapper) as target:
        address = target.map(path)
        before = asked(target.pid)
        target.ask("thread")
        until(lambda: state_of(target.pid) == "Z")
        after = asked(target.pid)
        for field in ("user_path", "backing", "state", "confidence"):
            assert {at: after[at][field] for at in before if before[at]["kind"] == "file"} == {
                at: found[field] for at, found in before.items() if found["kind"] == "file"}
        assert after[address]["state"] == "current"


@pytest.mark.usefixtures("root")
def test_a_zombie_and_a_kernel_thread_have_no_mappings():
    child = forked(lambda: None)
    until(lambda: state_of(child) == "Z")
    kernel_thread = next(int(name) for name in sorted(os.listdir("/proc"), key=len) if name.isdigit()
                         and int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[6]) & 0x200000)
    try:
        for pid in (child, kernel_thread):
            answer = answered(pid)
            assert (answer["mappings"], answer["process"]["exe"]) == ([], None)
    finally:
        os.waitpid(child, 0)
    with pytest.raises(ProcessGone):
        lookup(child)


def clone_as(pid: int, words: list[bytes]) -> None:
    """Start a program under this pid. See clone3(2), set_tid (Linux 5.5)."""
    tid = ctypes.c_int(pid)
    arguments = struct.pack("11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(tid), 1, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    child = libc.syscall(435, arguments, ctypes.c_size_t(len(arguments)))
    if child == 0:
        try:
            os.execv(words[0], words)
        finally:
            os._exit(127)
    if child < 0:
        missing("overlay", f"no clone3 with set_tid: {os.strerror(ctypes.get_errno())}")
    assert child == pid


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.mark.usefixtures("lab")
def test_an_opened_process_never_becomes_its_successor():
    pid = forked(signal.pause)
    process = ProcFs(pid)
    assert process.text("maps")
    end(pid)
    clone_as(pid, [os.fsencode(shutil.which("sleep")), b"60"])
    try:
        for question in (process.stat, lambda: process.text("maps"), lambda: process.named(b"/")):
            with pytest.raises(ProcessGone):
                question()
        until(lambda: b"sleep" in (lookup(pid).process.exe or b""))
    finally:
        process.close()
        end(pid)


def test_a_pid_that_is_reused_in_a_loop_is_one_process_at_a_time(base, mapper):
    merged = overlay(base)
    programs = [merged / "first", merged / "second"]
    for program in programs:
        shutil.copy(mapper, program)
    held = forked(signal.pause)
    end(held)
    reader, writer = os.pipe()

    def step() -> None:
        os.dup2(reader, 0)
        for program in programs:
            clone_as(held, [b"/usr/bin/setarch", b"-R", os.fsencode(program)])
            spin(3000)
            end(held)

    with storm(step):
        for _ in range(150):
            try:
                answer = answered(held)
            except ProcessGone:
                continue
            sure = {m["user_path"] for m in answer["mappings"] if m["state"] == "current"} & set(map(str, programs))
            assert sure <= {answer["process"]["exe"]}
    os.close(writer)
    os.close(reader)
