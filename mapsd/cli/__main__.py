"""`mapsd COMMAND …`: the entry point and its exit codes."""

import sys

from mapsd.errors import UsageError

USAGE, FAILED = 2, 70  # 70: EX_SOFTWARE of sysexits.h
HELP = """\
usage: mapsd COMMAND …

Which file does each mapping of a process really hold?

commands:
  lookup      the mappings of processes (mapsd lookup --help)

options:
  -h, --help  this text
  --version   the version"""
_FLAGS = {"-h": "help", "--help": "help", "--version": "version"}


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit status: 2 not understood, 70 not answered or not written."""
    from mapsd.cli import output  # noqa: PLC0415  (imported where an interrupt is met)
    try:
        status, lines = _answer(sys.argv[1:] if words is None else words)
        return status if output.write(lines) else FAILED
    except UsageError as error:
        output.complain(str(error))
        return USAGE
    except KeyboardInterrupt:
        return output.interrupted()


def _answer(words: list[str]) -> tuple[int, list[str]]:
    if words[:1] == ["lookup"]:
        from mapsd.cli import lookup  # noqa: PLC0415  (--version needs none of it)
        return lookup.run(words[1:])
    return 0, _about(words)


def _about(words: list[str]) -> list[str]:
    from mapsd import __version__  # noqa: PLC0415  (rarely needed)
    from mapsd.cli.arguments import parse, quoted  # noqa: PLC0415  (rarely needed)
    flags, operands = parse(words[:1], _FLAGS)
    if operands:
        raise UsageError(f"no such command: {quoted(operands[0])} (see mapsd --help)")
    if not flags:
        raise UsageError("a command is missing (see mapsd --help)")
    return [HELP if "help" in flags else f"mapsd {__version__}"]


if __name__ == "__main__":
    sys.exit(main())
