"""Every shipped form does what the checkout does, under every Python of the machine, whoever runs the tests."""

import json
import os
from pathlib import Path

import pytest

from mapsd import __version__
from mapsd.cli.__main__ import COMMANDS
from tests.cli.command import child, mapped
from tests.package.shipped import FORMS, Python
from tests.schema import validate

SHIPPED = FORMS[1:]


def said(python: Python, form: str, *words: object) -> tuple[int, bytes, bytes]:
    done = python.run(form, *words)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("form", FORMS)
def test_it_runs_from_anywhere(python, form, tmp_path):
    for cwd in ("/", tmp_path):
        done = python.run(form, "--version", cwd=cwd)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"mapsd {__version__}\n".encode(), b"")


@pytest.mark.parametrize("form", FORMS)
def test_a_mapping_of_a_file_is_current(python, form, tmp_path):
    file = tmp_path / "mapped"
    file.write_bytes(b"x" * 4096)
    with child(lambda: mapped(file)) as pid:
        status, out, err = said(python, form, "lookup", pid, "--json")
        runs = Path(os.readlink(f"/proc/{pid}/exe"))
    assert (status, err) == (0, b"")
    answer = validate(json.loads(out))
    [found] = (one for one in answer["mappings"] if one["user_path"] == str(file))
    assert (found["state"], found["shown"]["path"]) == ("current", str(file))
    assert answer["process"]["exe"] == str(runs)


@pytest.fixture(scope="module")
def wanted(python: Python) -> dict[tuple[str, ...], tuple[int, bytes, bytes]]:
    """What the checkout says to these words."""
    asked = [("--help",), (), ("nonsense",), ("lookup",), ("lookup", "0"), *((name, "--help") for name in COMMANDS)]
    return {words: said(python, "checkout", *words) for words in asked}


@pytest.mark.parametrize("form", SHIPPED)
def test_it_says_what_the_checkout_says(python, form, wanted):
    assert {words: said(python, form, *words) for words in wanted} == wanted


@pytest.mark.parametrize("form", SHIPPED)
def test_it_finds_the_same_means_of_proof(python, form):
    found = [json.loads(said(python, each, "doctor", "--json")[1])["proofs"] for each in ("checkout", form)]
    assert [proof["works"] for proof in found[0]] == [proof["works"] for proof in found[1]]
