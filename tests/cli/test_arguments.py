"""Words of the command line, sorted."""

import pytest

from mapsd.cli import arguments, extract
from mapsd.errors import UsageError

FLAGS = {"-j": "json", "--json": "json"}
VALUES = {"-o": "output", "--output": "output", "--proof": "proof"}


@pytest.mark.parametrize("words", [["-o", "x"], ["-ox"], ["--output", "x"], ["--output=x"]])
def test_a_value_is_written_in_four_ways(words):
    assert arguments.parse(words, FLAGS, VALUES) == (set(), {"output": "x"}, [])


@pytest.mark.parametrize(("words", "value"), [
    (["-o", "-"], "-"), (["-o", "--json"], "--json"), (["--output", "--"], "--"), (["--output="], ""),
    (["--output=a=b"], "a=b"), (["-o=x"], "=x"), (["-o", ""], "")])
def test_a_value_is_taken_as_it_stands(words, value):
    assert arguments.parse(words, FLAGS, VALUES)[1] == {"output": value}


def test_operands_flags_and_values_may_stand_in_any_order():
    assert arguments.parse(["1", "--proof=x", "0x2", "-j", "-o", "f", "--", "-o"], FLAGS, VALUES) == (
        {"json"}, {"proof": "x", "output": "f"}, ["1", "0x2", "-o"])


@pytest.mark.parametrize("words", [
    ["-o"], ["--output"], ["--proof"], ["-o", "x", "--output=y"], ["-o", "x", "-oy"], ["--outpu=x"], ["-x"], ["-"],
    ["--json=1"], ["-j1"], ["--=x"], ["--output\n=x"]])
def test_what_is_missing_twice_or_not_there_is_not_understood(words):
    with pytest.raises(UsageError):
        arguments.parse(words, FLAGS, VALUES)


def test_without_options_that_take_a_value_there_are_none():
    with pytest.raises(UsageError):
        arguments.parse(["--output=x"], FLAGS)
    assert arguments.parse(["a"], FLAGS)[1] == arguments.parse(["b"], FLAGS)[1] == {}


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("17", 17), ("1K", 1024), ("4G", 4 << 30), ("8T", 8 << 40)])
def test_a_size_may_have_a_unit(text, size):
    assert extract.size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1", "1k", "1.5G", "1GB", " 1", "\u0663", "9" * 19, "9" * 9 + "T", "1e3"])
def test_what_is_no_size_is_not_understood(text):
    with pytest.raises(UsageError):
        extract.size(text)
