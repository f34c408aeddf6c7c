"""`mapsd lookup PID…`: every mapping of a process, or those that hold an address."""

import mapsd
from mapsd import render
from mapsd.cli.arguments import address, pid, quoted
from mapsd.cli.command import Asked, Command, Option
from mapsd.cli.output import DENIED, FAILED, FOUND, GONE, NOTHING, complain, status_of
from mapsd.errors import MapsdError, UsageError
from mapsd.light import Callable
from mapsd.model import PROOFS, Answer, ProcessAnswer

_WORST = (FAILED, DENIED, GONE, NOTHING, FOUND)
COMMAND = Command(
    "lookup", "PID|self [0xADDRESS…] …",
    "For every mapping: user path, state, layer and backing file. An address belongs to the process before it and "
    "selects the mapping that holds it.",
    (Option(("-J", "--json"), "one JSON object, an array for several processes"),
     Option(("--ndjson",), "one JSON object a line"),
     Option(("--proof",), "what may be asked beyond names: auto (the cheapest that is sufficient), lookup (nothing), "
            "or one of page-frame, build-id and bpf wherever it applies", "MEANS", PROOFS)),
    ((0, "found"), (1, "no such process or no mapping holds the address"), (3, "the process may not be read"),
     (4, "the process exited meanwhile"), (70, "not answered or not written")),
    (("json", "ndjson"),))
Ask = Callable[[int, str], ProcessAnswer]
AskOne = Callable[[int], ProcessAnswer]
Target = tuple[int, list[int]]  # a process, and the addresses of it that were asked for (empty: all mappings)


def _live(process: int, proof: str) -> ProcessAnswer:
    return mapsd.lookup(process, proof)


def run(asked: Asked, ask: Ask = _live) -> tuple[int, list[str]]:
    """Return the worst exit status and the lines to print; what failed is said on stderr."""
    flags, wanted = asked.flags, targets(asked.operands)
    proof = asked.values.get("proof", "auto")
    statuses, answers = zip(*(_answered(lambda process: ask(process, proof), *one) for one in wanted), strict=True)
    found = [answer for answer in answers if answer is not None]
    return min(statuses, key=_WORST.index), _lines(flags, found, several=len(wanted) > 1)


def targets(operands: list[str]) -> list[Target]:
    """Return what was asked for. Raises UsageError for what is no PID and no address."""
    found: list[Target] = []
    for operand in operands:
        if not operand.startswith("0x"):
            found.append((pid(operand), []))
        elif found:
            found[-1][1].append(address(operand))
        else:
            raise UsageError(f"an address comes after its PID: {quoted(operand)}")
    if not found:
        raise UsageError("a PID is missing (see mapsd lookup --help)")
    return found


def _answered(ask: AskOne, process: int, addresses: list[int]) -> tuple[int, ProcessAnswer | None]:
    try:
        answer = ask(process)
    except UsageError:
        raise
    except MapsdError as error:
        complain(str(error))
        return status_of(error), None
    except OSError as error:
        complain(f"{process}: {error}")
        return FAILED, None
    return _selected(answer, addresses) if addresses else (FOUND, answer)


def _selected(answer: ProcessAnswer, addresses: list[int]) -> tuple[int, ProcessAnswer]:
    lost = [one for one in addresses if not any(_holds(mapping, one) for mapping in answer.mappings)]
    for one in lost:
        complain(f"{answer.process.pid}: no mapping holds {one:#x}")
    kept = tuple(mapping for mapping in answer.mappings if any(_holds(mapping, one) for one in addresses))
    return NOTHING if lost else FOUND, answer._replace(mappings=kept)


def _holds(mapping: Answer, byte: int) -> bool:
    return mapping.vma.start <= byte < mapping.vma.end


def _lines(flags: frozenset[str], answers: list[ProcessAnswer], *, several: bool) -> list[str]:
    if not flags:
        return [line for answer in answers for line in (*_title(answer, several=several), *render.table(answer))]
    import json  # noqa: PLC0415  (9 ms that the table does not need)
    objects = [render.as_json(answer) for answer in answers]
    if "ndjson" in flags:
        return [json.dumps(one) for one in objects]
    # Several processes are always an array, also of none; a single one that failed is no JSON at all.
    return [json.dumps(one, indent=1) for one in ([objects] if several else objects)]


def _title(answer: ProcessAnswer, *, several: bool) -> list[str]:
    return [f"{answer.process.pid} {render.printable(render.escaped(answer.process.name))}"] if several else []
