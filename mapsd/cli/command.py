"""What a command is asked with: one table from which its help, its completions and its man page are made."""

import os

from mapsd.light import Iterator, NamedTuple
from mapsd.model import HERE, Host

WIDTH = 100  # columns of the help


class Option(NamedTuple):
    """One option: its spellings (the last one names it), what it does, and what its help calls its value.

    *value* is empty for a flag; *choices* are the only values where there are any; *bare* is the value where the
    option is given without one, which then is only taken after `=`.
    """

    names: tuple[str, ...]
    about: str
    value: str = ""
    choices: tuple[str, ...] = ()
    bare: str = ""

    @property
    def name(self) -> str:
        """Return the name by which the option is asked for."""
        return self.names[-1].lstrip("-")


class Command(NamedTuple):
    """One command: *operands* as its usage shows them, empty where it takes none.

    *about* are paragraphs with an empty line between them; *statuses* what each exit status means, beside those of
    every command; *excludes* are options of which only one may be given.
    """

    name: str
    operands: str
    about: str
    options: tuple[Option, ...]
    statuses: tuple[tuple[int, str], ...]
    excludes: tuple[tuple[str, ...], ...] = ()

    @property
    def every_option(self) -> tuple[Option, ...]:
        """Return the options, --help included."""
        return (*self.options, HELP)

    @property
    def every_status(self) -> tuple[tuple[int, str], ...]:
        """Return the exit statuses in order, with the one that every command has."""
        return tuple(sorted((*self.statuses, (2, "not understood"))))


class Asked(NamedTuple):
    """The words of a command line, sorted: flags, values by option, and operands."""

    flags: frozenset[str]
    values: dict[str, str]
    operands: list[str]


HELP = Option(("-h", "--help"), "this text")
JSON = Option(("-J", "--json"), "print one JSON object")
NO_DAEMON = (5, "no daemon can be asked (mapsd --socket, mapsd --url)")  # of every command that one may answer
MACHINE = (
    Option(("--procfs",), "the processes of this procfs, which in a container is the host's", "DIR"),
    Option(("--host-root",), "the root of that procfs's process 1, bound here: files of layers are opened below it and "
           "named without it; unless given, the process's own", "DIR"))
FROM = Option(("--from",), "answer from this recording (mapsd record) instead of the machine", "FILE")
ROOT = Option(("--root",), "the containers of a host that does not run: its disk is mounted here, or a store unpacked",
              "DIR")
ROOT_ALONE = tuple(("root", option.name) for option in (*MACHINE, FROM))


def machine(asked: Asked) -> Host:
    """Return the machine that is asked about. Raises NoHost."""
    procfs, root = asked.values.get("procfs"), asked.values.get("host-root")
    if procfs is None and root is None:
        return HERE
    from mapsd.linux.elsewhere.host import host  # noqa: PLC0415  (most machines are our own)
    return host(None if procfs is None else os.fsencode(procfs), None if root is None else os.fsencode(root))


def helped(command: Command) -> str:
    """Return the help of a command."""
    marks = " [options]" if command.options else ""
    usage = f"usage: mapsd {command.name}{marks} {command.operands}".rstrip()
    paragraphs = ("\n".join(filled(text, WIDTH)) for text in command.about.split("\n\n"))
    parts = usage, *paragraphs, options(command)
    statuses = ", ".join(f"{status} {meaning}" for status, meaning in command.every_status)
    return "\n\n".join((*parts, "\n".join(filled(f"exit status: {statuses}", WIDTH))))


def options(command: Command) -> str:
    """Return the part of a help that lists the options."""
    spelled = [spelling(option) for option in command.every_option]
    width = max(map(len, spelled))
    lines = ["options:"]
    for option, text in zip(command.every_option, spelled, strict=True):
        first, *more = filled(option.about, WIDTH - width - 4)
        lines += [f"  {text:<{width}}  {first}", *(" " * (width + 4) + line for line in more)]
    return "\n".join(lines)


def spelling(option: Option) -> str:
    """Return an option as the help shows it: `-o, --output=FILE`."""
    value = f"[={option.value}]" if option.bare else f"={option.value}" if option.value else ""
    return ", ".join(option.names) + (value if option.names[-1].startswith("--") else value.replace("=", " "))


def filled(text: str, width: int) -> Iterator[str]:
    """Yield the lines of a paragraph, broken at blanks where they are wider than *width*."""
    # textwrap would import re, which costs as much as a whole help.
    line = ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
