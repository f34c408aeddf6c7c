"""What tells the packages of a process's files, on tape: whose a name is, and the size and digest of a backing file."""

from mapsd.answer.databases import Databased, Dated, Owners
from mapsd.answer.packaged import of_files, without
from mapsd.model import Backing, Mount, ProcessAnswer, Refused, Vma
from mapsd.model.packages import Brought, Owner
from mapsd.recorder.observed import NOBODY
from mapsd.recorder.tape import Tape
from mapsd.recording import packages as questions
from mapsd.recording.questions import REASON

_Time = tuple[int, int] | None  # a mount and the index of a layer, None for now


class TapedDatabases:
    """The port Databased."""

    def __init__(self, tape: Tape, live: Databased) -> None:
        """Ask *live* through *tape*."""
        self._tape, self._live = tape, live

    def now(self) -> Owners | Refused:
        """Return the databases in the process's root."""
        live: Owners | None = None

        def ask() -> Refused | None:
            nonlocal live
            found = self._live.now()
            if isinstance(found, Refused):
                return found
            live = found
            return None
        refused = self._tape.ask(questions.ROOT, (), ask)
        return TapedOwners(self._tape, live, None) if refused is None else refused

    def of_layer(self, mount: Mount, backing: Backing, name: bytes) -> Dated | Refused:
        """Return the databases as of the lower layer that has a backing file by a *name*."""
        live: Owners | None = None

        def ask() -> bool | Refused:
            nonlocal live
            found = self._live.of_layer(mount, backing, name)
            if isinstance(found, Refused):
                return found
            live = found.databases
            return found.certain
        index = backing.layer_index
        certain = self._tape.ask(questions.LAYER, (mount.id, index, *_file(backing), name), ask)
        if isinstance(certain, Refused):
            return certain
        return Dated(TapedOwners(self._tape, live, (mount.id, index or 0)), certain)

    def size(self, backing: Backing) -> int | Refused:
        """Return a backing file's size in bytes."""
        return self._tape.ask(questions.SIZE, _file(backing), lambda: self._live.size(backing))

    def digest(self, backing: Backing, algorithm: str) -> bytes | Refused:
        """Return a digest of a backing file's bytes."""
        return self._tape.ask(questions.DIGEST, (*_file(backing), algorithm),
                              lambda: self._live.digest(backing, algorithm))


class TapedOwners:
    """The port Owners; in a replay there is no *live* one."""

    def __init__(self, tape: Tape, live: Owners | None, time: _Time) -> None:
        """Ask *live*, which is of a *time*, through *tape*."""
        self._tape, self._live, self._time = tape, live, time

    def owner(self, path: bytes) -> Owner:
        """Return which packages have a name."""
        def ask() -> Owner:
            if self._live is None:
                raise TypeError("a replay is asked")
            return self._live.owner(path)
        return self._tape.ask(questions.OWNED_BY, (self._time, path), ask)


def replayed(answer: ProcessAnswer, tape: Tape) -> ProcessAnswer:
    """Return a recorded answer with the packages that a tape tells."""
    lost: tuple[Vma, ...] = tape.ask(questions.UNSETTLED, (), NOBODY)
    return without(of_files(answer, TapedDatabases(tape, NOBODY)), frozenset(lost))


def unrecorded(answer: ProcessAnswer) -> ProcessAnswer:
    """Return a recorded answer with packages that nobody asked for when it was recorded."""
    lost = Brought("unknown", reason=REASON)
    return answer._replace(packages=True, mappings=tuple(
        one._replace(package=lost) if one.kind == "file" else one for one in answer.mappings))


def _file(backing: Backing) -> tuple[object, ...]:
    return backing.path, backing.device, backing.inode
