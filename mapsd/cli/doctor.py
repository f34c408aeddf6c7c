"""`mapsd doctor`: what this kernel and the caller's privileges let mapsd establish."""

import mapsd
from mapsd.cli.command import FROM, JSON, MACHINE, NO_DAEMON, Asked, Command, machine
from mapsd.cli.output import FAILED, FOUND, complain
from mapsd.errors import MapsdError, RecordingError
from mapsd.light import TYPE_CHECKING, Callable, Iterator, Sequence
from mapsd.views.render import escaped, printable

if TYPE_CHECKING:
    from mapsd.model.diagnosis import Diagnosis, Finding

COMMAND = Command(
    "doctor", "",
    "What this kernel shows, which capabilities the caller has, which means of proof work, which do not and why, "
    "and what to do about it. Each is tried: on an overlay of mapsd's own, mounted in a mount namespace of its own "
    "that ends at once, where that is allowed; and on mapsd's own memory. No other process is looked at.",
    (JSON, *MACHINE, FROM),
    ((0, "examined, whatever was found"), NO_DAEMON,
     (70, "nothing can be examined (there is no /proc) or not written")))
_WORKS = {True: "yes", False: "no", None: "?"}


def run(asked: Asked, ask: "Callable[[], Diagnosis] | None" = None) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print; what failed is said on stderr."""
    if ask is not None and "from" not in asked.values:
        return FOUND, _lines(ask(), asked.flags)
    try:
        return FOUND, _lines(ask() if ask else mapsd.doctor(machine(asked)), asked.flags)
    except RecordingError:
        raise
    except (MapsdError, OSError) as error:
        complain(f"this machine cannot be examined: {error}")
        return FAILED, []


def _lines(found: "Diagnosis", flags: frozenset[str]) -> list[str]:
    if "json" not in flags:
        return list(map(printable, table(found)))
    import json  # noqa: PLC0415  (9 ms that the table does not need)

    from mapsd.views.doctor import as_json  # noqa: PLC0415  (the table does not need it)
    return [json.dumps(as_json(found), indent=1)]


def table(found: "Diagnosis") -> Iterator[str]:
    """Yield the lines of the readable form: the machine, a row a finding, and what to do."""
    held = found.capabilities
    yield from _aligned([
        ("kernel", f"{_text(found.release)}, maps shows {found.shows or 'for an overlay: not established'}"),
        ("capabilities", ", ".join(held.held) or "none"), ("missing", ", ".join(held.missing) or "none"),
        ("user namespace", "initial" if held.initial else "not the initial one: capabilities count only inside it")])
    yield ""
    rows = [*found.proofs, *found.findings]
    yield from _aligned([("PROOF", "WORKS", "DETAIL"), *map(_row, found.proofs), ("", "", ""),
                         ("FINDING", "WORKS", "DETAIL"), *map(_row, found.findings)])
    advice = [("ADVICE", ""), *((_text(row.name), _text(row.advice)) for row in rows if row.advice)]
    if len(advice) > 1:
        yield ""
        yield from _aligned(advice)


def _row(finding: "Finding") -> tuple[str, str, str]:
    return _text(finding.name), _WORKS[finding.works], _text(finding.detail)


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _text(words: str) -> str:
    return escaped(words.encode("utf-8", "surrogateescape"))
