"""Answers that a session gave before, used again where the kernel says that nothing they hang on has changed."""

import time

from mapsd.light import Callable, NamedTuple, Sequence
from mapsd.linux.live import LiveAttempt
from mapsd.linux.witness import Names, Witness, Witnesses, names_of, steady
from mapsd.model import Answer, Mount, Vma
from mapsd.ports import Machine

PROCESSES = 64
MAPPINGS = 50_000  # of all of them; those of the last process are kept however many they are
Text = tuple[bytes, list[Vma]]  # of maps, and its mappings
_SPARE = 1024  # mappings


class Known(NamedTuple):
    """An answer, the names in it (None: it hangs on more), and what was seen of them before it was asked for.

    *witness* is None where they were not looked at before.
    """

    answer: Answer
    names: Names | None
    witness: Witness | None


class _Process(NamedTuple):
    """What was known of a process, as it was read then, and by which mounts of the observer."""

    reading: object
    mounts: Sequence[Mount]
    known: dict[Vma, Known]


class Kept:
    """The last answers about the last processes that were asked about."""

    def __init__(self, there: Callable[[bytes], bool]) -> None:
        """Know nothing; *there* says whether a directory of a process is still there."""
        self._there = there
        self._processes: dict[bytes, _Process] = {}
        self._texts: dict[bytes, Text] = {}

    def text(self, path: bytes) -> Text | None:
        """Return the last text of maps of the process, or thread, whose directory is *path*."""
        return self._texts.get(path)

    def read(self, path: bytes, text: Text) -> None:
        """Keep a text of maps."""
        self._texts[path] = text
        while len(self._processes) > 1 and sum(len(vmas) for _, vmas in self._texts.values()) > MAPPINGS:
            self._forget_oldest()

    def recall(self, path: bytes, reading: object, attempt: LiveAttempt) -> "Recollection":
        """Return what is known of the process, or thread, whose directory is *path*; close() it."""
        found = self._processes.get(path)
        same = found is not None and (found.reading, found.mounts) == (reading, attempt.machine.mounts())
        return Recollection(found.known if same and found is not None else {}, attempt)

    def keep(self, path: bytes, reading: object, machine: Machine, found: dict[Vma, Known]) -> None:
        """Keep what was found of a process; those asked about longest ago are forgotten, and those that have ended."""
        before = self._processes.pop(path, None)
        if before is not None and (before.reading, before.mounts) == (reading, machine.mounts()):
            merged = before.known | found
            # What is not mapped any more goes when it has become much.
            found = found if len(merged) > 2 * len(found) + _SPARE else merged
        self._processes[path] = _Process(reading, machine.mounts(), found)
        if before is None:
            self._forget_ended()
        while len(self._processes) > PROCESSES:
            self._forget_oldest()

    def _forget_ended(self) -> None:
        for path in [path for path in self._texts.keys() | self._processes.keys() if not self._there(path)]:
            self._processes.pop(path, None)
            self._texts.pop(path, None)

    def _forget_oldest(self) -> None:
        oldest = next(iter(self._processes))
        del self._processes[oldest]
        self._texts.pop(oldest, None)


class Recollection:
    """Answers about one process in one lookup: those of before that still hold, and new ones."""

    def __init__(self, known: dict[Vma, Known], attempt: LiveAttempt) -> None:
        """Go by what is *known*."""
        machine = attempt.machine
        self._known, self._began = known, time.time_ns()
        self._witnesses = Witnesses(machine.process, machine.open_plainly, attempt.vm_files.mark,
                                    quickly=attempt.vm_files.loaded)
        self._seen: dict[Vma, Witness | None] = {}
        self.found: dict[Vma, Known] = {}

    def close(self) -> None:
        """Give the descriptors back."""
        self._witnesses.close()

    def answer(self, vma: Vma) -> Answer | None:
        """Return the answer of before where it still holds."""
        known = self._known.get(vma)
        if known is None or known.names is None:
            return None
        # Looked at before the answer is asked for again, if it must be: what changes in between shows the next time.
        seen = self._seen[vma] = self._witnesses.of(vma, known.names)
        if seen is None or seen != known.witness:
            return None
        self.found[vma] = known
        return known.answer

    def learn(self, vma: Vma, answer: Answer) -> None:
        """Take an answer that was asked for after answer() did not know it."""
        before, seen, names = self._known.get(vma), self._seen.get(vma), names_of(answer)
        same = before is not None and before.names == names and seen is not None and steady(seen, self._began)
        self.found[vma] = Known(answer, names, seen if same else None)
