"""Operands that name containers where a command takes processes: a name, the beginning of an id, `container:NAME`."""

import mapsd
from mapsd.cli.arguments import quoted
from mapsd.cli.command import Asked, machine
from mapsd.engines.naming import named
from mapsd.errors import NoSuchContainer, UsageError
from mapsd.light import TYPE_CHECKING, Callable
from mapsd.model import Host

if TYPE_CHECKING:
    from mapsd.model.containers import Containers, Running

EVERY = ("lookup", "fds", "record")  # what these take after a process may be another; of a container they take all
FIRST = ("layers", "which", "explain", "extract", "translate")
_NEED_NONE = ("translate",)  # of these a single operand is no process
EXPLICIT = "container:"
_LONGEST = 255
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_NAMES = _LETTERS | frozenset("_.-")


def is_container(word: str) -> bool:
    """Return whether a word can only mean a container: it is no number, no address and not `self`."""
    if word.startswith(EXPLICIT):
        return True
    plain = word.isdigit() or word == "self" or word.startswith("0x")
    return not plain and 0 < len(word) <= _LONGEST and word[0] in _LETTERS and _NAMES.issuperset(word)


def has_containers(command: str, operands: list[str]) -> bool:
    """Return whether one of a command's operands can only mean a container."""
    return any(map(is_container, _processes(command, operands)))


def _processes(command: str, operands: list[str]) -> list[str]:
    if command in EVERY:
        return operands
    lone = command in _NEED_NONE and len(operands) < 2
    return operands[:1] if command in FIRST and not lone else []


def numbered(command: str, asked: Asked, containers: "Callable[[], Containers]") -> Asked:
    """Return what was asked with the processes in place of their containers: all of them, or the first.

    Raises UsageError for a word that several containers share, NoSuchContainer.
    """
    running = containers().running
    count = len(_processes(command, asked.operands))
    found = [word for operand in asked.operands[:count] for word in _numbers(operand, running, command)]
    flags = asked.flags | {"container"}
    return asked._replace(operands=[*found, *asked.operands[count:]], flags=flags)


def _numbers(operand: str, running: "tuple[Running, ...]", command: str) -> list[str]:
    if not is_container(operand):
        return [operand]
    word = operand.removeprefix(EXPLICIT)
    found = named(word, running)
    if not found:
        raise NoSuchContainer(quoted(word))
    if len(found) > 1:
        which = ", ".join(f"{one.container.engine} {(one.container.id or '?')[:12]} (PID {one.pids[0]})"
                          for one in found)
        raise UsageError(f"several containers are called {quoted(word)}: {which}")
    pids = found[0].pids if command in EVERY else found[0].pids[:1]
    return list(map(str, pids))


def of_machine(command: str, asked: Asked) -> Asked:
    """Return what was asked of this machine, or of the one that its options name, with processes for containers.

    Raises UsageError, NoSuchContainer, NoHost, ParseError.
    """
    host: Host = machine(asked)
    with mapsd.Session("lookup", host) as session:
        return numbered(command, asked, session.containers)
