"""The man pages: nothing of the tables is left out, and man(1) and mandoc(1) have nothing to say against them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from generators import overview, roff
from generators.manual import manual
from generators.tables import every, pages
from mapsd.views.columns import COLUMNS
from mapsd.views.selection import STATES
from tests.conftest import missing

# A date would be the only thing in a page that does not follow from the sources.
ACCEPTED = "WARNING: missing date"
_LETTERS = {r"\-": "-", r"\e": "\\", r"\(aq": "'", r"\(ga": "`", r"\(ha": "^", r"\(ti": "~"}


def plain(page: str) -> str:
    """Return a page's text on one line, read by other rules than those it was written by."""
    text = re.sub(r"\\f[BIR]|\\&|^\.\w+ ?", "", page, flags=re.MULTILINE)
    text = re.sub(r"\\\[u(\w+)\]", lambda found: chr(int(found[1], 16)), text)
    for spelled, letter in _LETTERS.items():
        text = text.replace(spelled, letter)
    return " ".join(text.split())


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return {name: plain(page) for name, page in manual().items()}


@pytest.mark.parametrize("command", every(), ids=lambda command: command.name or "mapsd")
def test_a_page_has_everything_that_its_table_says(texts, command):
    text = texts[f"mapsd-{command.name}.1" if command.name else "mapsd.1"]
    wanted = [*(name for option in command.every_option for name in option.names),
              *(" ".join(option.about.replace("`", "").split()) for option in command.every_option),
              *(choice for option in command.options for choice in option.choices),
              *(meaning for _, meaning in command.statuses),
              *" ".join(command.about.replace("`", "").split("\n\n")).split(". "), command.operands]
    assert [one for one in wanted if one not in text] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.command.name)
def test_a_page_has_the_sections_that_a_reader_expects(page):
    found = re.findall(r"^\.SH (.*)$", manual()[f"mapsd-{page.command.name}.1"], re.MULTILINE)
    assert [name for name in found if name != "COLUMNS"] == [
        "NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO"]


def test_the_overview_has_every_command_state_and_exit_status(texts):
    text = texts["mapsd.1"]
    assert [page for page in pages() if f"mapsd-{page.command.name}(1) {page.about}" not in text] == []
    assert tuple(overview.STATES) == STATES
    assert overview.STATUSES.keys() >= {status for page in pages() for status, _ in page.command.every_status}


def test_the_overview_has_every_variable_that_is_read(checkout):
    sources = [path.read_text() for path in (checkout / "mapsd").rglob("*.py")]
    read = {name for source in sources if "environ" in source for name in re.findall(r'"([A-Z_]{4,})"', source)}
    # PATH is for programs, LC_ALL is set for one of them.
    assert overview.ENVIRONMENT.keys() == read - {"PATH", "LC_ALL"}


def test_the_columns_are_described_where_they_can_be_asked_for(texts):
    described = {column.name: f"{column.name} {column.about}".replace("`", "") for column in COLUMNS}
    assert [name for name, text in described.items() if " ".join(text.split()) not in texts["mapsd-lookup.1"]] == []


def test_a_page_is_ascii_and_its_lines_are_short():
    lines = [line for page in manual().values() for line in page.splitlines()]
    assert [line for line in lines if len(line) > 80 or not line.isascii()] == []


def test_a_word_is_never_a_request():
    assert roff.prose(".br 'tis \\fB a-b") == r"\&.br \(aqtis \efB a\-b"
    assert [line[:2] for line in roff.prose(".br " * 40).splitlines()] == [r"\&"] * 3


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        missing("shells", f"{name} is not installed")
    return found or ""


@pytest.fixture(scope="module")
def files(checkout: Path) -> list[Path]:
    return sorted((checkout / "share/man/man1").iterdir())


def test_mandoc_finds_nothing_wrong(files):
    done = subprocess.run([_program("mandoc"), "-Tlint", *files], capture_output=True, text=True, check=False)
    assert [line for line in (done.stdout + done.stderr).splitlines() if ACCEPTED not in line] == []


def test_man_shows_every_page_without_a_warning(files):
    env = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANOPT": ""}
    done = subprocess.run([_program("man"), "--warnings", "-E", "UTF-8", "-l", *files], env=env, capture_output=True,
                          text=True, check=True)
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 80
    shown = " ".join(done.stdout.split())
    assert [path.stem for path in files if f"NAME {path.stem} - " not in shown] == []
