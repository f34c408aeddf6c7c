"""What the commands' tables say to somebody who completes words: what may stand where."""

import importlib
from pathlib import Path
from typing import NamedTuple

from mapsd.cli.__main__ import COMMANDS, ITSELF
from mapsd.cli.command import Command, Option
from mapsd.views.columns import COLUMNS
from mapsd.views.selection import STATES

FILES = {"FILE", "PATH", "DIRECTORY"}
COLUMN_LIST = "COLUMN,…"
LISTS = {COLUMN_LIST: tuple(column.name for column in COLUMNS), "STATE,…": STATES}


class Taken(NamedTuple):
    """What one word may be, beside text that nobody can guess.

    *listed* words have commas between them, and a + may stand before them.
    """

    words: tuple[str, ...] = ()
    processes: bool = False
    files: bool = False
    listed: bool = False


class Operand(NamedTuple):
    """One operand: how the usage shows it, and what it may be."""

    label: str
    taken: Taken


class Page(NamedTuple):
    """One command, and the line that the overview has of it."""

    about: str
    command: Command


def pages() -> tuple[Page, ...]:
    """Return every command, in the overview's order."""
    return tuple(Page(about, importlib.import_module(f"mapsd.cli.{name}").COMMAND) for name, about in COMMANDS.items())


def every() -> tuple[Command, ...]:
    """Return the program itself, whose name is empty, and every command."""
    return (ITSELF, *(page.command for page in pages()))


def value(option: Option) -> Taken:
    """Return what an option's value may be."""
    if option.choices:
        return Taken(option.choices)
    if option.value in LISTS:
        return Taken(LISTS[option.value], listed=True)
    return Taken(files=option.value in FILES)


class Operands(NamedTuple):
    """A command's operands: the first ones by place, and what every further one may be, None where no more is taken."""

    places: tuple[Operand, ...]
    rest: Operand | None


def operands(command: Command) -> Operands:
    """Return what the usage says: `A B…` repeats the last one, `A B …` any of them."""
    shown = _without_options(command)
    found = tuple(Operand(word.strip("[]…"), _operand(word)) for word in shown if word.strip("[]…"))
    if "…" in shown:
        return Operands((), _either(found))
    if found and shown[-1].endswith("…"):
        return Operands(found[:-1], found[-1])
    return Operands(found, None)


def _without_options(command: Command) -> list[str]:
    """Return the words of the usage that are not an option or the value of one."""
    valued = {name for option in command.options if option.value for name in option.names}
    kept: list[str] = []
    before = ""
    for word in command.operands.replace(" | ", "|").split():
        if not word.strip("[").startswith("-") and before not in valued:
            kept.append(word)
        before = word.strip("[")
    return kept


def _operand(word: str) -> Taken:
    either = [one.strip("[]…") for one in word.split("|")]
    return Taken(tuple(one for one in either if one.islower() and one.isalpha()), "PID" in either,
                 not FILES.isdisjoint(either))


def _either(found: tuple[Operand, ...]) -> Operand:
    each = [one.taken for one in found]
    words = dict.fromkeys(word for taken in each for word in taken.words)
    return Operand(" ".join(one.label for one in found),
                   Taken(tuple(words), any(taken.processes for taken in each), any(taken.files for taken in each)))


def template(shell: str, tables: str) -> str:
    """Return a shell's completion: what is the same for any table is in a file of its own."""
    return Path(__file__).with_name(f"completion.{shell}").read_text(encoding="utf-8").replace("#TABLES#\n", tables)
