"""Words of the command line, sorted."""

import pytest

from mapsd.cli import arguments, extract
from mapsd.cli.command import Command, Option, helped
from mapsd.errors import UsageError

COMMAND = Command("try", "FILE…", "Try it.", (
    Option(("-j", "--json"), "a flag"), Option(("-n",), "another flag"), Option(("-o", "--output"), "a value", "FILE"),
    Option(("--proof",), "another", "MEANS"), Option(("--when",), "a choice", "WHEN", ("always", "never"), "always")),
    ((0, "done"),), (("json", "proof"),))
NONE = Command("none", "", "Takes nothing.", (), ((0, "done"),))


def parsed(words: list[str]) -> tuple[set[str], dict[str, str], list[str]]:
    flags, values, operands = arguments.parse(words, COMMAND)
    return set(flags), values, operands


@pytest.mark.parametrize("words", [["-o", "x"], ["-ox"], ["--output", "x"], ["--output=x"]])
def test_a_value_is_written_in_four_ways(words):
    assert parsed(words) == (set(), {"output": "x"}, [])


@pytest.mark.parametrize(("words", "value"), [
    (["-o", "-"], "-"), (["-o", "--json"], "--json"), (["--output", "--"], "--"), (["--output="], ""),
    (["--output=a=b"], "a=b"), (["-o=x"], "=x"), (["-o", ""], "")])
def test_a_value_is_taken_as_it_stands(words, value):
    assert parsed(words)[1] == {"output": value}


def test_operands_flags_and_values_may_stand_in_any_order():
    assert parsed(["1", "0x2", "-j", "-o", "f", "-", "--", "-o"]) == (
        {"json"}, {"output": "f"}, ["1", "0x2", "-", "-o"])


@pytest.mark.parametrize("words", [["-jn"], ["-nj"], ["-n", "-j"], ["-jnj"]])
def test_flags_of_one_letter_may_be_joined(words):
    assert parsed(words)[0] == {"json", "n"}


@pytest.mark.parametrize("words", [["-jnox"], ["-jno", "x"], ["-nj", "-ox"]])
def test_a_value_may_follow_joined_flags(words):
    assert parsed(words) == ({"json", "n"}, {"output": "x"}, [])


@pytest.mark.parametrize(("words", "value"), [(["--when"], "always"), (["--when=never"], "never")])
def test_an_optional_value_is_only_taken_after_an_equals_sign(words, value):
    assert parsed([*words, "never"]) == (set(), {"when": value}, ["never"])


@pytest.mark.parametrize("words", [
    ["-o"], ["--output"], ["--proof"], ["-o", "x", "--output=y"], ["-o", "x", "-oy"], ["--outpu=x"], ["-x"],
    ["--json=1"], ["-j1"], ["--=x"], ["--output\n=x"], ["--when=sometimes"], ["--when="], ["-jx"],
    ["--json", "--proof=x"]])
def test_what_is_missing_twice_excluded_or_not_there_is_not_understood(words):
    with pytest.raises(UsageError):
        parsed(words)


def test_a_command_without_operands_takes_none():
    assert arguments.parse([], NONE).operands == []
    with pytest.raises(UsageError):
        arguments.parse(["x"], NONE)


def test_help_is_given_whatever_else_is_asked():
    assert "help" in arguments.parse(["x", "-h"], NONE).flags
    with pytest.raises(UsageError):
        arguments.parse(["--help", "-x"], NONE)


def test_a_help_is_made_of_the_table():
    assert helped(COMMAND) == """\
usage: mapsd try [options] FILE…

Try it.

options:
  -j, --json         a flag
  -n                 another flag
  -o, --output=FILE  a value
  --proof=MEANS      another
  --when[=WHEN]      a choice
  -h, --help         this text

exit status: 0 done, 2 not understood"""


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("17", 17), ("1K", 1024), ("4G", 4 << 30), ("8T", 8 << 40)])
def test_a_size_may_have_a_unit(text, size):
    assert extract.size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1", "1k", "1.5G", "1GB", " 1", "\u0663", "9" * 19, "9" * 9 + "T", "1e3"])
def test_what_is_no_size_is_not_understood(text):
    with pytest.raises(UsageError):
        extract.size(text)
