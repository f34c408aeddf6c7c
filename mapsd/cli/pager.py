"""What a terminal cannot show at once goes through a pager."""

import os
import subprocess
from itertools import chain, islice

from mapsd.cli.output import Text, encoded, write
from mapsd.light import Iterator


def show(lines: Iterator[Text], height: int) -> bool:
    """Write lines to a terminal of *height* lines, through a pager where they are more, and return whether it worked.

    The pager is $MAPSD_PAGER, $PAGER or less; an empty one or `cat` is none, and one that cannot be run is passed
    over. A terminal that can do nothing has none.
    """
    first = list(islice(lines, height))
    pager = _started() if len(first) == height else None
    if pager is None:
        return write(chain(first, lines))
    try:
        _feed(pager, chain(first, lines))
    finally:
        _ended(pager)
    return True


def command() -> list[str]:
    """Return the words of the pager, none where there is to be none."""
    if os.environ.get("TERM", "dumb") == "dumb":
        return []
    from shlex import split  # noqa: PLC0415  (only where there is something to page)
    text = next((os.environ[name] for name in ("MAPSD_PAGER", "PAGER") if name in os.environ), "less")
    try:
        words = split(text)
    except ValueError:
        return []
    return [] if words == ["cat"] else words


def _started() -> "subprocess.Popen[bytes] | None":
    words = command()
    if not words:
        return None
    try:
        # As git does: F ends it where everything fits, R shows colours, X leaves the text on the screen.
        return subprocess.Popen(words, stdin=subprocess.PIPE, env={"LESS": "FRX", **os.environ})  # noqa: S603
    except OSError:
        return None


def _feed(pager: "subprocess.Popen[bytes]", lines: Iterator[Text]) -> None:
    assert pager.stdin is not None  # noqa: S101  (a pipe was asked for)
    try:
        with pager.stdin as stdin:
            stdin.writelines(encoded(lines))
    except BrokenPipeError:
        # Who leaves the pager has seen enough.
        return


def _ended(pager: "subprocess.Popen[bytes]") -> None:
    waiting = True
    while waiting:
        try:
            pager.wait()
            waiting = False
        except KeyboardInterrupt:
            # It was meant for the pager: a search is given up, perhaps.
            continue
