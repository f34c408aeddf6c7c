"""The packages of the bytes that a process maps: asked, and the process asked again, until nothing changed meanwhile.

The database says whose a *name* is. Only a file that its name opens now is the one that the database in the process's
root speaks of. For another one the database of its time is asked, which is in the layer where the file is; where there
is no such, whose the file was is not known.
"""

from mapsd.answer.databases import Asked, ByTime, Databased
from mapsd.answer.roots import Roots
from mapsd.answer.spent import Budget, OutOfTime
from mapsd.errors import ProcessGone
from mapsd.light import TYPE_CHECKING, Callable
from mapsd.model import Answer, Backing, ProcessAnswer, Refused, Vma
from mapsd.model.packages import Brought, Difference, Differs, NotOwned, Owned, Owner, Record, Same, Undecided
from mapsd.packages.difference import brought

if TYPE_CHECKING:
    from collections.abc import Container

    from mapsd.answer.databases import Reader
    from mapsd.linux.live import Live

    Through = Callable[[Databased], Databased]

_ATTEMPTS = 3
_CHANGED = Brought("unknown", reason="the mapping, its file or the package databases changed while they were asked")
_NOT_NOW = "the databases are of the files that names open now, and this file is none of them"
_UNPROVEN = frozenset(("lookup", "none"))
_NESTED = "the file is in a layer of an overlay below the overlay"
_UNPLACED = "where the file is in its layer, or the layer among the others, is not certain"
_UNCERTAIN = "whether the directories of the layers below are still those that were mounted is not certain"


class Packaging:
    """Adds packages to answers about one process after the other; what they share is kept."""

    def __init__(self, live: "Live", seconds: float | None = None) -> None:
        """Ask about processes of a machine, for each no longer than *seconds*."""
        self._live, self._seconds, self._roots = live, seconds, Roots()

    def packaged(self, answer: ProcessAnswer, thread: int | None, again: Callable[[], ProcessAnswer], *,
                 through: "Through | None" = None, reader: "Reader | None" = None) -> ProcessAnswer:
        """Return an answer with the package of each file's bytes; *again* asks for the answer once more.

        The databases are asked *through* what is made of them, anew whenever the answer is. *reader* gives the files
        of a root as somebody else may read them: for whom there is one, no layer is read. Raises what *again* raises,
        and ProcessGone, AccessDenied, NoHost, ParseError.
        """
        if not any(one.kind == "file" for one in answer.mappings):
            return answer._replace(packages=True)
        try:
            return self._until_calm(answer, thread, again, through, Asked(reader, Budget(self._seconds)))
        except OutOfTime as error:
            late = Brought("unknown", reason=str(error))
            return _each(answer, lambda _: late)

    def _until_calm(self, answer: ProcessAnswer, thread: int | None, again: Callable[[], ProcessAnswer],
                    through: "Through | None", asked: Asked) -> ProcessAnswer:
        for _ in range(_ATTEMPTS):
            found, same = self._asked(answer, thread, through, asked)
            after = again()
            kept = _kept(found, after if same and after.process == answer.process else after._replace(mappings=()))
            if kept == found:
                break
            answer = after
        return kept

    def _asked(self, answer: ProcessAnswer, thread: int | None, through: "Through | None",
               asked: Asked) -> tuple[ProcessAnswer, bool]:
        """Return an answer with packages, and whether the databases stayed what they were."""
        seen = self._live(answer.process.pid, thread)
        try:
            if seen.line.start_time != answer.process.start_time:
                raise ProcessGone(answer.process.pid, seen=True)
            ours = thread is None and self._live.is_beside_us(answer.process)
            by_time = ByTime(seen, self._roots, asked, ours=ours)
            try:
                packages = _Packages(by_time if through is None else through(by_time),
                                     careful=asked.reader is not None)
                return _each(answer, packages.of), by_time.same()
            finally:
                by_time.close()
        finally:
            seen.close()


def of_files(answer: ProcessAnswer, databases: Databased) -> ProcessAnswer:
    """Return an answer with the package of each file's bytes, as databases tell it."""
    return _each(answer, _Packages(databases).of)


def _each(answer: ProcessAnswer, package: Callable[[Answer], Brought]) -> ProcessAnswer:
    return answer._replace(packages=True, mappings=tuple(
        one._replace(package=package(one)) if one.kind == "file" else one for one in answer.mappings))


def unsettled(answer: ProcessAnswer, packaged: ProcessAnswer) -> tuple[Vma, ...]:
    """Return which mappings of files are no longer what they were when *packaged* had settled."""
    settled = {_of(one) for one in packaged.mappings if one.package not in {None, _CHANGED}}
    return tuple(one.vma for one in answer.mappings if one.kind == "file" and _of(one) not in settled)


