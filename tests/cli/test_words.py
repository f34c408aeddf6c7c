"""The command's words, its streams and its end: one clear line for whatever goes wrong, never a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mapsd import __version__
from mapsd import lookup as lookup_self
from mapsd.cli import __main__, lookup
from mapsd.cli.arguments import parse
from mapsd.cli.command import helped
from mapsd.errors import AccessDenied, KernelLacks, ParseError, ProcessGone
from mapsd.model import ProcessAnswer
from tests.cli.command import BOUND, CHECKOUT, MAPSD, child, mapped, mapsd, said, until

PID = os.getpid()


def run(*words: object, **streams: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([MAPSD, *words], check=False, timeout=BOUND, **{"capture_output": True, **streams})


def shell(command: str) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(["sh", "-c", command, MAPSD, str(PID)], capture_output=True, check=False, timeout=BOUND)
    assert b"Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("words", [["1.0"], ["1e3"], ["1_0"], ["self", "0X1"]])
def test_what_may_be_the_name_of_a_container_is_sought_as_one(words):
    done = mapsd(*words)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == f"mapsd: '{words[-1]}': neither a PID nor a container that runs and can be seen\n".encode()


@pytest.mark.parametrize("words", [
    ["0"], ["-1"], [""], [" 1"], ["1 "], ["\u0663"], ["\u00b2"], ["+1"], ["9" * 10],
    ["9" * 5000], ["0x1"], ["self", "0x"], ["self", "0xg"], ["self", "0x" + "f" * 17], ["self", "0x-1"],
    [], ["--json"], ["--json", "--ndjson", "self"], ["--jso", "self"], ["--json=1", "self"],
    ["-x", "self"], ["-", "self"], ["\x1b[31m"], ["\u202e1"], [b"\xff\xfe"], ["one\ntwo"], ["n" * 100_000],
])
def test_what_is_not_understood_is_status_2_and_one_printable_line(words):
    done = mapsd(*words)
    assert (done.returncode, done.stdout) == (2, b"")
    line = done.stderr.decode()
    assert line.count("\n") == 1
    assert line[:-1].isprintable()
    assert len(line) < 150


@pytest.mark.parametrize("words", [[], [""], ["locate"], ["--jso"], ["\x1b]0;x\x07"], ["--json", "lookup", "1"]])
def test_an_unknown_command_is_status_2(words):
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert done.stderr.startswith(b"mapsd: ")
    assert done.stderr.decode()[:-1].isprintable()


def test_it_says_its_version():
    assert said(run("--version")) == (0, "")
    assert run("--version").stdout.decode() == f"mapsd {__version__}\n"


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["lookup", "--help"], ["lookup", "-h", "nonsense"]])
def test_it_helps(words):
    done = run(*words)
    assert said(done) == (0, "")
    assert done.stdout.startswith(b"usage: mapsd ")


@pytest.mark.parametrize("name", __main__.COMMANDS)
def test_every_command_helps_with_its_own_words(name):
    command = __import__(f"mapsd.cli.{name}", fromlist=["COMMAND"]).COMMAND
    done = run(name, "--help")
    assert said(done) == (0, "")
    text = done.stdout.decode()
    assert text == helped(command) + "\n"
    assert text.startswith(f"usage: mapsd {name}")
    assert max(map(len, text.splitlines())) <= 100
    assert next(status for status, _ in command.every_status) == 0
    assert {status for status, _ in command.statuses} <= {0, 1, 3, 4, 5, 70}


def test_the_overview_names_every_command_and_option():
    text = run("--help").stdout.decode()
    assert all(f"  {name} " in text for name in __main__.COMMANDS)
    assert all(spelling in text for option in __main__.ITSELF.every_option for spelling in option.names)
    assert max(map(len, text.splitlines())) <= 100


def test_two_hyphens_end_the_options():
    assert said(mapsd("--", "self")) == (0, "")
    assert mapsd("--", "--json").returncode == 2


def test_short_and_long_options_are_one():
    assert b'"schema": "mapsd/v1"' in mapsd("-J", "self").stdout


def test_a_reader_that_has_gone_is_no_failure():
    assert (shell('"$0" lookup "$1" | true').returncode, shell('"$0" lookup "$1" | true').stderr) == (0, b"")
    reader, writer = os.pipe()
    os.close(reader)
    done = run("lookup", str(PID), capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert said(done) == (0, "")


@pytest.mark.parametrize("words", ["lookup self", "lookup self --json", "lookup self --ndjson", "--help", "--version"])
@pytest.mark.parametrize(("to", "why"), [(">/dev/full", "No space left on device"), (">&-", "stdout is closed")])
def test_an_answer_that_cannot_be_written_is_status_70(words, to, why):
    done = shell(f'"$0" {words} {to}')
    assert said(done) == (70, f"mapsd: cannot write the answer: {why}\n")


@pytest.mark.parametrize("to", ["2>&-", "2>/dev/full", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_message_that_cannot_be_written_leaves_the_status(to):
    assert shell(f'"$0" lookup 0 {to}').returncode == 2
    assert shell(f'"$0" lookup 4194305 {to}').returncode == 1
    assert shell(f'"$0" lookup 4194305 {to}').stdout == b""


def test_a_stream_without_the_characters_is_no_failure(tmp_path):
    path = tmp_path / "\u4e2d.so"
    path.write_bytes(b"." * 4096)
    command, env = [sys.executable, "-m", "mapsd.cli", "lookup"], {**os.environ, "PYTHONIOENCODING": "ascii"}
    with child(lambda: mapped(path)) as pid:
        done = subprocess.run([*command, str(pid)], cwd=CHECKOUT, env=env, capture_output=True, check=False)
    assert said(done) == (0, "")
    assert rb"/\u4e2d.so" in done.stdout


@pytest.mark.parametrize("failure", [
    ParseError("maps", b"\x1b[31m\xff", "not a mapping"), OSError(5, "Input/output error", b"\x1b\xff"),
    KernelLacks("openat2")])
def test_a_failure_of_the_library_is_one_line_and_status_70(failure, capfd):
    def fails(_: int, __: str) -> None:
        raise failure
    assert lookup.run(parse(["1", "1", "--json"], lookup.COMMAND), fails) == (70, ["[]"])
    out, err = capfd.readouterr()
    assert (out, err.count("\n"), err.replace("\n", "").isprintable()) == ("", 2, True)
    assert err.startswith("mapsd: ")


@pytest.mark.parametrize(("statuses", "worst"), [((0, 1), 1), ((1, 4), 4), ((4, 3, 0), 3), ((3, 70), 70), ((0, 0), 0)])
def test_of_several_statuses_the_worst_wins(statuses, worst, capfd):
    found = lookup_self(os.getpid())
    failures = {1: ProcessGone(1, seen=False), 3: AccessDenied("maps", "CAP_SYS_PTRACE"), 4: ProcessGone(1, seen=True),
                70: KernelLacks("statx")}

    def ask(status: int, _: str) -> ProcessAnswer:
        if status == 7:
            return found
        raise failures[status]
    words = [str(status or 7) for status in statuses]
    assert lookup.run(parse(words, lookup.COMMAND), ask)[0] == worst
    assert capfd.readouterr().err.count("mapsd: ") == sum(status != 0 for status in statuses)


def test_an_interrupt_ends_it_as_the_signal_does(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    held = os.open(fifo, os.O_RDWR)
    fill = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    while True:
        try:
            os.write(fill, b"." * 4096)
        except BlockingIOError:
            break
    os.set_blocking(fill, True)
    asking = subprocess.Popen([MAPSD, "lookup", str(PID)], stdout=fill, stderr=subprocess.PIPE)
    until(lambda: "pipe_write" in Path(f"/proc/{asking.pid}/wchan").read_text())
    asking.send_signal(signal.SIGINT)
    told = asking.communicate(timeout=BOUND)[1]
    os.close(held)
    os.close(fill)
    assert (asking.returncode, told) == (-signal.SIGINT, b"")
