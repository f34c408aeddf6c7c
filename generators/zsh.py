"""The completion for zsh."""

from generators.tables import Operand, Page, Taken, operands, pages, template, value
from mapsd.cli.__main__ import ITSELF
from mapsd.cli.command import Command, Option


def completion() -> str:
    """Return the file that zsh loads from fpath."""
    every = pages()
    return template("zsh", "\n".join((_itself(every), *(_function(page.command) for page in every))))


def _itself(every: tuple[Page, ...]) -> str:
    names = "\n".join(f"        {_quoted(f'{page.command.name}:{page.about}')}" for page in every)
    valued = " ".join(name for option in ITSELF.options if option.value for name in option.names)
    return f"__mapsd_valued=({valued})\n" + _called("__mapsd_itself", [f"    local -a commands=(\n{names}\n    )"],
                   [*_options(ITSELF), "'1:command:{ _describe -t commands command commands }'"])


def _function(command: Command) -> str:
    places, rest = operands(command)
    further = [_place("*", rest)] if rest else []
    return _called(f"_mapsd_{command.name}", [], [
        *_options(command), *(_place(str(number), one) for number, one in enumerate(places, 1)), *further])


def _called(name: str, before: list[str], specs: list[str]) -> str:
    lines = " \\\n        ".join(("    _arguments -s -S :", *specs))
    return "\n".join((f"{name}() {{", *before, lines, "}\n"))


def _options(command: Command) -> list[str]:
    return [_option(command, option) for option in command.every_option]


def _option(command: Command, option: Option) -> str:
    names = [name + _joint(option, name) for name in option.names]
    spelled = "{" + ",".join(names) + "}" if len(names) > 1 else names[0]
    about = "[" + option.about.replace("\\", "\\\\").replace("]", "\\]") + "]"
    marks = "::" if option.bare else ":"
    taken = f"{marks}{_message(option.value)}:{_action(value(option))}" if option.value else ""
    return f"'({' '.join(_once(command, option))})'{spelled}{_quoted(about + taken)}"


def _joint(option: Option, name: str) -> str:
    """Return how zsh says that a value follows: at once or as the next word, or only at once."""
    if not option.value:
        return ""
    joint = "=" if name.startswith("--") else ""
    return f"{joint}-" if option.bare else joint or "+"


def _once(command: Command, option: Option) -> list[str]:
    """Return what is not offered beside an option."""
    if option.name in ("help", "version"):
        return ["-", "*"]
    apart = {option.name, *(name for group in command.excludes if option.name in group for name in group)}
    return [name for one in command.every_option if one.name in apart for name in one.names]


def _place(place: str, operand: Operand) -> str:
    return _quoted(f"{place}:{_message(operand.label)}:{_action(operand.taken)}")


def _action(taken: Taken) -> str:
    if taken.processes:
        return " ".join(("", "__mapsd_processes", *taken.words))
    if taken.files:
        return "_files"
    words = " ".join(taken.words)
    if taken.listed:
        return f" __mapsd_list {words}"
    return f"({words})" if words else " "


def _message(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"
