"""`mapsd COMMAND …`: the entry point and its exit codes."""

import sys

from mapsd.cli.command import Command, Option, helped, options
from mapsd.errors import MapsdError, UsageError

USAGE, FAILED = 2, 70  # 70: EX_SOFTWARE of sysexits.h
# A command is the module of its name: COMMAND says what may be asked, run() gives exit status and lines for stdout.
COMMANDS = {
    "demo": "a container of its own in which a library is copied up: the idea in ten seconds",
    "lookup": "the mappings of processes",
    "explain": "how one answer was reached, step by step",
    "fds": "what exe, cwd, root and every file descriptor open",
    "layers": "the overlays that a process sees, and their layers",
    "which": "which layer's file a path opens, and what it hides",
    "extract": "the bytes that a mapping really holds, as a file",
    "teach": "pin an iterator whose text says what maps does not",
    "unteach": "remove what teach pinned",
    "serve": "the daemon: answers over HTTP for others",
    "doctor": "what this kernel and your privileges let mapsd establish",
}
ITSELF = Command("", "COMMAND", "", (Option(("--version",), "the version"),), ())
_ABOUT = "Which file does each mapping of a process really hold?"


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit status: 2 not understood, 70 not answered or not written."""
    from mapsd.cli import output  # noqa: PLC0415  (imported where an interrupt is met)
    try:
        status, lines = _answer(sys.argv[1:] if words is None else words)
        return status if output.write(lines) else FAILED
    except UsageError as error:
        output.complain(str(error))
        return USAGE
    except (MapsdError, OSError) as error:
        output.complain(str(error))
        return output.status_of(error)
    except KeyboardInterrupt:
        return output.interrupted()


def _answer(words: list[str]) -> tuple[int, list[str]]:
    if not words or words[0] not in COMMANDS:
        return 0, _about(words)
    from mapsd.cli.arguments import parse  # noqa: PLC0415  (--version needs none of it)
    # importlib's own import would cost another 1 ms.
    module = __import__(f"mapsd.cli.{words[0]}", fromlist=["run"])
    asked = parse(words[1:], module.COMMAND)
    if "help" in asked.flags:
        return 0, [helped(module.COMMAND)]
    answer: tuple[int, list[str]] = module.run(asked)
    return answer


def _about(words: list[str]) -> list[str]:
    from mapsd import __version__  # noqa: PLC0415  (rarely needed)
    from mapsd.cli.arguments import parse, quoted  # noqa: PLC0415  (rarely needed)
    asked = parse(words[:1], ITSELF)
    if asked.operands:
        raise UsageError(f"no such command: {quoted(asked.operands[0])} (see mapsd --help)")
    if not asked.flags:
        raise UsageError("a command is missing (see mapsd --help)")
    return [overview() if "help" in asked.flags else f"mapsd {__version__}"]


def overview() -> str:
    """Return the help that names every command."""
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:<{width}}  {about}" for name, about in COMMANDS.items())
    return (f"usage: mapsd COMMAND …\n\n{_ABOUT}\n\ncommands:\n{rows}\n\n{options(ITSELF)}\n\n"
            "mapsd COMMAND --help says what a command does, its options and its exit statuses.")


if __name__ == "__main__":
    sys.exit(main())
