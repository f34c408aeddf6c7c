"""`mapsd unteach`: remove what `mapsd teach` pinned."""

from mapsd.cli.arguments import parse, quoted
from mapsd.cli.output import FOUND, NOTHING, complain, status_of
from mapsd.errors import MapsdError, UsageError
from mapsd.linux import teach

HELP = """\
usage: mapsd unteach

Remove what `mapsd teach` pinned in bpffs.

options:
  -h, --help  this text

exit status: 0 removed, 1 there was nothing, 2 not understood, 3 not permitted, 70 not removed"""
_FLAGS = {"-h": "help", "--help": "help"}


def run(words: list[str]) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print; what failed is said on stderr."""
    flags, _, operands = parse(words, _FLAGS)
    if "help" in flags:
        return FOUND, [HELP]
    if operands:
        raise UsageError(f"unteach takes no operand: {quoted(operands[0])}")
    try:
        if teach.unteach():
            return FOUND, []
    except MapsdError as error:
        complain(str(error))
        return status_of(error), []
    complain("nothing was taught")
    return NOTHING, []
