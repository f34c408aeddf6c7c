"""A process on tape: what its /proc directory says."""

from mapsd.light import Sequence
from mapsd.model import Found, Vma
from mapsd.parse.stat import Stat
from mapsd.recorder.tape import Tape
from mapsd.recording import questions
from mapsd.sources import Maps, Texts


class TapedTexts:
    """The port Process with the texts of /proc."""

    def __init__(self, tape: Tape, pid: int, path: bytes, live: Texts) -> None:
        """Ask *live*, whose directory is *path*, through *tape*."""
        self._tape, self._live, self.pid, self.path = tape, live, pid, path

    def stat(self) -> Stat:
        """Return its stat line."""
        return self._tape.ask(questions.STAT_LINE, (), self._live.stat)

    def mountinfo(self) -> bytes:
        """Return the text of mountinfo."""
        return self._tape.ask(questions.MOUNTINFO, (), self._live.mountinfo)

    def text(self, name: str) -> bytes:
        """Return a whole file of the directory."""
        return self._tape.ask(questions.STATUS, (name,), lambda: self._live.text(name))

    def target(self, name: str) -> bytes | None:
        """Return the text of a magic link."""
        return self._tape.ask(questions.TARGET, (name,), lambda: self._live.target(name))

    def link(self, vma: Vma) -> bytes | None:
        """Return the text of the mapping's map_files link."""
        return self._tape.ask(questions.LINK, (vma,), lambda: self._live.link(vma))

    def mapped(self, vma: Vma) -> Found:
        """Return the file that the mapping's map_files link opens."""
        return self._tape.ask(questions.MAPPED, (vma,), lambda: self._live.mapped(vma))

    def links(self) -> Sequence[bytes]:
        """Return the texts of the process's exe and fd links."""
        return self._tape.ask(questions.LINKS, (), lambda: tuple(self._live.links()))

    def named(self, path: bytes) -> Found:
        """Return what *path* opens inside the process's own root."""
        return self._tape.ask(questions.NAMED, (path,), lambda: self._live.named(path))


class TapedMaps:
    """The maps of one program that a process runs."""

    def __init__(self, tape: Tape, live: Maps) -> None:
        """Ask *live* through *tape*."""
        self._tape, self._live = tape, live

    def read(self) -> bytes:
        """Return the text."""
        return self._tape.ask(questions.MAPS, (), self._live.read)

    def close(self) -> None:
        """Give back what is held."""
        self._live.close()
