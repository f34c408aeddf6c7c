"""The packages of the bytes that a process maps: it is asked again after the databases, until nothing changed."""

from mapsd.answer.brought import Packages, file_of
from mapsd.answer.databases import Asked, ByTime, Databased
from mapsd.answer.roots import Roots
from mapsd.answer.spent import Budget, OutOfTime
from mapsd.errors import ProcessGone
from mapsd.light import TYPE_CHECKING, Callable
from mapsd.model import Answer, ProcessAnswer, Vma
from mapsd.model.packages import Brought

if TYPE_CHECKING:
    from collections.abc import Container

    from mapsd.answer.databases import Reader
    from mapsd.linux.live import Live

    Through = Callable[[Databased], Databased]

_ATTEMPTS = 3
_CHANGED = Brought("unknown", reason="the mapping, its file or the package databases changed while they were asked")


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
                packages = Packages(by_time if through is None else through(by_time),
                                     careful=asked.reader is not None)
                return _each(answer, packages.of), by_time.same()
            finally:
                by_time.close()
        finally:
            seen.close()


def of_files(answer: ProcessAnswer, databases: Databased) -> ProcessAnswer:
    """Return an answer with the package of each file's bytes, as databases tell it."""
    return _each(answer, Packages(databases).of)


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
    return one.vma, file_of(one)
