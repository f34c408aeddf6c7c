"""`mapsd translate WHAT`: by which names each mount namespace and root opens a file that somebody else named."""

import os

import mapsd
from mapsd.cli.arguments import pid, quoted, tid
from mapsd.cli.asking import counted
from mapsd.cli.command import FROM, JSON, MACHINE, NO_DAEMON, Asked, Command, Option, machine
from mapsd.cli.output import FOUND, NOTHING, complain
from mapsd.errors import UsageError
from mapsd.light import TYPE_CHECKING, Callable
from mapsd.model import DeviceId, Host

if TYPE_CHECKING:
    from mapsd.model.translated import Translation, Wanted

COMMAND = Command(
    "translate", "[PID|CONTAINER|self] PATH|DEVICE:INODE|DEVICE INODE",
    "The names by which processes open a file that was named otherwise: by perf, BPF programs, audit logs or kernels "
    "that print paths inside layers. PATH is a file's path on the host, in a layer's directory or any other; with "
    "--inside it is the end of one: every layer that has it is a candidate. DEVICE is MAJOR:MINOR as maps, audit logs "
    "and /proc/locks print it, in hexadecimal with at least two digits each (fe:00), or as mountinfo and stat(1) do, "
    "in decimal without leading zeros (254:0); one that may be either is refused without --hex or --decimal.\n\n"
    "One process stands for all that share its mount namespace and its root: 4242+3 are four. Without a PID all that "
    "can be seen are asked, of a container its first process. CONTAINER, IMAGE and POD are those of the process that "
    "was asked, `?` where that is not established; a column in which nobody has anything is left out. For each name "
    "WHAT says: visible (it opens this very file), metadata (it has the file's "
    "owner, mode and times), hidden (it opens something else or nothing, and by what), unreachable (no mount of the "
    "process shows it), unknown (and why).",
    (Option(("--thread",), "as this thread of the one process sees it, which may have a mount namespace or a root of "
            "its own", "TID"),
     Option(("--inside",), "PATH begins at a layer's directory, or at one above it"),
     Option(("--hex",), "DEVICE is in hexadecimal"),
     Option(("--decimal",), "DEVICE is in decimal"),
     JSON, *MACHINE, FROM),
    ((0, "a name was found, or a file that has none"), (1, "no such process, or none that was asked knows the file"),
     (3, "the process may not be read"), (4, "the process exited meanwhile"), NO_DAEMON,
     (70, "not answered or not written")),
    (("hex", "decimal"), ("inside", "hex"), ("inside", "decimal")))
Ask = Callable[["Wanted", int | None, int | None], "Translation"]
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_DIGITS = 8  # of a part of a device number: 32 bits


def run(asked: Asked, ask: Ask | None = None) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print; what nobody knows is said on stderr."""
    host = machine(asked)
    process, words = _process(asked.operands, host)
    wanted, thread = _wanted(words, asked.flags), _thread(asked, process)
    found = (ask or _asking(host))(wanted, process, thread)
    if process is None and (found.gone or found.denied):
        complain(", ".join(counted(found.gone, "exited meanwhile") + counted(found.denied, "may not be read")))
    if any(view.names for view in found.views):
        return FOUND, _lines(found, asked.flags)
    said = f": {found.problem}" if found.problem else ""
    complain(f"{' '.join(map(quoted, words))}: no process that was asked has a name for it{said}")
    more = "json" in asked.flags or any(view.skipped for view in found.views)
    return NOTHING, _lines(found, asked.flags) if more else []


def _asking(host: Host) -> Ask:
    def ask(wanted: "Wanted", process: int | None, thread: int | None) -> "Translation":
        with mapsd.Session("lookup", host) as session:
            return session.translate(wanted, process, thread=thread, contained=True)
    return ask


def _thread(asked: Asked, process: int | None) -> int | None:
    if "thread" not in asked.values:
        return None
    if process is None:
        raise UsageError("--thread is of one process")
    return tid(asked.values["thread"])


def _process(operands: list[str], host: Host) -> tuple[int | None, list[str]]:
    """Return the process that is asked, and the words that say what is wanted."""
    if not operands:
        raise UsageError("a path, or a device and an inode, is needed (see mapsd translate --help)")
    first, *rest = operands
    if rest and (first == "self" or (first.isascii() and first.isdigit())):
        return pid(first, host), rest
    return None, operands


def _wanted(words: list[str], flags: frozenset[str]) -> "Wanted":
    from mapsd.model.translated import Inside, Numbered, OnHost  # noqa: PLC0415  (help needs none)
    if words[0].startswith("/") or "inside" in flags:
        if len(words) != 1 or not words[0].startswith("/"):
            raise UsageError(f"not one absolute path: {' '.join(map(quoted, words))}")
        path = os.fsencode(words[0])
        return Inside(path) if "inside" in flags else OnHost(path)
    device, _, inode = words[0].rpartition(":") if len(words) == 1 else (words[0], "", words[1])
    if len(words) > 2 or not (inode.isascii() and inode.isdigit() and len(inode) <= 20):
        raise UsageError(f"neither a path nor DEVICE:INODE: {' '.join(map(quoted, words))}")
    return Numbered(_device(device, flags), int(inode))


def _device(text: str, flags: frozenset[str]) -> DeviceId:
    """Return the device that a text names, in the only base that it can be in, or in the one that *flags* say."""
    major, colon, minor = text.partition(":")
    parts = major, minor
    if not colon or not all(0 < len(part) <= _DIGITS and _HEXADECIMAL.issuperset(part) for part in parts):
        raise UsageError(f"not a device, MAJOR:MINOR: {quoted(text)}")
    decimal = all(part.isdigit() and (part == "0" or not part.startswith("0")) for part in parts)
    # The kernel prints them with %02x:%02x.
    hexadecimal = all(len(part) > 1 for part in parts)
    if flags & {"hex", "decimal"}:
        decimal, hexadecimal = "decimal" in flags and all(part.isdigit() for part in parts), "hex" in flags
    if decimal == hexadecimal:
        raise UsageError(f"{quoted(text)} may be hexadecimal, as in maps, or decimal, as in mountinfo: say --hex or "
                         "--decimal" if decimal else f"not a device as maps or mountinfo print it: {quoted(text)}")
    return DeviceId(*(int(part, 16 if hexadecimal else 10) for part in parts))


def _lines(found: "Translation", flags: frozenset[str]) -> list[str]:
    if "json" in flags:
        import json  # noqa: PLC0415  (9 ms that the text does not need)

        from mapsd.views.translationjson import translation_object  # noqa: PLC0415
        return [json.dumps(translation_object(found), indent=1)]
    from mapsd.views.translationtext import translation_lines  # noqa: PLC0415
    return list(translation_lines(found))
