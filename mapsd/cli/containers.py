"""`mapsd containers`: the containers that run."""

import mapsd
from mapsd.cli.command import FROM, JSON, MACHINE, NO_DAEMON, ROOT, ROOT_ALONE, Asked, Command, Option, machine
from mapsd.cli.output import FOUND, NOTHING, complain
from mapsd.light import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from mapsd.model.containers import Containers

COMMAND = Command(
    "containers", "",
    "The containers that run, as the files of their engines tell, also of an engine that has been stopped: name, "
    "engine, id, image, pod, first process and number of processes. What no engine is known to have made, but has a "
    "root and namespaces of its own, is `(no engine)`.\n\n"
    "A command that takes a PID also takes a container by its name or by the beginning of its id; `container:NAME` is "
    "one whose name is a number or has other letters.",
    (Option(("-n", "--noheadings"), "no headings"), JSON, *MACHINE, FROM, ROOT),
    ((0, "found"), (1, "no container runs, or none can be seen"), NO_DAEMON, (70, "not answered or not written")),
    ROOT_ALONE)
Ask = Callable[[], "Containers"]


def run(asked: Asked, ask: Ask | None = None) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print; what could not be told is said on stderr."""
    if ask is not None:
        return _run(asked, ask())
    with mapsd.Session("lookup", machine(asked)) as session:
        return _run(asked, session.containers())


def _run(asked: Asked, found: "Containers") -> tuple[int, list[str]]:
    for pid, why in found.unidentified:
        complain(f"{pid}: whether it is in a container is not established: {why.reason}")
    if found.denied:
        complain(f"{found.denied} process{'es' * (found.denied != 1)} may not be read")
    return FOUND if found.running else NOTHING, lines_of(asked.flags, found)


def lines_of(flags: frozenset[str], found: "Containers") -> list[str]:
    """Return the table of containers, or their JSON."""
    if "json" in flags:
        import json  # noqa: PLC0415  (9 ms that the table does not need)

        from mapsd.views.containers import as_object  # noqa: PLC0415
        return [json.dumps(as_object(found), indent=1)]
    from mapsd.views.containers import lines  # noqa: PLC0415  (JSON needs none)
    return list(lines(found, headed="noheadings" not in flags))
