"""Words of the command line become flags and operands; argparse alone takes longer than a lookup (10 ms)."""

import os

from mapsd.errors import UsageError
from mapsd.light import Mapping
from mapsd.render import escaped


def parse(words: list[str], flags: Mapping[str, str]) -> tuple[set[str], list[str]]:
    """Return the flags, under the name that *flags* gives each spelling, and the operands.

    `--` ends the flags. Raises UsageError for a flag that there is not.
    """
    chosen: set[str] = set()
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
            raise UsageError(f"no such option: {quoted(word)}")
    return chosen, operands


def quoted(word: str) -> str:
    """Return a word of the command line for a message, its end cut where it is long."""
    text = escaped(os.fsencode(word))
    return f"'{text}'" if len(text) <= 80 else f"'{text[:80]}…'"
