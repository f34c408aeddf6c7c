"""A question and its answer: asked of a live machine and written down, or read from a transcript."""

import errno
import json
from typing import Any, Protocol, TypeVar

from mapsd.errors import AccessDenied, KernelLacks, NoHost, NotRecorded, ParseError, ProcessGone, RecordingError
from mapsd.light import Callable
from mapsd.model import LayerDir
from mapsd.recording import kerneltext
from mapsd.recording.codec import Malformed, Names
from mapsd.recording.failures import FAILURE
from mapsd.recording.nouns import DIRECTORY_WHOLE
from mapsd.recording.plain import Plain
from mapsd.recording.questions import Question, Unrecorded
from mapsd.recording.transcript import Run, Said, Transcript, block, distinct, lines_of, spelled

T = TypeVar("T")
_RAISED = "raised "
_TOLD = (ProcessGone, AccessDenied, ParseError, KernelLacks, NoHost, OSError)
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class Tape(Protocol):
    """What stands between a question and its answer."""

    def ask(self, question: Question[T], args: tuple[object, ...], live: Callable[[], T]) -> T:
        """Return the answer to a question; *live* asks the machine."""


class Recorder:
    """Asks the machine, and writes down what it says."""

    def __init__(self, names: Names) -> None:
        """Write *names* in place of those that there are."""
        self.transcript = Transcript()
        self.path, self.words, self.options, self.text = names.path, names.words, names.options, names.text
        self.doubt, self.digest = names.doubt, names.digest
        self._numbers: dict[LayerDir, int] = {}
        self._known: dict[tuple[str, tuple[object, ...]], Any] = {}
        self._run: Run = {}

    def begin(self, run: str) -> None:
        """Write down what is asked from now on as a run of this name, as if it had not been asked before."""
        self._run = self.transcript.runs[run] = {}

    def directory(self, layer: LayerDir) -> int:
        """Return the number of a layer's directory, which is written down once."""
        same = layer._replace(key=0)
        if same not in self._numbers:
            number = self._numbers[same] = len(self._numbers)
            whole = spelled(DIRECTORY_WHOLE.spell(layer._replace(key=number), self))
            self.transcript.directories.append(Said(whole))
        return self._numbers[same]

    def ask(self, question: Question[T], args: tuple[object, ...], live: Callable[[], T]) -> T:
        """Return what the machine says, also where it fails."""
        try:
            found = self._once(question, args, live) if question.once else live()
        except _TOLD as error:
            if isinstance(error, OSError) and error.errno in _EXHAUSTED:
                raise
            self._note(question, args, _RAISED + spelled(FAILURE.spell(error, self)))
            raise
        self._note(question, args, self._written(question, args, found))
        return found

    def _once(self, question: Question[T], args: tuple[object, ...], live: Callable[[], T]) -> T:
        if (question.name, args) not in self._known:
            self._known[question.name, args] = live()
        found: T = self._known[question.name, args]
        return found

    def _note(self, question: Question[Any], args: tuple[object, ...], answer: str) -> None:
        key = f"{question.name} {spelled(question.key(args, self))}"
        self._run.setdefault(key, []).append(Said(answer))

    def _written(self, question: Question[Any], args: tuple[object, ...], found: Any) -> str:  # noqa: ANN401  (any answer)
        if question.form == "text":
            name = str(args[0]) if args else question.name
            return block("text", kerneltext.lines(self.text(name, found)))
        if question.form == "list":
            return block("list", [spelled(question.answer.spell(one, self)) for one in found])
        return spelled(question.answer.spell(found, self))


class Replay:
    """Answers a run from a transcript; nothing else is asked."""

    def __init__(self, transcript: Transcript, run: str, pid: int, path: bytes) -> None:
        """Answer as in the *run* of this name; where there is none, what was always answered alike in the first run."""
        self._transcript, self._pid, self._path = transcript, pid, path
        self._base = transcript.first()
        self._own = transcript.runs.get(run)
        self._asked: dict[str, int] = {}
        self._read: dict[tuple[str, int], Any] = {}
        names = Plain()
        self.path, self.words, self.options, self.text = names.path, names.words, names.options, names.text
        self.doubt, self.digest = names.doubt, names.digest

    def directory(self, layer: LayerDir) -> int:
        """Return the number of a layer's directory."""
        return layer.key

    def ask(self, question: Question[T], args: tuple[object, ...], live: Callable[[], T]) -> T:  # noqa: ARG002  (see Tape)
        """Return what was said, or what it is that nobody knows."""
        key = f"{question.name} {spelled(question.key(args, self))}"
        answers = self._answers(key)
        if not answers:
            return self._unrecorded(question, args)
        time = min(self._asked.get(key, 0), len(answers) - 1)
        self._asked[key] = time + 1
        if (key, time) not in self._read:
            self._read[key, time] = self._told(question, answers[time])
        found: T = self._read[key, time]
        if isinstance(found, _Raised):
            raise found.error
        return found

    def _answers(self, key: str) -> list[Said]:
        if self._own is not None and key in self._own:
            return self._own[key]
        found = self._base.get(key, [])
        return found if len(distinct(found)) == 1 else []

    def _unrecorded(self, question: Question[T], args: tuple[object, ...]) -> T:
        try:
            return question.unrecorded(*args)
        except Unrecorded as error:
            raise NotRecorded(self._pid, self._path, question.name) from error

    def _told(self, question: Question[Any], said: Said) -> Any:  # noqa: ANN401  (any answer)
        try:
            if said.text.startswith(_RAISED):
                return _Raised(FAILURE.read(_loaded(said.text.removeprefix(_RAISED)), _Directories(self._transcript)))
            return self._answer(question, said.text)
        except Malformed as error:
            raise RecordingError(self._path, said.line, str(error)) from error

    def _answer(self, question: Question[Any], text: str) -> Any:  # noqa: ANN401  (any answer)
        book = _Directories(self._transcript)
        if question.form == "json":
            return question.answer.read(_loaded(text), book)
        lines = lines_of(text, question.form)
        if lines is None:
            raise Malformed(f"not a {question.form}")
        if question.form == "text":
            return kerneltext.text(lines)
        return tuple([question.answer.read(_loaded(line), book) for line in lines])


class _Raised:
    """A failure that was written down."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Directories:
    """The port Book of a transcript."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript

    def directory(self, number: int) -> LayerDir:
        """Return the layer's directory of a number. Raises Malformed."""
        if not 0 <= number < len(self._transcript.directories):
            raise Malformed(f"there is no directory {number}")
        found = DIRECTORY_WHOLE.read(_loaded(self._transcript.directories[number].text), self)
        if found.key != number:
            raise Malformed(f"directory {number} says that it is another one")
        return found


def _loaded(text: str) -> Any:  # noqa: ANN401  (JSON is any of several)
    try:
        return json.loads(text, parse_constant=_no_number, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise Malformed("not JSON") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError(pairs)
    return made


def _no_number(text: str) -> float:
    raise ValueError(text)