def without(answer: ProcessAnswer, vmas: "Container[Vma]") -> ProcessAnswer:
    """Return an answer in which nothing is said of the packages of some mappings, which did not settle."""
    return answer._replace(mappings=tuple(
        one._replace(package=_CHANGED) if one.vma in vmas else one for one in answer.mappings))


def _kept(found: ProcessAnswer, after: ProcessAnswer) -> ProcessAnswer:
    """Return an answer without the packages of mappings that are no longer what they were."""
    now = {_of(one) for one in after.mappings if one.kind == "file"}
    return found._replace(mappings=tuple(
        one if one.package is None or _of(one) in now else one._replace(package=_CHANGED) for one in found.mappings))


def _of(one: Answer) -> tuple[object, ...]:
    return one.vma, _file(one)


def _file(one: Answer) -> tuple[object, ...]:
    """Return what mappings of one file with one answer have in common."""
    return one.user_path, one.mount, one.backing, one.state, one.reason, one.needs


class _Packages:
    """The packages of files, each asked once; *careful* says for somebody who may not see everything."""

    def __init__(self, by_time: Databased, *, careful: bool = False) -> None:
        self._by_time, self._careful = by_time, careful
        self._known: dict[tuple[object, ...], Brought] = {}

    def of(self, mapping: Answer) -> Brought:
        """Return the package of the bytes that a mapping of a file holds."""
        key = _file(mapping), mapping.proof
        if key not in self._known:
            self._known[key] = self._now(mapping) if mapping.state == "current" else self._then(mapping)
        return self._known[key]

    def _now(self, mapping: Answer) -> Brought:
        name, databases = mapping.user_path, self._by_time.now()
        if name is None:
            return Brought("unknown", reason="its name is not known")
        owner = databases if isinstance(databases, Refused) else databases.owner(name)
        if isinstance(owner, NotOwned) and not owner.searched:
            # A later step may have removed them.
            then = self._then(mapping)
            if then.package is not None or self._careful:
                return then
            return Brought("unowned", None, name, None, _none(owner))
        # What the process may not map at all is not compared for somebody else.
        held = None if self._careful and mapping.proof in _UNPROVEN else mapping.backing
        return self._compared(owner, Brought("", None, name), held, certain=True)

    def _then(self, mapping: Answer) -> Brought:
        backing = mapping.backing
        if backing is None:
            return Brought("unknown", reason=f"which file it holds is not known: {mapping.reason}", needs=mapping.needs)
        if backing.through:
            return Brought("unknown", reason=_NESTED)
        place = backing.layer_path or b""
        if backing.layer_role != "lower" or mapping.mount is None:
            return Brought("unknown", reason=_NOT_NOW)
        if backing.layer_index is None or backing.path is None or not backing.path.startswith(place + b"/"):
            return Brought("unknown", reason=_UNPLACED)
        name = backing.path.removeprefix(place)
        dated = self._by_time.of_layer(mapping.mount, backing, name.lstrip(b"/"))
        owner = dated if isinstance(dated, Refused) else dated.databases.owner(name)
        about = Brought("", None, name, backing.layer_index)
        return self._compared(owner, about, backing, certain=not isinstance(dated, Refused) and dated.certain)

    def _compared(self, owner: Owner, about: Brought, backing: Backing | None, *, certain: bool) -> Brought:
        """Return what is known of a file whose name is somebody's; *about* has the name and the layer."""
        if isinstance(owner, Refused):
            return about._replace(state="unknown", reason=owner.reason, needs=_needs(owner))
        if isinstance(owner, Owned):
            record, found = self._difference(owner, backing)
            if isinstance(found, Same):
                return about._replace(state="same", package=record.package)
            if certain:
                state = "differs" if isinstance(found, Differs) else "unknown"
                return about._replace(state=state, package=record.package, reason=_reason(found, owner.unread))
        elif certain:
            return about._replace(state="unowned", reason=_none(owner))
        return about._replace(state="unknown", reason=_UNCERTAIN)

    def _difference(self, owned: Owned, backing: Backing | None) -> tuple[Record, Difference]:
        if backing is None:
            return owned.records[0], Undecided("which file holds the bytes is not known")
        size = self._by_time.size(backing)
        if isinstance(size, Refused):
            return owned.records[0], Undecided(f"the backing file is not read: {size.reason}")
        return brought(owned, size, lambda algorithm: self._by_time.digest(backing, algorithm))


def _none(owner: NotOwned) -> str | None:
    return None if owner.searched else "there is no package database"


def _needs(refused: Refused) -> tuple[str, ...]:
    return tuple(refused.needs.split(",")) if refused.needs else ()


def _reason(found: Differs | Undecided, unread: tuple[Refused, ...]) -> str:
    said = found.reason if isinstance(found, Undecided) else (
        f"its {found.what} is {found.held}, recorded is {found.recorded}")
    return "; ".join([said, *(one.reason for one in unread)])
