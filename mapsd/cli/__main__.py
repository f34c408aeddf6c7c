"""`mapsd COMMAND …`: the entry point and its exit codes."""

import argparse
import os
import sys

from mapsd import __version__
from mapsd.cli import lookup
from mapsd.errors import UsageError

USAGE, UNREACHABLE = 2, 5


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser("mapsd", description="Which file does each mapping of a process really hold?")
    parser.add_argument("--version", action="version", version=f"mapsd {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    lookup.add_to(commands)
    chosen = parser.parse_args(arguments)
    try:
        status = int(chosen.run(chosen))
        sys.stdout.flush()
    except UsageError as error:
        print(f"mapsd: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        # The reader has gone (`mapsd … | head`): nothing is left to say, also not at interpreter exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
