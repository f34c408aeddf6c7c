"""A recording, asked as a machine is: what mapsd.Session is for the machine itself."""

from mapsd.answer import placed
from mapsd.answer.located import holding
from mapsd.answer.name import which
from mapsd.answer.observe import checked, observe
from mapsd.answer.openfiles import open_files
from mapsd.answer.overlays import layers
from mapsd.answer.reading import Asking
from mapsd.errors import AccessDenied, NotRecorded, ProcessGone, RecordingError, UsageError
from mapsd.light import TYPE_CHECKING, Iterator, Sequence
from mapsd.model import ProcessAnswer, ProcessFacts
from mapsd.model.containers import Housed, Unidentified
from mapsd.recorder.observed import NOBODY, TapedProcess
from mapsd.recorder.sections import DOCTOR, Sections
from mapsd.recorder.tape import Replay
from mapsd.recording import questions
from mapsd.recording.codec import Malformed
from mapsd.recording.transcript import CONTAINER, LAYERS, PACKAGES, run_of, which_paths, which_run
from mapsd.sources import Observed, Source

if TYPE_CHECKING:
    from mapsd.model.containers import Containers
    from mapsd.model.diagnosis import Diagnosis
    from mapsd.model.layers import ProcessLayers, Which
    from mapsd.model.open import OpenAnswer
    from mapsd.model.translated import Translation, Wanted


class RecordedSession:
    """Answers from a recording; nothing of the machine that it runs on is in an answer.

    What a recording does not have is unknown, with a reason. Beside what each question says it raises NotRecorded (no
    such process, or not this question about it) and what was raised while it was recorded.
    """

    def __init__(self, path: bytes, proof: str = "auto") -> None:
        """Read the recording at *path*. Raises RecordingError, and UsageError (it cannot be opened, no such proof)."""
        self._path, self._proof = path, checked(proof)
        self._sections = Sections(path)

    def lookup(self, pid: int, thread: int | None = None, addresses: Sequence[int] | None = None, *,
               contained: bool = False, packages: bool = False) -> ProcessAnswer:
        """Return every mapping of a process, or those that hold *addresses*.

        With *contained* also its container, with *packages* those of the files' bytes.
        """
        answer = observe(pid, thread, Asking(self._proof, self._source(run_of("lookup", self._proof))))
        if packages:
            answer = self._packaged(answer, thread)
        if contained:
            answer = placed.mappings(answer, self._told(answer.process, thread, answer.as_of))
        if addresses is None:
            return answer
        kept = set(holding([mapping.vma for mapping in answer.mappings], addresses))
        return answer._replace(mappings=tuple(one for one in answer.mappings if one.vma in kept))

    def fds(self, pid: int, thread: int | None = None, *, contained: bool = False) -> "OpenAnswer":
        """Return what a process has open; with *contained* also its container."""
        answer = open_files(pid, thread, Asking(self._proof, self._source(run_of("fds", self._proof), needed=True)))
        return placed.files(answer, self._told(answer.process, thread, answer.as_of)) if contained else answer

    def _packaged(self, answer: ProcessAnswer, thread: int | None) -> ProcessAnswer:
        from mapsd.recorder.packages import replayed, unrecorded  # noqa: PLC0415  (most lookups need none of it)
        pid = answer.process.pid
        found = self._sections.of(pid, thread)
        return replayed(answer, Replay(found, PACKAGES, pid, self._path)) if PACKAGES in found.runs else (
            unrecorded(answer))

    def containers(self) -> "Containers":
        """Return the containers of the recorded processes."""
        from mapsd.answer.running import running  # noqa: PLC0415  (other questions need none of it)
        known = [self.lookup(pid) for pid in self.pids()]
        times = {one.process.pid: one.as_of for one in known}
        return running([one.process for one in known], lambda process: self._housed(process, None, times[process.pid]),
                       max(times.values(), default=0.0))

    def _told(self, process: ProcessFacts, thread: int | None, now: float) -> Housed:
        return placed.told(process, now, lambda: self._housed(process, thread, now))

    def _housed(self, process: ProcessFacts, thread: int | None, now: float) -> Housed:
        found = self._sections.of(process.pid, thread)
        if CONTAINER not in found.runs:
            return Housed(process, now, Unidentified(questions.REASON))
        tape = Replay(found, CONTAINER, process.pid, self._path)
        return Housed(process, now, *tape.ask(questions.HOUSED, (), NOBODY))

    def layers(self, pid: int, thread: int | None = None, *, contained: bool = False) -> "ProcessLayers":
        """Return the overlays that a process sees; with *contained* also its container."""
        answer = layers(pid, thread, self._source(LAYERS, needed=True))
        return placed.overlays(answer, self._told(answer.process, thread, answer.as_of)) if contained else answer

    def which(self, pid: int, path: bytes, thread: int | None = None, *, contained: bool = False) -> "Which":
        """Return which file an absolute path opens inside a process's root; with *contained* also its container.

        Raises UsageError (it is not absolute).
        """
        answer = which(pid, path, thread, self._source(which_run(path)))
        return placed.which(answer, self._told(answer.process, thread, answer.as_of)) if contained else answer

    def translate(self, wanted: "Wanted", pid: int | None = None, *, thread: int | None = None,
                  contained: bool = False) -> "Translation":
        """Return which of the recorded names open a file, without *pid* in every process.

        With *contained* each view that has a name has its process's container. Raises UsageError.
        """
        from mapsd.recorder.translated import translation  # noqa: PLC0415  (other questions need none of it)
        if pid is None and thread is not None:
            raise UsageError("a thread is of one process")
        wanted_of = self.pids() if pid is None else [pid]
        if not wanted_of:
            raise RecordingError(self._path, 1, "no process is recorded in it")
        found = translation(wanted, [(self.lookup(one, thread), list(self._names(one, thread))) for one in wanted_of])
        if not contained:
            return found
        return found._replace(views=tuple(
            [placed.view(one, self._told(one.process, thread, one.as_of)) if one.names else one
             for one in found.views]))

    def _names(self, pid: int, thread: int | None) -> "Iterator[Which]":
        try:
            paths = which_paths(self._sections.of(pid, thread))
        except Malformed as error:
            raise RecordingError(self._path, 1, f"the name of a run of process {pid}: {error}") from error
        for path in paths:
            try:
                yield self.which(pid, path, thread)
            except (ProcessGone, AccessDenied):
                # So it was when it was recorded: that name was not answered.
                continue

    def doctor(self) -> "Diagnosis":
        """Return what its machine let the recorder establish. Raises OSError and what was raised then."""
        examined = self._sections.doctor
        if examined is None or not examined.first():
            raise RecordingError(self._path, 1, "its machine was not examined when this was recorded")
        found: Diagnosis = Replay(examined, DOCTOR, 0, self._path).ask(questions.EXAMINED, (), NOBODY)
        return found

    def pids(self) -> list[int]:
        """Return the processes that were recorded, in order."""
        return self._sections.pids()

    def close(self) -> None:
        """Do nothing: nothing is held."""

    def _source(self, run: str, *, needed: bool = False) -> Source:
        """Return what opens a process as it was in a run; *needed*: without this run nothing can be said."""
        def source(pid: int, thread: int | None) -> Observed:
            found = self._sections.of(pid, thread)
            if needed and run not in found.runs:
                raise NotRecorded(pid, self._path, run)
            return TapedProcess(Replay(found, run, pid, self._path), NOBODY)
        return source
