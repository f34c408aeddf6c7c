"""What stdout is: a terminal of some size, which may show colours and be paged, or anything else."""

import os
import sys

from mapsd.light import NamedTuple

_WIDTH, _HEIGHT = 80, 24


class Terminal(NamedTuple):
    """The size of a terminal, in columns and lines."""

    width: int
    height: int


def terminal() -> Terminal | None:
    """Return the terminal that stdout is, None where it is none. COLUMNS and LINES say more than the terminal does."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    try:
        width, height = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        width, height = 0, 0
    return Terminal(_positive("COLUMNS") or width or _WIDTH, _positive("LINES") or height or _HEIGHT)


def _positive(variable: str) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def coloured(when: str, seen: Terminal | None) -> bool:
    """Return whether to print in colour: *when* is always, never or auto. See https://no-color.org."""
    if when != "auto":
        return when == "always"
    return seen is not None and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
