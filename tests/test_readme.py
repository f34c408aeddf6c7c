"""What the README shows is run as it stands."""

import os
import re
import subprocess
import sys

import pytest

from mapsd import errors
from mapsd.cli import __main__, output
from tests.cli.command import CHECKOUT, NOBODY
from tests.conftest import missing, shown_to_all
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


def normal(text: str) -> str:
    """Return a story without what differs from run to run, and without lsof, which need not be there."""
    kept = " ".join(line.strip() for line in text.splitlines() if not line.strip().startswith("lsof"))
    return re.sub(r"[0-9a-f]{12}-[0-9a-f]{12}|\b[0-9]+:[0-9a-f]+\b|\b[0-9]{4,39}\b", "N", re.sub(r" +", " ", kept))


def test_the_demo_says_what_the_readme_shows(tmp_path):
    tmp_path.chmod(0o777)
    shown_to_all(tmp_path)
    prefix = NOBODY if os.geteuid() == 0 else []
    done = subprocess.run([*prefix, CHECKOUT / "bin/mapsd", "demo"], capture_output=True, text=True, check=False,
                          env={**os.environ, "TMPDIR": str(tmp_path)}, timeout=60)
    if done.returncode:
        missing("root", done.stderr)
    if "proof build-id" not in done.stdout:
        missing("bpf", "this kernel's build ids cannot be asked")
    story = README[README.index("```text\n") + 8:]
    assert normal(story[:story.index("```")]) in normal(done.stdout)


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
    statuses = {output.FOUND, output.NOTHING, __main__.USAGE, output.DENIED, output.GONE, output.UNREACHED,
                __main__.FAILED, 127}
    assert {row for row in rows if row.isdigit()} == set(map(str, statuses))
    for failure in (errors.ProcessGone, errors.AccessDenied, errors.ParseError, errors.MapsdError):
        assert f"`{failure.__name__}`" in README


def test_every_file_that_the_readme_names_exists():
    named = set(re.findall(r"(?<!/)(?:bin|bench|docs)/[a-z_/-]+(?:\.[a-z]+)?|[A-Z]+\.md", README))
    assert {name for name in named if not (CHECKOUT / name).exists()} == set()
    pages = {f"docs/{page.name}" for page in (CHECKOUT / "docs").glob("*.md")}
    assert pages - named == set()
