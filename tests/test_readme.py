"""What the README shows is run as it stands."""

import subprocess
import sys

import pytest

from mapsd import errors
from mapsd.cli import __main__, output
from tests.cli.command import CHECKOUT
from tests.examples import commands, run, shown

README = (CHECKOUT / "README.md").read_text()
BLOCKS, COMMANDS = shown("README.md"), commands("README.md")


def test_the_first_thing_shown_is_a_lookup():
    assert BLOCKS[0] == "bin/mapsd lookup $$"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_works(command, tmp_path):
    done = run(command, tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout


def test_every_command_is_shown():
    assert {command.split()[1] for command in COMMANDS} >= set(__main__.COMMANDS)


def test_the_library_is_used_as_the_readme_says():
    lines = README[README.index("    import os\n"):README.index("Paths are bytes")].splitlines()
    program = "\n".join(line[4:] for line in lines)
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "current" in done.stdout


def test_the_readme_names_every_exit_status_and_failure():
    rows = {line.split("|")[1].strip() for line in README.splitlines() if line.startswith("| ")}
    statuses = {output.FOUND, output.NOTHING, __main__.USAGE, output.DENIED, output.GONE, __main__.FAILED, 127}
    assert {row for row in rows if row.isdigit()} == set(map(str, statuses))
    for failure in (errors.ProcessGone, errors.AccessDenied, errors.ParseError, errors.MapsdError):
        assert f"`{failure.__name__}`" in README


def test_every_file_that_the_readme_names_exists():
    for name in ("docs/schema/lookup.json", "docs/schema/extract.json", "docs/teach.md", "bench/lookup.py",
                 "bench/teach.py", "bin/test", "bin/build-bpf"):
        assert name in README
        assert (CHECKOUT / name).is_file()
