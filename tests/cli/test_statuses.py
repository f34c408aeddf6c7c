"""How each command ends, in one table."""

import os
import subprocess

import pytest

from mapsd.cli import __main__
from tests.cli.command import BOUND, MAPSD, NOBODY, child
from tests.conftest import missing

ABSENT = str((1 << 22) + 1)  # above the highest pid that Linux gives
FOUND, NOTHING, USAGE, DENIED = 0, 1, 2, 3
TABLE = [
    ("lookup PID", FOUND), ("lookup PID PID --ndjson", FOUND), ("lookup --list-columns", FOUND),
    ("lookup ABSENT", NOTHING), ("lookup PID 0x0", NOTHING), ("lookup PID ABSENT", NOTHING), ("lookup", USAGE),
    ("lookup PID --state gone", USAGE), ("lookup PID -o NONE", USAGE), ("lookup PID --json --ndjson", USAGE),
    ("explain PID /proc/none", NOTHING), ("explain ABSENT 0x0", NOTHING), ("explain PID", USAGE), ("explain", USAGE),
    ("fds PID", FOUND), ("fds ABSENT", NOTHING), ("fds", USAGE), ("fds x/y", USAGE), ("fds no-such-container", NOTHING),
    ("containers now", USAGE), ("images", USAGE), ("images --root /proc/bus", NOTHING),
    ("layers ABSENT", NOTHING), ("layers", USAGE), ("layers PID --proof bpf", USAGE),
    ("which PID /", FOUND), ("which PID /nothing/here", NOTHING), ("which ABSENT /", NOTHING), ("which PID bin", USAGE),
    ("translate PID /etc/passwd", FOUND), ("translate ABSENT /etc/passwd", NOTHING),
    ("translate PID /nothing/here", NOTHING), ("lookup 4f4f4f4f", NOTHING),
    ("translate", USAGE), ("translate PID 10:12 5", USAGE),
    ("extract ABSENT 0x0 -o -", NOTHING), ("extract PID 0x0", USAGE), ("extract PID", USAGE),
    ("record ABSENT -o -", NOTHING), ("record PID", USAGE), ("record -o -", USAGE),
    ("serve now", USAGE), ("serve --lookups 0", USAGE), ("serve --help", FOUND),
    ("doctor", FOUND), ("doctor now", USAGE), ("teach now", USAGE), ("unteach now", USAGE), ("demo now", USAGE),
    ("--version", FOUND), ("--help", FOUND), ("", USAGE), ("locate", USAGE),
]
DENIES = ["lookup PID", "explain PID 0x0", "fds PID", "which PID /", "translate PID /etc/passwd",
          "extract PID 0x0 -o -", "record PID -o -"]


def ended(words: str, pid: int, prefix: list[str]) -> tuple[int, bytes, int]:
    named = [{"PID": str(pid), "ABSENT": ABSENT}.get(word, word) for word in words.split()]
    done = subprocess.run([*prefix, MAPSD, *named], capture_output=True, timeout=BOUND, check=False)
    return done.returncode, done.stderr, len(done.stdout)


@pytest.mark.parametrize(("words", "status"), TABLE)
def test_a_command_ends_as_the_table_says(words, status):
    with child(lambda: None) as pid:
        ending, said, printed = ended(words, pid, [])
    assert (words, ending) == (words, status)
    assert said.count(b"\n") == (0 if status == FOUND else said.count(b"mapsd: "))
    assert bool(printed) or status != FOUND


@pytest.mark.parametrize("words", DENIES)
def test_a_process_of_another_user_is_denied(words):
    if os.geteuid() != 0:
        missing("root", "needs setpriv")
    with child(lambda: None) as pid:
        ending, said, printed = ended(words, pid, NOBODY)
    assert (words, ending, printed) == (words, DENIED, 0)
    assert said.count(b"\n") == 1


def test_every_command_is_in_the_table():
    assert {words.split()[0] for words, _ in TABLE if words and not words.startswith("-")} >= set(__main__.COMMANDS)


@pytest.mark.parametrize("words", [words for words, _ in TABLE if words and words.split()[0] in __main__.COMMANDS])
def test_a_status_of_the_table_is_one_that_the_help_names(words):
    name, status = words.split()[0], dict(TABLE)[words]
    command = __import__(f"mapsd.cli.{name}", fromlist=["COMMAND"]).COMMAND
    assert status in dict(command.every_status)
