"""What a process has open, on tape: every question names the entry that is held."""

from mapsd.light import Sequence
from mapsd.model import Absent, FileFacts, Found, Refused, Vma
from mapsd.model.open import Entry
from mapsd.recorder.machine import TapedMachine
from mapsd.recorder.means import TapedFrames, TapedVmFiles
from mapsd.recorder.tape import Tape
from mapsd.recording import questions
from mapsd.sources import Open, OpenAttempt


class TapedOpen:
    """The port Process of one held entry."""

    def __init__(self, tape: Tape, live: Open) -> None:
        """Ask *live* through *tape*."""
        self._tape, self._live = tape, live
        self.about = ""

    def names(self) -> Sequence[str] | Refused:
        """Return the numbers of the descriptors, in order."""
        def ask() -> tuple[str, ...] | Refused:
            found = self._live.names()
            return found if isinstance(found, Refused) else tuple(found)
        found: tuple[str, ...] | Refused = self._tape.ask(questions.FD_NAMES, (), ask)
        return found

    def entry(self, fd: str) -> Entry | Absent | Refused:
        """Return what a link and fdinfo say of an entry."""
        return self._tape.ask(questions.FD_ENTRY, (fd,), lambda: self._live.entry(fd))

    def hold(self, fd: str) -> Found:
        """Hold what an entry opens now, and return what it is."""
        self.about = fd
        return self._tape.ask(questions.FD_HELD, (fd,), lambda: self._live.hold(fd))

    def release(self) -> None:
        """Let go of what is held."""
        self._live.release()
        self.about = ""

    def held(self) -> Found:
        """Return what is held, as it is now."""
        return self._tape.ask(questions.FD_STILL, (self.about,), self._live.held)

    def kind(self) -> str:
        """Return which kind of file is held."""
        return self._tape.ask(questions.FD_KIND, (self.about,), self._live.kind)

    def is_shmem(self, seen: FileFacts) -> bool:
        """Return whether what is held is on one of the kernel's own mounts."""
        return self._tape.ask(questions.FD_SHMEM, (self.about,), lambda: self._live.is_shmem(seen))

    def link(self, vma: Vma) -> bytes | None:
        """Return the text of the link of what is held."""
        return self._tape.ask(questions.FD_LINK, (self.about,), lambda: self._live.link(vma))

    def mapped(self, _: Vma) -> Found:
        """Return what is held."""
        return self.held()

    def links(self) -> Sequence[bytes]:
        """Return none: a descriptor's own link is right."""
        return ()

    def named(self, path: bytes) -> Found:
        """Return what *path* opens inside the process's root; a symbolic link itself where one is held."""
        question = questions.FD_NAMED if self.kind() == "symlink" else questions.NAMED
        return self._tape.ask(question, (path,), lambda: self._live.named(path))


class TapedOpenAttempt:
    """What the rules ask about what is held, for one reading of the process."""

    def __init__(self, tape: Tape, live: OpenAttempt, opened: TapedOpen) -> None:
        """Ask *live* through *tape*."""
        self._tape, self._live, self._opened = tape, live, opened
        self.machine = TapedMachine(tape, live.machine, self._about)
        self.frames = TapedFrames(tape, live.frames, self._about)
        self.vm_files = TapedVmFiles(tape, live.vm_files, self._about)

    def _about(self) -> str:
        return self._opened.about

    def printed(self) -> Vma | Refused:
        """Return what the recorder's own maps say of a mapping of what is held."""
        return self._tape.ask(questions.FD_PRINTED, (self._about(),), self._live.printed)

    def forget(self) -> None:
        """Something else is held from now on."""
        self._live.forget()

    def close(self) -> None:
        """Give back what is held."""
        self._live.close()
