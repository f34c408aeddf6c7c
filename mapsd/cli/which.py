"""`mapsd which PID PATH`: which layer's file a name opens, and what it hides."""

import os

import mapsd
from mapsd.cli.arguments import pid, quoted
from mapsd.cli.command import FROM, JSON, MACHINE, NO_DAEMON, ROOT, ROOT_ALONE, Asked, Command, machine
from mapsd.cli.output import FOUND, NOTHING, complain
from mapsd.errors import UsageError
from mapsd.light import TYPE_CHECKING, Callable
from mapsd.model import Host

if TYPE_CHECKING:
    from mapsd.model.layers import Which

COMMAND = Command(
    "which", "PID|CONTAINER|self PATH",
    "Which file an absolute path opens inside a process's root, symbolic links followed as the process would follow "
    "them; magic links of /proc are not. On an overlay: the file of a layer that holds the bytes, how that is known, "
    "and layer by layer from the top what lies at the name and on the way to it: opens (the file), metacopy (it has "
    "the owner, mode and times of the file, whose bytes lie further down), merged (a directory that takes part), "
    "whiteout (it hides the name below), passed (a directory on the way that is opaque or redirected), blocked (no "
    "directory on the way), hidden (a copy that is not seen, and what hides it), unknown.\n\n"
    "Of a path that leads to nothing the same is said: which whiteout hides which copy. A path on no overlay is the "
    "file itself. With --root: what a container that does not run would show, if its engine mounted its layers.",
    (JSON, *MACHINE, FROM, ROOT),
    ((0, "the path opens something"), (1, "no such process, or the path opens nothing or cannot be followed"),
     (3, "the process or the path may not be read"), (4, "the process exited meanwhile"),
     NO_DAEMON, (70, "not answered or not written")), ROOT_ALONE)
Ask = Callable[[int, bytes], "Which"]


def run(asked: Asked, ask: Ask | None = None) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print; a path that opens nothing is said on stderr."""
    if len(asked.operands) != 2:
        raise UsageError("one PID and one path are needed (see mapsd which --help)")
    host = machine(asked)
    process, path = pid(asked.operands[0], host), asked.operands[1]
    if not path.startswith("/"):
        raise UsageError(f"not an absolute path: {quoted(path)} (it is looked up from the process's root)")
    found = ask(process, os.fsencode(path)) if ask else _asked(process, os.fsencode(path), host)
    if found.winner is not None:
        return FOUND, _lines(found, asked.flags)
    complain(f"{process}: {quoted(path)}: {found.failure}")
    # Without links or a way through layers there is nothing to add.
    more = "json" in asked.flags or found.descents or found.way.links
    return NOTHING, _lines(found, asked.flags) if more else []


def _asked(process: int, path: bytes, host: Host) -> "Which":
    with mapsd.Session("lookup", host) as session:
        return session.which(process, path, contained=True)


def _lines(found: "Which", flags: frozenset[str]) -> list[str]:
    if "json" in flags:
        import json  # noqa: PLC0415  (9 ms that the text does not need)

        from mapsd.views.overlayjson import which_object  # noqa: PLC0415
        return [json.dumps(which_object(found), indent=1)]
    from mapsd.views.whichtext import which_lines  # noqa: PLC0415
    return list(which_lines(found))
