"""A recording, asked as a machine is: what mapsd.Session is for the machine itself."""

from mapsd.answer.located import holding
from mapsd.answer.name import which
from mapsd.answer.observe import checked, observe
from mapsd.answer.openfiles import open_files
from mapsd.answer.overlays import layers
from mapsd.answer.reading import Asking
from mapsd.errors import NotRecorded, RecordingError, UsageError
from mapsd.light import TYPE_CHECKING, Sequence
from mapsd.model import ProcessAnswer
from mapsd.recorder.observed import NOBODY, TapedProcess
from mapsd.recorder.tape import Replay
from mapsd.recording import form, transcript
from mapsd.recording.transcript import LAYERS, Transcript, run_of, which_run
from mapsd.sources import Observed, Source

if TYPE_CHECKING:
    from mapsd.model.layers import ProcessLayers, Which
    from mapsd.model.open import OpenAnswer

PROCESS = "process "  # how the section of a process is called, before its number


class RecordedSession:
    """Answers from a recording; nothing of the machine that it runs on is in an answer.

    What a recording does not have is unknown, with a reason. Beside what each question says it raises NotRecorded (no
    such process, or not this question about it) and what was raised while it was recorded.
    """

    def __init__(self, path: bytes, proof: str = "auto") -> None:
        """Read the recording at *path*. Raises RecordingError, and UsageError (it cannot be opened, no such proof)."""
        self._path, self._proof = path, checked(proof)
        self._processes: dict[int, Transcript] = {}
        for section in form.parsed(_content(path), path):
            if section.name.startswith(PROCESS):
                pid = _pid(section, path)
                if pid in self._processes:
                    raise RecordingError(path, section.first - 1, f"another section of the process {pid}")
                self._processes[pid] = transcript.read(section, path)

    def lookup(self, pid: int, thread: int | None = None, addresses: Sequence[int] | None = None) -> ProcessAnswer:
        """Return every mapping of a process, or those that hold *addresses*."""
        answer = observe(pid, thread, Asking(self._proof, self._source(run_of("lookup", self._proof))))
        if addresses is None:
            return answer
        kept = set(holding([mapping.vma for mapping in answer.mappings], addresses))
        return answer._replace(mappings=tuple(one for one in answer.mappings if one.vma in kept))

    def fds(self, pid: int, thread: int | None = None) -> "OpenAnswer":
        """Return what a process has open."""
        return open_files(pid, thread, Asking(self._proof, self._source(run_of("fds", self._proof), needed=True)))

    def layers(self, pid: int, thread: int | None = None) -> "ProcessLayers":
        """Return the overlays that a process sees."""
        return layers(pid, thread, self._source(LAYERS, needed=True))

    def which(self, pid: int, path: bytes, thread: int | None = None) -> "Which":
        """Return which file an absolute path opens inside a process's root. Raises UsageError (it is not absolute)."""
        return which(pid, path, thread, self._source(which_run(path)))

    def pids(self) -> list[int]:
        """Return the processes that were recorded, in order."""
        return sorted(self._processes)

    def close(self) -> None:
        """Do nothing: nothing is held."""

    def _source(self, run: str, *, needed: bool = False) -> Source:
        """Return what opens a process as it was in a run; *needed*: without this run nothing can be said."""
        def source(pid: int, thread: int | None) -> Observed:
            found = self._transcript(pid, thread)
            if needed and run not in found.runs:
                raise NotRecorded(pid, self._path, run)
            return TapedProcess(Replay(found, run, pid, self._path), NOBODY)
        return source

    def _transcript(self, pid: int, thread: int | None) -> Transcript:
        if pid not in self._processes:
            raise NotRecorded(pid, self._path)
        if thread not in {None, pid}:
            raise NotRecorded(pid, self._path, f"thread {thread}")
        return self._processes[pid]


def _pid(section: form.Section, path: bytes) -> int:
    number = section.name.removeprefix(PROCESS)
    if not (number.isdecimal() and len(number) < 11):
        raise RecordingError(path, section.first - 1, "not the number of a process")
    return int(number)


def _content(path: bytes) -> bytes:
    try:
        with open(path, "rb") as file:
            text = file.read(form.LARGEST + 1)
    except OSError as error:
        name = path.decode("utf-8", "backslashreplace")
        raise UsageError(f"the recording cannot be read: {name}: {error.strerror}") from error
    if len(text) > form.LARGEST:
        raise RecordingError(path, 1, f"larger than {form.LARGEST >> 20} MiB: no recording of mapsd's is")
    return text
