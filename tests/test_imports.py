"""Starting up is most of a lookup: what a lookup imports is pinned."""

import os
import subprocess

import pytest

from tests.cli import interpreters

PACKAGES = {"fastapi", "pydantic", "psutil", "uvicorn", "prometheus_client", "site"}
SLOW = {"argparse", "asyncio", "base64", "concurrent", "dataclasses", "datetime", "gettext", "inspect", "json",
        "locale", "logging", "pathlib", "random", "shutil", "signal", "socket", "subprocess", "tempfile", "threading",
        "urllib"}


def imported(checkout, tmp_path, *words: str) -> set[str]:
    """Return the top-level modules that `bin/mapsd` imports, and mapsd's own in full."""
    interpreters.tracing(tmp_path)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([checkout / "bin/mapsd", *words], env=env, capture_output=True, text=True, check=True)
    names = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "os" in names
    return {name if name.startswith("mapsd") else name.partition(".")[0] for name in names}


def test_a_table_needs_no_package_and_no_slow_module(checkout, tmp_path):
    names = imported(checkout, tmp_path, "lookup", "self")
    assert "mapsd.answer.observe" in names
    assert not names & (PACKAGES | SLOW)


def test_json_is_imported_for_json(checkout, tmp_path):
    names = imported(checkout, tmp_path, "lookup", "self", "--json")
    assert not names & (PACKAGES | SLOW - {"json"})


FACES = {"mapsd.views.columns", "mapsd.views.table", "mapsd.views.fitted", "mapsd.views.exact", "mapsd.views.colour",
         "mapsd.views.mapstext", "mapsd.cli.tables", "mapsd.cli.pager"}


@pytest.mark.parametrize(("words", "needed"), [
    ([], {"mapsd.views.columns", "mapsd.views.table", "mapsd.cli.tables"}), (["--json"], set()), (["--ndjson"], set()),
    (["-r"], {"mapsd.views.columns", "mapsd.views.table", "mapsd.cli.tables", "mapsd.views.exact"}),
    (["--format=proc"], {"mapsd.views.mapstext"}),
    (["--color"], {"mapsd.views.columns", "mapsd.views.table", "mapsd.cli.tables", "mapsd.views.colour"})])
def test_a_form_needs_no_other_form(checkout, tmp_path, words, needed):
    assert FACES & imported(checkout, tmp_path, "lookup", "self", *words) == needed


RARE = {"bisect", "select", "mapsd.answer.located", "mapsd.linux.namespaces", "mapsd.pathnames",
        "mapsd.linux.processes", "mapsd.linux.statmount", "mapsd.linux.stepwise"}


def test_what_few_mappings_need_is_imported_for_them(checkout, tmp_path):
    assert not RARE & imported(checkout, tmp_path, "lookup", "self")


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["lookup", "--help"], ["extract", "--help"]])
def test_help_needs_no_machine(checkout, tmp_path, words):
    names = imported(checkout, tmp_path, *words)
    assert not names & (PACKAGES | SLOW | {"ctypes", "mapsd.linux", "mapsd.resolve"})
