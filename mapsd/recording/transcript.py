"""What was asked about one process and what was said: run by run, in the order of the first asking.

    directory NUMBER<TAB>JSON
    run NAME
    QUESTION<TAB>ANSWER

A run is what one command asked. A question that was answered differently each time has a line for each time, in order.
A later run lacks what it was told as the first one was, each time alike. An answer is JSON, or it says how many lines
follow: `text N` a text of the kernel's, `list N` a line of JSON for each element; these lines begin with `| `.
"""

import json

from mapsd.errors import RecordingError
from mapsd.light import Iterator, NamedTuple
from mapsd.recording.codec import Json, Malformed, bytes_of, text_of
from mapsd.recording.form import Section

_MARK = "| "
_WHICH = "which "


class Said(NamedTuple):
    """One answer as it is written, and its line in the file (0: none yet)."""

    text: str
    line: int = 0


Run = dict[str, list[Said]]
LAYERS = "layers"
CONTAINER = "container"
PACKAGES = "packages"


def run_of(command: str, proof: str) -> str:
    """Return the name of the run of `lookup` or `fds` with a proof."""
    return command if proof == "auto" else f"{command} {proof}"


def which_run(path: bytes) -> str:
    """Return the name of the run that follows a path."""
    return f"{_WHICH}{spelled(text_of(path))}"


def which_paths(made: "Transcript") -> list[bytes]:
    """Return the paths that were followed. Raises Malformed."""
    texts = [name.removeprefix(_WHICH) for name in made.runs if name.startswith(_WHICH)]
    try:
        found = [json.loads(text) for text in texts]
    except (ValueError, RecursionError) as error:
        raise Malformed("not the path of any run") from error
    if not all(isinstance(one, str) for one in found):
        raise Malformed("not the path of any run")
    return [bytes_of(one) for one in found]


class Transcript:
    """The runs of one process, and the directories that are named in them by their numbers."""

    def __init__(self) -> None:
        """Know nothing."""
        self.directories: list[Said] = []
        self.runs: dict[str, Run] = {}

    def first(self) -> Run:
        """Return the run on which the others lean, empty where there is none."""
        return next(iter(self.runs.values()), {})

    def lines(self) -> Iterator[str]:
        """Yield the lines of its section."""
        for number, said in enumerate(self.directories):
            yield f"directory {number}\t{said.text}"
        base = self.first()
        for name, run in self.runs.items():
            yield f"run {name}"
            for question, answers in run.items():
                told = distinct(answers)
                if run is base or len(told) > 1 or told != distinct(base.get(question, [])):
                    for one in told if len(told) == 1 else [said.text for said in answers]:
                        yield f"{question}\t{one}"


def distinct(answers: list[Said]) -> list[str]:
    """Return the different texts of answers, in order."""
    return list(dict.fromkeys(said.text for said in answers))


def spelled(value: Json) -> str:
    """Return the one spelling of a value."""
    return json.dumps(value, separators=(", ", ": "), allow_nan=False)


def block(kind: str, lines: list[str]) -> str:
    """Return an answer of several lines."""
    return "\n".join([f"{kind} {len(lines)}", *(_MARK + line for line in lines)])


def read(section: Section, path: bytes) -> Transcript:
    """Return the transcript of a section. Raises RecordingError for lines in no such form."""
    made, run = Transcript(), None
    at = 0
    while at < len(section.lines):
        line, number = section.lines[at], section.first + at
        name, tab, answer = line.partition("\t")
        if name.startswith("run ") and not tab:
            run = made.runs.setdefault(name.removeprefix("run "), {})
        elif not tab:
            raise RecordingError(path, number, "neither a question with its answer nor a run")
        elif name == f"directory {len(made.directories)}" and run is None:
            made.directories.append(Said(answer, number))
        elif run is None:
            raise RecordingError(path, number, "an answer outside of every run")
        else:
            more = _block(section, at, answer, path)
            run.setdefault(name, []).append(Said("\n".join([answer, *more]), number))
            at += len(more)
        at += 1
    return made


def _block(section: Section, at: int, answer: str, path: bytes) -> list[str]:
    """Return the lines that belong to an answer beside its own."""
    kind, _, number = answer.partition(" ")
    if kind not in {"text", "list"}:
        return []
    count = int(number) if number.isdecimal() and len(number) < 10 else -1
    lines = list(section.lines[at + 1:at + 1 + max(count, 0)])
    if count < 0 or len(lines) < count or not all(line.startswith(_MARK) for line in lines):
        raise RecordingError(path, section.first + at, "not as many lines as it says")
    return lines


def lines_of(answer: str, kind: str) -> list[str] | None:
    """Return the lines of an answer of several, None where it is not of this kind."""
    head, *lines = answer.split("\n")
    return [line.removeprefix(_MARK) for line in lines] if head.startswith(f"{kind} ") else None
