"""The means that tell candidates apart, on tape; *about* says which entry is held (empty: it is a mapping)."""

from mapsd.light import Callable, Sequence
from mapsd.model import Refused, Vma
from mapsd.model.held import Held
from mapsd.ports import BuildIds, FileRef, PageFrames, VmFiles
from mapsd.recorder.tape import Tape
from mapsd.recording import questions


class TapedFrames:
    """The port PageFrames."""

    def __init__(self, tape: Tape, live: PageFrames, about: Callable[[], str]) -> None:
        """Ask *live* through *tape*."""
        self._tape, self._live, self._about = tape, live, about

    def compare(self, vma: Vma, candidate: FileRef) -> tuple[str, str]:
        """Return "same", "different" or "silent", and what was seen or stood in the way."""
        return self._tape.ask(questions.FRAMES, (self._about(), vma, candidate),
                              lambda: self._live.compare(vma, candidate))

    def contents(self, vma: Vma, candidate: FileRef) -> tuple[str, str]:
        """Return "same", "different" or "silent": whether the pages of the mapping have a candidate's bytes."""
        return self._tape.ask(questions.CONTENTS, (self._about(), vma, candidate),
                              lambda: self._live.contents(vma, candidate))


class TapedBuildIds:
    """The port BuildIds."""

    def __init__(self, tape: Tape, live: BuildIds) -> None:
        """Ask *live* through *tape*."""
        self._tape, self._live = tape, live

    def mapped(self, vma: Vma) -> bytes | Refused:
        """Return the build id that the kernel reads in the file really mapped."""
        return self._tape.ask(questions.BUILD_ID_MAPPED, (vma,), lambda: self._live.mapped(vma))

    def of(self, candidate: FileRef) -> bytes | Refused:
        """Return the build id in a candidate's ELF notes."""
        return self._tape.ask(questions.BUILD_ID_OF, (candidate,), lambda: self._live.of(candidate))


class TapedVmFiles:
    """The port VmFiles."""

    def __init__(self, tape: Tape, live: VmFiles, about: Callable[[], str]) -> None:
        """Ask *live* through *tape*."""
        self._tape, self._live, self._about = tape, live, about

    def of(self, vma: Vma) -> Held | Refused:
        """Return what a mapping holds."""
        return self._tape.ask(questions.VM_FILE, (self._about(), vma), lambda: self._live.of(vma))

    def compare(self, vma: Vma, candidate: FileRef, together: Sequence[FileRef] = ()) -> tuple[str, str]:
        """Return "same", "different" or "silent": whether a candidate is the mapping's inode."""
        return self._tape.ask(questions.VM_FILES_COMPARED, (self._about(), vma, candidate),
                              lambda: self._live.compare(vma, candidate, together))
