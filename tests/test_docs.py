"""Every command that a page of the documentation shows works, and every column, format and option is described."""

import pytest

from mapsd.cli import lookup, view
from mapsd.views.columns import COLUMNS, FILES, MAPPINGS
from tests.cli.command import CHECKOUT
from tests.examples import commands, run

PAGES = sorted(str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "docs").glob("*.md"))
SHOWN = [(page, command) for page in PAGES for command in commands(page)]
LOOKUP = (CHECKOUT / "docs/lookup.md").read_text()


@pytest.mark.parametrize(("page", "command"), SHOWN, ids=[f"{page}-{command[:50]}" for page, command in SHOWN])
def test_a_command_of_a_page_works(page, command, tmp_path):
    done = run(command, tmp_path)
    assert (done.returncode, done.stderr) == (0, b""), page
    assert done.stdout


def test_the_page_of_lookup_has_every_column_as_the_command_lists_it():
    listed = LOOKUP[LOOKUP.index("## Columns"):]
    rows = [line.split(" | ") for line in listed.splitlines() if line.startswith("| `")]
    assert {row[0].strip("| `"): row[1].removesuffix(" |") for row in rows} == {
        column.name: column.about for column in COLUMNS}


def test_the_page_of_lookup_names_every_option_format_and_default_column():
    assert all(name in LOOKUP for option in lookup.COMMAND.options for name in option.names if name.startswith("--"))
    assert all(f"`{name}`" in LOOKUP for name in view.FORMATS)
    assert all(" ".join(names) in LOOKUP.replace("\n", " ") for names in (MAPPINGS, FILES))
