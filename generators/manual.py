"""The man pages: one for the program, one for every command."""

import re
from collections.abc import Iterable

from generators import overview
from generators.roff import bold, described, filled, italic, literal, paragraphs, prose, section
from generators.tables import COLUMN_LIST, Page, pages
from mapsd import __version__
from mapsd.cli.__main__ import ITSELF
from mapsd.cli.command import Command, Option
from mapsd.views.columns import COLUMNS


def manual() -> dict[str, str]:
    """Return every man page by its file's name."""
    every = pages()
    made = {"mapsd.1": _overview(every)}
    return made | {f"mapsd-{page.command.name}.1": _command(page, every) for page in every}


def _overview(every: tuple[Page, ...]) -> str:
    commands = [described(rf"{bold(f'mapsd-{page.command.name}')}(1)", page.about) for page in every]
    return _page(
        "mapsd", overview.NAME, section("SYNOPSIS", f"{bold('mapsd')} [options] {italic('COMMAND')} {literal('…')}"),
        section("DESCRIPTION", paragraphs(overview.DESCRIPTION)),
        section("COMMANDS", *commands), section("OPTIONS", *map(_option, ITSELF.every_option)),
        section("STATES", *(described(bold(state), text) for state, text in overview.STATES.items())),
        _statuses(overview.STATUSES.items()),
        section("ENVIRONMENT", *(described(bold(name), text) for name, text in overview.ENVIRONMENT.items())),
        _see_also(*(f"mapsd-{page.command.name}(1)" for page in every), *overview.SEE_ALSO))


def _command(page: Page, every: tuple[Page, ...]) -> str:
    command = page.command
    others = (f"mapsd-{other.command.name}(1)" for other in every if other is not page)
    return _page(
        f"mapsd-{command.name}", page.about, section("SYNOPSIS", _usage(command)),
        section("DESCRIPTION", paragraphs(command.about)),
        section("OPTIONS", *map(_option, command.every_option), *_excludes(command)),
        _columns(command), _statuses(command.every_status), _see_also("mapsd(1)", *others))


def _page(name: str, about: str, *sections: str) -> str:
    # Without a date: it would be the only thing in the file that does not follow from the sources.
    head = [r'.\" Made by bin/build-share.', f'.TH {name.upper()} 1 "" "mapsd {__version__}" "User Commands"',
            section("NAME", filled(rf"{name} \- {literal(about)}"))]
    return "\n".join((*head, *filter(None, sections), ""))


def _usage(command: Command) -> str:
    words = [bold(f"mapsd {command.name}"), *(["[options]"] if command.options else []),
             *map(_usage_word, command.operands.split())]
    return filled(" ".join(words))


def _usage_word(word: str) -> str:
    """Return a word of the usage: capitals stand for something, what is small is typed."""
    return "".join(italic(part) if part.isupper() else bold(part) if part[:1].isalnum() or part[:1] == "-" else
                   literal(part) for part in re.split(r"([A-Z]{2,}|[0-9a-z-]+)", word) if part)


def _option(option: Option) -> str:
    value = italic(option.value)
    mark = f"[={value}]" if option.bare else f"={value}" if option.value else ""
    if not option.names[-1].startswith("--"):
        mark = mark.replace("=", " ")
    return described(", ".join(map(bold, option.names)) + mark, _meaning(option))


def _meaning(option: Option) -> str:
    unsaid = [choice for choice in option.choices if choice not in option.about]
    more = f" (one of {', '.join(option.choices)})" if unsaid else ""
    return option.about + more


def _excludes(command: Command) -> list[str]:
    groups = ([f"--{name}" for name in group] for group in command.excludes)
    return [".PP\n" + prose(f"Only one of {', '.join(first)} and {last} may be given.") for *first, last in groups]


def _columns(command: Command) -> str:
    if all(option.value != COLUMN_LIST for option in command.options):
        return ""
    return section("COLUMNS", *(described(bold(column.name), column.about) for column in COLUMNS))


def _statuses(statuses: Iterable[tuple[int, str]]) -> str:
    return section("EXIT STATUS", *(described(bold(str(status)), meaning) for status, meaning in statuses))


def _see_also(*pages_: str) -> str:
    marked = [re.sub(r"^(.*)(\(\d\))$", lambda found: bold(found[1]) + found[2], page) for page in pages_]
    return section("SEE ALSO", ",\n".join(marked))
