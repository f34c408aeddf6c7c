"""Questions to one process after the other, and how they ended."""

from mapsd.cli.output import DENIED, FAILED, FOUND, GONE, NOTHING, complain, status_of
from mapsd.errors import AccessDenied, MapsdError, NoDaemon, ProcessGone, UsageError
from mapsd.light import Callable, Iterator, Sequence
from mapsd.model import ProcessAnswer
from mapsd.views.selection import Wanted, holding

ENDING = (UsageError, NoDaemon)  # after these no further question is asked
_WORST = (FAILED, DENIED, GONE, NOTHING, FOUND)
Ask = Callable[[int], ProcessAnswer]
Target = tuple[int, list[int]]  # a process, and the addresses of it that were asked for (empty: all mappings)


class Asking:
    """Asks about processes and remembers what became of it; of each answer only what every filter lets through stays.

    *everything* is every process that can be seen: those that exit or may not be read are then counted, not named.
    """

    def __init__(self, ask: Ask, filters: Sequence[Wanted], *, everything: bool) -> None:
        """Ask by *ask*."""
        self._ask, self._filters, self._everything = ask, filters, everything
        self._statuses: list[int] = []
        self._failures: list[str] = []
        self._matched = False

    def answers(self, targets: Sequence[Target]) -> Iterator[ProcessAnswer]:
        """Yield the answers that there are, as soon as each is asked for."""
        for process, addresses in targets:
            answer = self._answer(process)
            if answer is None:
                continue
            answer = self._selected(answer, addresses)
            self._matched = self._matched or bool(answer.mappings)
            if answer.mappings or not (self._everything and self._filters):
                yield answer

    def _answer(self, process: int) -> ProcessAnswer | None:
        try:
            answer = self._ask(process)
        except ENDING:
            raise
        except (MapsdError, OSError) as error:
            self._failed(process, error)
            return None
        self._statuses.append(FOUND)
        return answer

    def _failed(self, process: int, error: MapsdError | OSError) -> None:
        self._statuses.append(status_of(error))
        if self._everything and isinstance(error, ProcessGone | AccessDenied):
            return
        said = failure(process, error)
        if self._everything:
            # They are many, and a pager may have the terminal by now.
            self._failures.append(said)
        else:
            complain(said)

    def _selected(self, answer: ProcessAnswer, addresses: list[int]) -> ProcessAnswer:
        lost = [one for one in addresses if not any(map(holding([one]), answer.mappings))]
        for one in lost:
            complain(f"{answer.process.pid}: no mapping holds {one:#x}")
        self._statuses += [NOTHING] * bool(lost)
        wanted = (*self._filters, holding(addresses)) if addresses else self._filters
        if not wanted:
            return answer
        kept = tuple(mapping for mapping in answer.mappings if all(one(mapping) for one in wanted))
        return answer._replace(mappings=kept)

    def end(self) -> int:
        """Return the exit status, and say on stderr what was passed over."""
        for said in self._failures:
            complain(said)
        gone = sum(self._statuses.count(status) for status in (NOTHING, GONE))
        denied = self._statuses.count(DENIED)
        if self._everything and (gone or denied):
            complain(", ".join(counted(gone, "exited meanwhile") + counted(denied, "may not be read")))
        status = self._status()
        return NOTHING if status == FOUND and self._filters and not self._matched else status

    def _status(self) -> int:
        if self._everything and FOUND in self._statuses and FAILED not in self._statuses:
            return FOUND
        return worst(self._statuses)


def failure(process: int, error: MapsdError | OSError) -> str:
    """Return the line for a question about a process that failed."""
    return str(error) if isinstance(error, MapsdError) else f"{process}: {error}"


def worst(statuses: Sequence[int]) -> int:
    """Return the status with which several questions end."""
    return min(statuses, key=_WORST.index, default=NOTHING)


def counted(number: int, what: str) -> list[str]:
    """Return how many processes something became of, nothing where it did of none."""
    return [f"{number} process{'es' * (number != 1)} {what}"] if number else []
