"""The completion for bash."""

import shlex
from collections.abc import Iterable

from generators.tables import Taken, every, operands, template, value
from mapsd.cli.command import Command


def completion() -> str:
    """Return the file that bash sources."""
    program, *commands = every()
    names = Taken(tuple(command.name for command in commands))
    return template("bash", "\n".join((
        _table("value", "of option $2 of command $1; fails where it takes none", "$1 $2",
               [*(row for command in (program, *commands) for row in _values(command)), "    *) return 1 ;;\n"]),
        _table("options", "of command $1", "$1", map(_options, (program, *commands))),
        _table("operand", "number $2 of command $1; -1 is the command itself", "$1 $2",
               [_row("' -1'", names), *(row for command in commands for row in _operands(command))]), "")))


def _table(name: str, about: str, word: str, rows: Iterable[str]) -> str:
    return f'_mapsd_{name}() {{  # {about}\n    case "{word}" in\n{"".join(rows)}    esac\n}}\n'


def _values(command: Command) -> list[str]:
    return [_row(" | ".join(f"'{command.name} {name}'" for name in option.names), value(option),
                 attached=bool(option.bare))
            for option in command.every_option if option.value]


def _options(command: Command) -> str:
    names = tuple(name for option in command.every_option for name in option.names)
    return _row(f"'{command.name}'", Taken(names))


def _operands(command: Command) -> list[str]:
    places, rest = operands(command)
    further = [_row(f"'{command.name} '*", rest.taken)] if rest else []
    return [*(_row(f"'{command.name} {place}'", one.taken) for place, one in enumerate(places)), *further]


def _row(pattern: str, taken: Taken, *, attached: bool = False) -> str:
    words = [f"words=({shlex.join(taken.words)})"] if taken.words else []
    marks = {"processes": taken.processes, "files": taken.files, "listed": taken.listed, "attached": attached}
    actions = [*words, *(f"{name}=1" for name, true in marks.items() if true)]
    return f"    {pattern}) {' '.join(actions) or ':'} ;;\n"
