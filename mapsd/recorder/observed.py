"""A process on tape, with all that answers ask about it: of a live machine, or of a recording."""

from typing import Any, cast

from mapsd.light import Callable
from mapsd.model.layers import Way
from mapsd.parse.stat import Stat
from mapsd.recorder.machine import TapedMachine
from mapsd.recorder.means import TapedBuildIds, TapedFrames, TapedVmFiles
from mapsd.recorder.openfiles import TapedOpen, TapedOpenAttempt
from mapsd.recorder.tape import Tape
from mapsd.recorder.texts import TapedMaps, TapedTexts
from mapsd.recording import questions
from mapsd.sources import Attempt, Observed


class TapedProcess:
    """One process that is asked about."""

    def __init__(self, tape: Tape, open_live: Callable[[], Observed]) -> None:
        """Open the process by *open_live*, which a replay never calls."""
        self._tape = tape
        self._live: Observed = cast("Observed", NOBODY)

        def ask() -> tuple[int, bytes, Stat]:
            self._live = open_live()
            process = self._live.process
            return process.pid, process.path, self._live.line
        pid, path, self.line = tape.ask(questions.OPEN, (), ask)
        self.process = TapedTexts(tape, pid, path, self._live.process)
        self._open: TapedOpen | None = None

    def maps(self) -> TapedMaps:
        """Return its maps."""
        return TapedMaps(self._tape, self._tape.ask(questions.MAPS_OPENED, (), self._live.maps) or NOBODY)

    def attempt(self) -> "TapedAttempt":
        """Return what is asked about its mappings."""
        return TapedAttempt(self._tape, self._tape.ask(questions.ATTEMPT, (), self._live.attempt) or NOBODY)

    def open(self) -> TapedOpen:
        """Return what it has open."""
        if self._open is None:
            self._open = TapedOpen(self._tape, self._live.open())
        return self._open

    def open_attempt(self) -> TapedOpenAttempt:
        """Return what is asked about what open() holds."""
        live = self._tape.ask(questions.ATTEMPT, (), self._live.open_attempt) or NOBODY
        return TapedOpenAttempt(self._tape, live, self.open())

    def walk(self, path: bytes) -> Way:
        """Return where an absolute name leads inside its root."""
        return self._tape.ask(questions.WALK, (path,), lambda: self._live.walk(path))

    def release(self) -> str:
        """Return the kernel's release."""
        return self._tape.ask(questions.RELEASE, (), self._live.release)

    def now(self) -> float:
        """Return the time in seconds since the epoch."""
        return self._tape.ask(questions.NOW, (), self._live.now)

    def close(self) -> None:
        """Give back what is held."""
        self._live.close()


class TapedAttempt:
    """What the rules ask about mappings, for one reading of the process."""

    def __init__(self, tape: Tape, live: Attempt) -> None:
        """Ask *live* through *tape*."""
        self._live = live
        self.machine = TapedMachine(tape, live.machine, _about_mappings)
        self.frames = TapedFrames(tape, live.frames, _about_mappings)
        self.build_ids = TapedBuildIds(tape, live.build_ids)
        self.vm_files = TapedVmFiles(tape, live.vm_files, _about_mappings)

    def close(self) -> None:
        """Give back what is held."""
        self._live.close()


def _about_mappings() -> str:
    return ""


class _Nobody:
    """Stands for a live machine in a replay: it may be let go of, and is never asked."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (whatever a live machine has)
        return self

    def __call__(self) -> "_Nobody":
        return self


NOBODY: Any = _Nobody()
