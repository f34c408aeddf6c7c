"""Commands that a daemon answers: `mapsd --socket FILE COMMAND …`, `mapsd --url URL COMMAND …`."""

import os
from functools import partial

from mapsd.cli import lookup
from mapsd.cli.arguments import parse
from mapsd.cli.command import MACHINE, Asked, helped
from mapsd.cli.named import has_containers, numbered
from mapsd.cli.view import is_of_containers, is_of_packages
from mapsd.errors import UsageError
from mapsd.light import Callable
from mapsd.remote import RemoteSession, UnixSocket, at_url
from mapsd.remote.endpoint import Endpoint

READING = ("lookup", "explain", "fds", "layers", "which", "translate", "containers", "doctor")
_OF_LAYERS = ("layers", "which")
_ONE_PROCESS = ("explain", "which", "translate")  # what comes after the PID is no further one
_OF_URLS = ("token-file", "ca-file", "cert-file", "key-file")
Ended = tuple[int, list[str]]


def answer(given: Asked) -> Ended:
    """Return the exit status and the lines of a command, the operands, that the daemon of the options answers.

    Raises UsageError for a command that no daemon answers, and what the command raises.
    """
    name, *words = given.operands
    if name not in READING:
        raise UsageError(f"{name} asks no daemon: --socket and --url are for {', '.join(READING)}")
    module = __import__(f"mapsd.cli.{name}", fromlist=["run"])
    asked = parse(words, module.COMMAND)
    if "help" in asked.flags:
        return 0, [helped(module.COMMAND)]
    endpoint = _endpoint(given.values)
    asked = asked._replace(operands=_numbered(name, asked.operands, endpoint))
    _demand_elsewhere(asked)
    with RemoteSession(endpoint, asked.values.get("proof", "auto")) as session:
        if has_containers(name, asked.operands):
            asked = numbered(name, asked, session.containers)
        ended: Ended = module.run(asked, *_ask(name, asked, session))
        return ended


def _ask(name: str, asked: Asked, session: RemoteSession) -> tuple[object, ...]:
    """Return what a command asks by, as its run() takes it."""
    contained = is_of_containers(asked)
    if name == "lookup":
        return _lookup(asked, session, contained=contained)
    if name == "fds":
        return (lambda pid: session.fds(pid, contained=contained),)
    if name in _OF_LAYERS:
        return (partial(getattr(session, name), contained=True),)
    if name == "translate":
        return (lambda wanted, pid, thread: session.translate(wanted, pid, thread, contained=True),)
    return (getattr(session, name),)


def _endpoint(values: dict[str, str]) -> Endpoint:
    if "url" in values:
        return at_url(values["url"], *map(values.get, _OF_URLS))
    for name in _OF_URLS:
        if name in values:
            raise UsageError(f"--{name} goes with --url")
    return UnixSocket(os.fsencode(values["socket"]))


def _numbered(command: str, operands: list[str], endpoint: Endpoint) -> list[str]:
    """Return operands with this process's number for `self`, which the daemon would take for itself."""
    end = 1 if command in _ONE_PROCESS else len(operands)
    if "self" not in operands[:end]:
        return operands
    if not endpoint.is_here:
        raise UsageError("self is a process of this machine: give the PID that the daemon has for it")
    # The number that a procfs has, which is the daemon's where that is in another pid namespace.
    ourselves = os.readlink("/proc/self")
    return [ourselves if word == "self" else word for word in operands[:end]] + operands[end:]


def _demand_elsewhere(asked: Asked) -> None:
    for option in MACHINE:
        if option.name in asked.values:
            raise UsageError(f"--{option.name} is the daemon's own setting")
    for name in ("from", "root"):
        if name in asked.values:
            raise UsageError(f"--{name} asks no daemon: leave --socket and --url out")


def _lookup(asked: Asked, session: RemoteSession, *, contained: bool) -> tuple[lookup.Ask, Callable[[], list[int]]]:
    """Return what asks for the mappings that are wanted, and what for every process."""
    wanted = _addresses(asked.operands)
    packages = is_of_packages(asked)
    return (lambda pid, thread: session.lookup(pid, thread, wanted.get(pid), contained=contained, packages=packages),
            session.pids)


def _addresses(operands: list[str]) -> dict[int, list[int]]:
    """Return the addresses that are wanted of each process, nothing where all are."""
    targets = lookup.targets(operands) if operands else []
    every = {pid for pid, addresses in targets if not addresses}
    return {pid: [one for other, addresses in targets if other == pid for one in addresses]
            for pid, _ in targets if pid not in every}
