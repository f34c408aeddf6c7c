"""`mapsd explain PID ADDRESS|PATH…`: how an answer was reached, step by step."""

import os

import mapsd
from mapsd.cli.arguments import address, pid, quoted
from mapsd.cli.command import FROM, JSON, MACHINE, NO_DAEMON, Asked, Command, Option, machine
from mapsd.cli.output import FOUND, NOTHING, complain
from mapsd.cli.terminal import terminal
from mapsd.errors import UsageError
from mapsd.light import TYPE_CHECKING, Callable, Iterator, Sequence
from mapsd.model import HERE, PROOFS, Answer, Host, ProcessAnswer

if TYPE_CHECKING:
    from mapsd.views.explanation.object import Explain

COMMAND = Command(
    "explain", "PID|CONTAINER|self 0xADDRESS|PATH…",
    "Say in sentences how an answer was reached: what the kernel printed and how far it may be believed, where the "
    "file is, what its path opens now, which files the mapping could hold, what told them apart or what would, and "
    "the answer.\n\n"
    "An address selects the mapping that holds it. A path selects every mapping of which it is the user path, the "
    "path that the kernel shows, or the path of the backing file; mappings with the same answer are explained once.",
    (Option(("--proof",), "what may be asked beyond names, as for mapsd lookup", "MEANS", PROOFS),
     JSON, *MACHINE, FROM),
    ((0, "explained; also an answer that is unknown"),
     (1, "no such process, or no mapping holds the address or has the path"), (3, "the process may not be read"),
     (4, "the process exited meanwhile"), NO_DAEMON, (70, "not answered or not written")))
WIDTH = 80  # columns where stdout is no terminal
Ask = Callable[[int, list[int | bytes]], "tuple[ProcessAnswer, Explain]"]


def run(asked: Asked, ask: Ask | None = None) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print; what was not found is said on stderr."""
    from mapsd.views.explanation import is_meant  # noqa: PLC0415  (--help needs none of it)
    host = machine(asked)
    process, wanted = target(asked.operands, host)
    answer, explain = (ask or _asking(asked, host))(process, [one for _, one in wanted])
    lost = [word for word, one in wanted if not any(is_meant(mapping, one) for mapping in answer.mappings)]
    for word in lost:
        complain(f"{process}: no mapping {'holds' if word.startswith('0x') else 'has the path'} {quoted(word)}")
    kept = [mapping for mapping in answer.mappings if any(is_meant(mapping, one) for _, one in wanted)]
    return NOTHING if lost else FOUND, _lines(answer._replace(mappings=tuple(kept)), explain, asked.flags)


def _asking(asked: Asked, host: Host) -> Ask:
    def ask(process: int, _: Sequence[int | bytes]) -> "tuple[ProcessAnswer, Explain]":
        with mapsd.Session(asked.values.get("proof", "auto"), host) as session:
            return session.lookup(process), mapsd.explain
    return ask


def target(operands: list[str], host: Host = HERE) -> tuple[int, list[tuple[str, int | bytes]]]:
    """Return the process, and each address or path as a word and as what it means. Raises UsageError."""
    if len(operands) < 2 or "" in operands:
        raise UsageError("a PID and an address or a path are needed (see mapsd explain --help)")
    process, *words = operands
    return pid(process, host), [(word, address(word) if word.startswith("0x") else os.fsencode(word)) for word in words]


def _lines(answer: ProcessAnswer, explain: "Explain", flags: frozenset[str]) -> list[str]:
    if "json" in flags:
        import json  # noqa: PLC0415  (9 ms that the text does not need)

        from mapsd.views.explanation.object import as_object  # noqa: PLC0415  (the text needs none)
        return [json.dumps(as_object(answer, explain), indent=1)]
    from mapsd.views.explanation import stories  # noqa: PLC0415  (JSON needs none)
    seen = terminal()
    width = WIDTH if seen is None else seen.width
    return [line for story in stories(answer.mappings) for line in _told(answer, explain, story, width)]


def _told(answer: ProcessAnswer, explain: "Explain", story: Sequence[Answer], width: int) -> Iterator[str]:
    """Yield the lines about mappings that have one answer."""
    from mapsd.views.explanation import filled, heading, lines  # noqa: PLC0415  (--help needs none of it)
    for words in heading(answer, story):
        yield from filled(words, width)
    yield ""
    yield from lines(explain(answer, story[0]), width)
