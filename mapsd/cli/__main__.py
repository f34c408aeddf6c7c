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
    "containers": "the containers that run, their images and processes",
    "images": "the images of a disk, their layers and containers",
    "which": "which layer's file a path opens, and what it hides",
    "translate": "by which names a file of a layer, or a device and inode, is opened",
    "record": "all that answers about processes are made from, as a file",
    "extract": "the bytes that a mapping really holds, as a file",
    "teach": "pin an iterator whose text says what maps does not",
    "unteach": "remove what teach pinned",
    "serve": "the daemon: answers over HTTP for others",
    "doctor": "what this kernel and your privileges let mapsd establish",
}
ITSELF = Command(
    "", "COMMAND …", "",
    (Option(("--version",), "the version"),
     Option(("--socket",), "ask the daemon at this Unix socket: lookup, explain, fds, layers, which, translate, "
            "containers, doctor", "FILE"),
     Option(("--url",), "the same by http://HOST:PORT or https://HOST:PORT", "URL"),
     Option(("--token-file",), "with --url, a file with the token, which only you may read", "FILE"),
     Option(("--ca-file",), "with https, the certificates that are trusted instead of the system's", "FILE"),
     Option(("--cert-file",), "with https, a certificate that says who you are", "FILE"),
     Option(("--key-file",), "its key", "FILE")),
    (), (("socket", "url"),))
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
        return _itself(words)
    from mapsd.cli.arguments import parse  # noqa: PLC0415  (--version needs none of it)
    # importlib's own import would cost another 1 ms.
    module = __import__(f"mapsd.cli.{words[0]}", fromlist=["run"])
    asked = parse(words[1:], module.COMMAND)
    if "help" in asked.flags:
        return 0, [helped(module.COMMAND)]
    if "from" in asked.values:
        from mapsd.cli.replay import replayed  # noqa: PLC0415  (most answers are the machine's)
        return replayed(words[0], module, asked)
    if "root" in asked.values:
        from mapsd.cli.ondisk import answered  # noqa: PLC0415  (most hosts run)
        return answered(words[0], asked)
    if not all(word.isdigit() or word == "self" or word.startswith(("/", "0x")) for word in asked.operands):
        from mapsd.cli.named import has_containers, of_machine  # noqa: PLC0415  (most operands are PIDs)
        asked = of_machine(words[0], asked) if has_containers(words[0], asked.operands) else asked
    answer: tuple[int, list[str]] = module.run(asked)
    return answer


def _itself(words: list[str]) -> tuple[int, list[str]]:
    """Return the answer where options of mapsd itself come before a command."""
    from mapsd import __version__  # noqa: PLC0415  (rarely needed)
    from mapsd.cli.arguments import parse, quoted  # noqa: PLC0415  (rarely needed)
    asked = parse(words, ITSELF)
    if asked.flags:
        return 0, [overview() if "help" in asked.flags else f"mapsd {__version__}"]
    if not asked.operands:
        raise UsageError("a command is missing (see mapsd --help)")
    if asked.operands[0] not in COMMANDS:
        raise UsageError(f"no such command: {quoted(asked.operands[0])} (see mapsd --help)")
    if not asked.values:
        return _answer(asked.operands)
    from mapsd.cli.through import answer  # noqa: PLC0415  (imports http.client)
    return answer(asked)


def overview() -> str:
    """Return the help that names every command."""
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:<{width}}  {about}" for name, about in COMMANDS.items())
    return (f"usage: mapsd [options] COMMAND …\n\n{_ABOUT}\n\ncommands:\n{rows}\n\n{options(ITSELF)}\n\n"
            "mapsd COMMAND --help says what a command does, its options and its exit statuses.")


if __name__ == "__main__":
    sys.exit(main())
