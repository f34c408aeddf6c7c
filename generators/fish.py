"""The completion for fish."""

from generators.tables import Operand, Page, Taken, operands, pages, template, value
from mapsd.cli.__main__ import ITSELF
from mapsd.cli.command import Command, Option


def completion() -> str:
    """Return the file that fish loads when mapsd is first completed."""
    every = pages()
    lines = [*_options(ITSELF), *(line for page in every for line in _command(page))]
    valued = (_quoted(f"{command.name} {name}") for command in (ITSELF, *(page.command for page in every))
              for option in command.options if option.value and not option.bare for name in option.names)
    return template("fish", "\n".join(("set -g __mapsd_valued " + " ".join(valued), *lines, "")))


def _command(page: Page) -> list[str]:
    command = page.command
    places, rest = operands(command)
    further = [_operand(command, f" -ge {len(places)}", rest)] if rest else []
    each = [_operand(command, f" -eq {place}", one) for place, one in enumerate(places)]
    return ["", f"complete -c mapsd -n '__mapsd_at \"\"' -a {command.name} -d {_quoted(page.about)}",
            *_options(command), *filter(None, [*each, *further])]


def _options(command: Command) -> list[str]:
    return [f"complete -c mapsd -n {_at(command)} {_option(option)}" for option in command.every_option]


def _option(option: Option) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
    taken = value(option)
    follows = "" if not option.value or option.bare else " -r" if taken.files else " -x"
    return f"{names}{follows}{_candidates(taken)} -d {_quoted(option.about)}"


def _operand(command: Command, place: str, operand: Operand) -> str:
    candidates = _candidates(operand.taken)
    return candidates and f"complete -c mapsd -n {_at(command, place)} -k{candidates} -d {_quoted(operand.label)}"


def _candidates(taken: Taken) -> str:
    words = _words(taken)
    return " -F" * taken.files + (f" -a {_quoted(words)}" if words else "")


def _words(taken: Taken) -> str:
    words = " ".join(taken.words)
    if taken.listed:
        return f"(__mapsd_list {words})"
    return f"{words} (__mapsd_processes)".lstrip() if taken.processes else words


def _at(command: Command, place: str = "") -> str:
    return _quoted(f'__mapsd_at "{command.name}"{place}')


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
