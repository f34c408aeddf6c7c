"""`mapsd teach`: a file that says of every mapping of every process which file it really holds."""

import os

from mapsd.cli.arguments import parse, quoted
from mapsd.cli.output import FOUND, complain, status_of
from mapsd.errors import MapsdError, UsageError
from mapsd.linux import teach

HELP = f"""\
usage: mapsd teach

Pin an iterator in bpffs, so that `cat {os.fsdecode(teach.FILE)}` prints a line for every mapping of
every process: what maps says, and which file the mapping really holds. docs/teach.md describes the
fields. It checks no access to the processes, so only root may read it. An older one is replaced;
`mapsd unteach` removes it.

options:
  -h, --help  this text

exit status: 0 done, 2 not understood, 3 not permitted, 70 the kernel cannot be taught"""
_FLAGS = {"-h": "help", "--help": "help"}


def run(words: list[str]) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print; what failed is said on stderr."""
    flags, _, operands = parse(words, _FLAGS)
    if "help" in flags:
        return FOUND, [HELP]
    if operands:
        raise UsageError(f"teach takes no operand: {quoted(operands[0])}")
    try:
        mounted = teach.teach()
    except MapsdError as error:
        complain(str(error))
        return status_of(error), []
    also = [f"bpffs was mounted on {os.fsdecode(teach.BPFFS)}"] if mounted else []
    return FOUND, [*also, f"{os.fsdecode(teach.FILE)} is there, for root to read"]
