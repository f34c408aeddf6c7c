"""`mapsd lookup PID…`: every mapping of a process, or those that are asked for."""

import mapsd
from mapsd.cli import view
from mapsd.cli.arguments import address, pid, quoted, tid
from mapsd.cli.asking import Asking, Target
from mapsd.cli.command import FROM, MACHINE, NO_DAEMON, Asked, Command, Option, machine
from mapsd.cli.output import FAILED, FOUND, Text
from mapsd.cli.terminal import terminal
from mapsd.errors import UsageError
from mapsd.light import Callable
from mapsd.model import HERE, PROOFS, Host, ProcessAnswer

COMMAND = Command(
    "lookup", "PID|CONTAINER|self [0xADDRESS…] …",
    "For every mapping: user path, state, layer and backing file. An address belongs to the process before it and "
    "selects the mapping that holds it.\n\n"
    "On a terminal the mappings of one file are one story, what does not fit stands below its row, and more than the "
    "terminal shows goes through $MAPSD_PAGER, $PAGER or less. Anywhere else every row has every cell in full. "
    "Scripts name their columns and take --raw, --null or --json: the default may change.",
    (Option(("--all",), "every process that can be seen; those that exit or may not be read are counted on stderr"),
     Option(("--thread",), "as this thread of the one process sees it, which may have a mount namespace or a root of "
            "its own", "TID"),
     Option(("--state",), "only mappings in one of these states, parted by commas", "STATE,…"),
     Option(("--overlay-only",), "only mappings of files on an overlay, or that may be"),
     Option(("--files",), "one row a file, for all its mappings that have the same answer"),
     Option(("--packages",), "the package of each file's bytes, by the databases in the container itself: in JSON, or "
            "in more columns"),
     Option(("-o", "--output"), "these columns, parted by commas; +COLUMN,… adds to the default", "COLUMN,…"),
     Option(("--output-all",), "every column"),
     Option(("--list-columns",), "the columns and what each means"),
     Option(("-n", "--noheadings"), "no headings"),
     Option(("-r", "--raw"), "exact values parted by one blank, empty where there is none; blanks, control bytes and "
            "backslashes in them are \\xHH"),
     Option(("-0", "--null"), "exact values, each ended by a NUL byte, no headings"),
     Option(("--format",), "table, json, ndjson, or proc: the text of /proc/PID/maps with user paths, and as the "
            "kernel printed it where they are not established", "FORMAT", view.FORMATS),
     Option(("-J", "--json"), "one JSON object, an array for several processes"),
     Option(("--ndjson",), "one JSON object a line"),
     Option(("--proof",), "what may be asked beyond names: auto (the cheapest that is sufficient), lookup (nothing), "
            "or one of page-frame, build-id and bpf wherever it applies", "MEANS", PROOFS),
     Option(("--color",), "auto (on a terminal, unless NO_COLOR is set), always or never", "WHEN",
            ("auto", "always", "never"), "always"),
     Option(("--no-pager",), "no pager"),
     *MACHINE, FROM),
    ((0, "found"), (1, "no such process, no mapping holds the address or none is in such a state"),
     (3, "the process may not be read"), (4, "the process exited meanwhile"), NO_DAEMON,
     (70, "not answered or not written")),
    (("json", "ndjson", "format"), ("raw", "null"), ("output", "output-all"), ("all", "thread")))
Ask = Callable[[int, int | None], ProcessAnswer]


def run(asked: Asked, ask: Ask | None = None, pids: Callable[[], list[int]] = list) -> tuple[int, list[Text]]:
    """Return the worst exit status and the lines to print; what failed is said on stderr."""
    if "list-columns" in asked.flags:
        from mapsd.cli.tables import listed  # noqa: PLC0415  (rarely asked for)
        return FOUND, [*listed(terminal())]
    host = machine(asked)
    wanted = None if "all" in asked.flags else targets(asked.operands, host)
    if wanted is None and asked.operands:
        raise UsageError(f"--all takes no PID: {quoted(asked.operands[0])}")
    if ask is not None:
        return _run(asked, _every(pids()) if wanted is None else wanted, ask)
    with mapsd.Session(asked.values.get("proof", "auto"), host) as session:
        contained, packages = view.is_of_containers(asked), view.is_of_packages(asked)
        return _run(asked, _every(session.pids()) if wanted is None else wanted,
                    lambda process, thread: session.lookup(process, thread, contained=contained, packages=packages))


def _every(pids: list[int]) -> list[Target]:
    return [(process, []) for process in pids]


def _run(asked: Asked, wanted: list[Target], ask: Ask) -> tuple[int, list[Text]]:
    everything, seen = "all" in asked.flags, terminal()
    thread = _thread(asked, wanted)
    several = everything or len(wanted) > 1 or "container" in asked.flags
    made = view.lines(asked, seen, several=several)
    asking = Asking(lambda process: ask(process, thread), view.filters(asked), everything=everything)
    answers = asking.answers(wanted)
    if not everything:
        # What could not be asked is said before a pager has the terminal.
        answers = iter(list(answers))
    if seen is None and not everything:
        return asking.end(), list(made(answers))
    written = view.written(asked, seen, made(answers))
    return (asking.end() if written else FAILED), []


def targets(operands: list[str], host: Host = HERE) -> list[Target]:
    """Return what was asked for. Raises UsageError for what is no PID and no address."""
    found: list[Target] = []
    for operand in operands:
        if not operand.startswith("0x"):
            found.append((pid(operand, host), []))
        elif found:
            found[-1][1].append(address(operand))
        else:
            raise UsageError(f"an address comes after its PID: {quoted(operand)}")
    if not found:
        raise UsageError("a PID is missing (see mapsd lookup --help)")
    return found


def _thread(asked: Asked, wanted: list[Target]) -> int | None:
    text = asked.values.get("thread")
    if text is None:
        return None
    if len(wanted) != 1:
        raise UsageError("--thread is of one process")
    return tid(text)
