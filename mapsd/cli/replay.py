"""Commands that a recording answers: `mapsd COMMAND … --from FILE`."""

import os
from functools import partial
from types import ModuleType

import mapsd
from mapsd.cli.command import MACHINE, Asked
from mapsd.cli.view import is_of_containers, is_of_packages
from mapsd.errors import UsageError
from mapsd.recorder.session import RecordedSession

_OF_LAYERS = ("layers", "which")
_ONE_PROCESS = ("explain", "which", "translate")  # what comes after the PID is no further one


def replayed(name: str, command: ModuleType, asked: Asked) -> tuple[int, list[str]]:
    """Return the exit status and the lines of a command, asked of the recording that its options name.

    Raises UsageError for what is of a machine that runs, RecordingError, and what the command raises.
    """
    for option in MACHINE:
        if option.name in asked.values:
            raise UsageError(f"--{option.name} and --from exclude each other: a recording is of its own machine")
    if "self" in asked.operands[:1 if name in _ONE_PROCESS else None]:
        raise UsageError("self is no process of a recording: give the PID that it had")
    session = RecordedSession(os.fsencode(asked.values["from"]), asked.values.get("proof", "auto"))
    if not all(word.isdigit() or word.startswith(("/", "0x")) for word in asked.operands):
        from mapsd.cli.named import has_containers, numbered  # noqa: PLC0415  (most operands are PIDs)
        asked = numbered(name, asked, session.containers) if has_containers(name, asked.operands) else asked
    ended: tuple[int, list[str]] = command.run(asked, *_ask(name, session, asked))
    return ended


def _ask(name: str, session: RecordedSession, asked: Asked) -> tuple[object, ...]:
    """Return what a command asks by, as its run() takes it."""
    contained = is_of_containers(asked)
    if name == "lookup":
        packages = is_of_packages(asked)
        return (lambda pid, thread: session.lookup(pid, thread, contained=contained, packages=packages)), session.pids
    if name == "explain":
        return (lambda pid, _: (session.lookup(pid), mapsd.explain),)
    if name == "fds":
        return (lambda pid: session.fds(pid, contained=contained),)
    if name == "translate":
        return (lambda wanted, pid, thread: session.translate(wanted, pid, thread=thread, contained=True),)
    if name in _OF_LAYERS:
        return (partial(getattr(session, name), contained=True),)
    return (getattr(session, name),)
