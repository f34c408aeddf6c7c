"""`mapsd lookup PID…`: every mapping of a process, or the one that holds an address."""

import argparse
import os
import re
import sys
from typing import NamedTuple

import mapsd
from mapsd import render
from mapsd.errors import AccessDenied, MapsdError, ProcessGone, UsageError
from mapsd.model import ProcessAnswer

FOUND, NOTHING, DENIED, GONE = 0, 1, 3, 4
_WORST = (DENIED, GONE, NOTHING, FOUND)
_PID_MAX = 1 << 31


class Target(NamedTuple):
    """A process, and the addresses of it that were asked for (empty: all mappings)."""

    pid: int
    addresses: tuple[int, ...]


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the sub-command and its options."""
    parser = commands.add_parser("lookup", help="the mappings of processes",
                                 description="For every mapping: user path, state, layer and backing file.")
    parser.add_argument("operands", nargs="+", metavar="PID|self|0xADDRESS",
                        help="a process; an address belongs to the process before it")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object, an array for several processes")
    form.add_argument("--ndjson", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def targets(operands: list[str]) -> list[Target]:
    """Return what was asked for. Raises UsageError for what is no PID and no address."""
    found: list[Target] = []
    for operand in operands:
        if operand.startswith("0x"):
            if not found or not re.fullmatch("0x[0-9a-fA-F]{1,16}", operand):
                raise UsageError(f"not an address after a PID: {render.escaped(os.fsencode(operand))}")
            found[-1] = found[-1]._replace(addresses=(*found[-1].addresses, int(operand, 16)))
        elif operand == "self":
            found.append(Target(os.getpid(), ()))
        elif re.fullmatch("[0-9]{1,10}", operand, re.ASCII) and 0 < int(operand) < _PID_MAX:
            found.append(Target(int(operand), ()))
        else:
            raise UsageError(f"not a PID: {render.escaped(os.fsencode(operand))}")
    return found


def run(chosen: argparse.Namespace) -> int:
    """Print the answers and return the worst exit status."""
    statuses, answers = [], []
    for target in targets(chosen.operands):
        try:
            answer = _asked(target, mapsd.lookup(target.pid))
        except MapsdError as error:
            print(f"mapsd: {error}", file=sys.stderr)
            statuses.append(_status(error))
            continue
        missing = target.addresses and not answer.mappings
        statuses.append(NOTHING if missing else FOUND)
        if missing:
            print(f"mapsd: {target.pid}: no mapping holds the address", file=sys.stderr)
        answers.append(answer)
    _print(chosen, answers)
    return min(statuses, key=_WORST.index)


def _asked(target: Target, answer: ProcessAnswer) -> ProcessAnswer:
    if not target.addresses:
        return answer
    kept = tuple(mapping for mapping in answer.mappings
                 if any(mapping.vma.start <= address < mapping.vma.end for address in target.addresses))
    return answer._replace(mappings=kept)


def _status(error: MapsdError) -> int:
    if isinstance(error, AccessDenied):
        return DENIED
    if isinstance(error, ProcessGone):
        return GONE if error.seen else NOTHING
    return GONE


def _print(chosen: argparse.Namespace, answers: list[ProcessAnswer]) -> None:
    if chosen.json or chosen.ndjson:
        import json  # noqa: PLC0415  (5 ms that the table does not need)
        objects = [render.as_json(answer) for answer in answers]
        for line in objects if chosen.ndjson else ():
            print(json.dumps(line))
        if chosen.json and objects:
            single = len(targets(chosen.operands)) == 1
            print(json.dumps(objects[0] if single else objects, indent=1))
        return
    for answer in answers:
        if len(answers) > 1:
            print(f"{answer.process.pid} {render.escaped(answer.process.name)}")
        sys.stdout.writelines(f"{line}\n" for line in render.table(answer))
