"""`mapsd fds PID…`: what exe, cwd, root and every file descriptor of a process open."""

import mapsd
from mapsd.cli.arguments import pid
from mapsd.cli.asking import ENDING, failure, worst
from mapsd.cli.command import FROM, MACHINE, NO_DAEMON, Asked, Command, Option, machine
from mapsd.cli.output import FOUND, complain, status_of
from mapsd.errors import MapsdError, UsageError
from mapsd.light import Callable
from mapsd.model.open import OpenAnswer

COMMAND = Command(
    "fds", "PID|CONTAINER|self …",
    "For exe, cwd, root and every file descriptor: kind, user path, state, layer and backing file. A descriptor of an "
    "overlay's file reads what the overlay has now, so it is never copied-up; a mapping that was made of it may be: "
    "that is what lookup is for.",
    (Option(("-J", "--json"), "one JSON object, an array for several processes"),
     Option(("--ndjson",), "one JSON object a line"),
     Option(("--proof",), "what may be asked beyond names: auto (the cheapest that is sufficient), lookup (nothing), "
            "or one of page-frame and bpf wherever it applies", "MEANS", ("auto", "lookup", "page-frame", "bpf")),
     *MACHINE, FROM),
    ((0, "found"), (1, "no such process"), (3, "the process may not be read"), (4, "the process exited meanwhile"),
     NO_DAEMON, (70, "not answered or not written")),
    (("json", "ndjson"),))
Ask = Callable[[int], OpenAnswer]


def run(asked: Asked, ask: Ask | None = None) -> tuple[int, list[str]]:
    """Return the worst exit status and the lines to print; what failed is said on stderr."""
    host = machine(asked)
    wanted = [pid(operand, host) for operand in asked.operands]
    if not wanted:
        raise UsageError("a PID is missing (see mapsd fds --help)")
    if ask is not None:
        return _run(asked.flags, wanted, ask)
    with mapsd.Session(asked.values.get("proof", "auto"), host) as session:
        contained = bool({"json", "ndjson"} & asked.flags)
        return _run(asked.flags, wanted, lambda process: session.fds(process, contained=contained))


def _run(flags: frozenset[str], wanted: list[int], ask: Ask) -> tuple[int, list[str]]:
    statuses, answers = zip(*(_answered(ask, process) for process in wanted), strict=True)
    found = [answer for answer in answers if answer is not None]
    return worst(statuses), _lines(flags, found, several=len(wanted) > 1 or "container" in flags)


def _answered(ask: Ask, process: int) -> tuple[int, OpenAnswer | None]:
    try:
        return FOUND, ask(process)
    except ENDING:
        raise
    except (MapsdError, OSError) as error:
        complain(failure(process, error))
        return status_of(error), None


def _lines(flags: frozenset[str], answers: list[OpenAnswer], *, several: bool) -> list[str]:
    from mapsd.views.openfiles import as_object, table, title  # noqa: PLC0415  (--help needs no columns)
    if not {"json", "ndjson"} & flags:
        return [line for answer in answers for line in (*([title(answer)] if several else []), *table(answer))]
    import json  # noqa: PLC0415  (9 ms that the table does not need)
    objects = [as_object(answer) for answer in answers]
    if "ndjson" in flags:
        return [json.dumps(one) for one in objects]
    # Several processes are always an array, also of none; a single one that failed is no JSON at all.
    return [json.dumps(one, indent=1) for one in ([objects] if several else objects)]
