"""`mapsd COMMAND …`: the entry point and its exit codes."""

import sys

from mapsd.errors import UsageError

USAGE, FAILED = 2, 70  # 70: EX_SOFTWARE of sysexits.h
# A command is the function `run` of the module of its name: words in, exit status and lines for stdout out.
COMMANDS = {
    "lookup": "the mappings of processes",
    "extract": "the bytes that a mapping really holds, as a file",
    "teach": "pin an iterator whose text says what maps does not",
    "unteach": "remove what teach pinned",
    "doctor": "what this kernel and your privileges let mapsd establish",
}
_HELP = """\
usage: mapsd COMMAND …

Which file does each mapping of a process really hold?

commands:
{commands}

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
    if not words or words[0] not in COMMANDS:
        return 0, _about(words)
    # Imported when chosen: --version needs none of it. importlib's own import would cost another 1 ms.
    answer: tuple[int, list[str]] = __import__(f"mapsd.cli.{words[0]}", fromlist=["run"]).run(words[1:])
    return answer


def _about(words: list[str]) -> list[str]:
    from mapsd import __version__  # noqa: PLC0415  (rarely needed)
    from mapsd.cli.arguments import parse, quoted  # noqa: PLC0415  (rarely needed)
    flags, _, operands = parse(words[:1], _FLAGS)
    if operands:
        raise UsageError(f"no such command: {quoted(operands[0])} (see mapsd --help)")
    if not flags:
        raise UsageError("a command is missing (see mapsd --help)")
    return [overview() if "help" in flags else f"mapsd {__version__}"]


def overview() -> str:
    """Return the help that names every command."""
    rows = (f"  {name:<10}  {about} (mapsd {name} --help)" for name, about in COMMANDS.items())
    return _HELP.format(commands="\n".join(rows))


if __name__ == "__main__":
    sys.exit(main())
