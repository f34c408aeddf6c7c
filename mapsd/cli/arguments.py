"""Words of the command line become flags, values and operands; argparse alone takes longer than a lookup (10 ms)."""

import os

from mapsd.errors import UsageError
from mapsd.light import Iterator, Mapping
from mapsd.render import escaped

_PID_END = 1 << 31
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_NO_VALUES: Mapping[str, str] = {}
Words = tuple[set[str], dict[str, str], list[str]]


def parse(words: list[str], flags: Mapping[str, str], values: Mapping[str, str] = _NO_VALUES) -> Words:
    """Return the flags, the values by option, and the operands.

    *flags* and *values* give each spelling of an option, without and with a value, the name that it has in the answer.

    A value is written `--option=VALUE`, `--option VALUE`, `-oVALUE` or `-o VALUE`, whatever it begins with; `--` ends
    the options. Raises UsageError for an option that there is not, a value that is missing and one given twice.
    """
    chosen: set[str] = set()
    taken: dict[str, str] = {}
    operands: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            operands += rest
        elif not word.startswith("-"):
            operands.append(word)
        elif word in flags:
            chosen.add(flags[word])
        else:
            _take_value(word, rest, values, taken)
    return chosen, taken, operands


def _take_value(word: str, rest: Iterator[str], values: Mapping[str, str], taken: dict[str, str]) -> None:
    spelling, mark, value = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
    if spelling not in values:
        raise UsageError(f"no such option: {quoted(word)}")
    following = value if mark else next(rest, None)
    if following is None:
        raise UsageError(f"a value is missing: {spelling}")
    if values[spelling] in taken:
        raise UsageError(f"given twice: {spelling}")
    taken[values[spelling]] = following


def pid(operand: str) -> int:
    """Return the process that an operand names, `self` for this one. Raises UsageError for what is no PID."""
    if operand == "self":
        return os.getpid()
    digits = operand.isascii() and operand.isdigit() and len(operand) <= 10
    if not digits or not 0 < int(operand) < _PID_END:
        raise UsageError(f"not a PID: {quoted(operand)}")
    return int(operand)


def address(operand: str) -> int:
    """Return the address that an operand names, 0x and hexadecimal digits. Raises UsageError for what is none."""
    digits = operand[2:]
    if not operand.startswith("0x") or not 0 < len(digits) <= 16 or not _HEXADECIMAL.issuperset(digits):
        raise UsageError(f"not an address: {quoted(operand)}")
    return int(digits, 16)


def quoted(word: str) -> str:
    """Return a word of the command line for a message, its end cut where it is long."""
    text = escaped(os.fsencode(word))
    return f"'{text}'" if len(text) <= 80 else f"'{text[:80]}…'"
