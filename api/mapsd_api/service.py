"""The questions of many askers: each sees what the kernel would let it see, and gets a fresh answer."""

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol, TypeVar

from mapsd import Session
from mapsd.errors import AccessDenied, MapsdError, ProcessGone
from mapsd.linux.authority import Peer
from mapsd.model import ProcessFacts
from mapsd_api.flights import Flights
from mapsd_api.identity import Identity
from mapsd_api.problems import Problem, of_failure

SHARE = 256  # processes that are looked at between two questions of authority


class OfProcess(Protocol):
    """What is answered about one process."""

    @property
    def process(self) -> ProcessFacts:
        """Return whom the answer is about."""


Found = TypeVar("Found", bound=OfProcess)


class Authority(Protocol):
    """Who may see which process."""

    def may_see(self, peer: Peer, pid: int) -> bool:
        """Return whether the kernel would let a peer read a process's maps now."""

    def visible(self, peer: Peer, pids: Sequence[int]) -> Collection[int]:
        """Return those of *pids* that it would."""


class Look(NamedTuple):
    """One question that was asked about a process: by whom, and how it ended.

    *process* is None where there is none, or none that the asker may see.
    """

    identity: Identity
    operation: str
    pid: int
    process: ProcessFacts | None
    outcome: str


class Service:
    """Asks in the name of others."""

    def __init__(self, authority: Authority, flights: Flights[Session], who: Callable[[int], ProcessFacts],
                 told: Callable[[Look], None]) -> None:
        """Ask by *flights* what *authority* allows; *who* says who a process is now, each look is *told*."""
        self._authority, self._flights, self._who, self._told = authority, flights, who, told

    def ask(self, identity: Identity, operation: str, pid: int, question: Callable[[Session], Found],
            *details: Hashable) -> Found:
        """Return the answer to a question about a process, asked once for all who ask it with the same *details*.

        Raises Problem: absent where the asker may not see the process, before or after it was looked at.
        """
        process, outcome = None, "internal"
        try:
            found = self._seen(identity, pid, lambda: self._flights.ask((operation, pid, *details), question))
            process, outcome = found.process, "answered"
        except Problem as problem:
            outcome = problem.kind
            raise
        except (MapsdError, OSError) as error:
            problem = of_failure(error)
            outcome = problem.kind
            raise problem from error
        finally:
            self._told(Look(identity, operation, pid, process, outcome))
        return found

    def _seen(self, identity: Identity, pid: int, asked: Callable[[], Found]) -> Found:
        absent = ProcessGone(pid, seen=False)
        if not self.may_see(identity, pid):
            raise absent
        try:
            found = asked()
        except (MapsdError, OSError) as error:
            # The failure may be of another process, or of another program, which the asker may not see.
            if isinstance(error, ProcessGone) or self.may_see(identity, pid):
                raise
            raise absent from error
        if not self._is_still(identity, found.process):
            raise absent
        return found

    def _is_still(self, identity: Identity, process: ProcessFacts) -> bool:
        """Return whether a pid is still this process, and one that the asker may see."""
        if not self.may_see(identity, process.pid):
            return False
        try:
            # Asked last: whoever had the pid while authority was asked has it now.
            return self._who(process.pid).start_time == process.start_time
        except (MapsdError, OSError):
            return False

    def may_see(self, identity: Identity, pid: int) -> bool:
        """Return whether somebody may see a process."""
        return identity.everything or self._authority.may_see(identity.peer, pid)

    def processes(self, identity: Identity, pids: Sequence[int]) -> Iterator[ProcessFacts]:
        """Yield who those of *pids* are that somebody may see, in their order."""
        for begin in range(0, len(pids), SHARE):
            found = list(self._known(self._visible(identity, pids[begin:begin + SHARE])))
            still = set(self._visible(identity, [process.pid for process in found]))
            again = {process.pid: process.start_time for process in self._known(sorted(still))}
            yield from (process for process in found if again.get(process.pid) == process.start_time)

    def _visible(self, identity: Identity, pids: Sequence[int]) -> Sequence[int]:
        if identity.everything:
            return pids
        seen = set(self._authority.visible(identity.peer, pids))
        return [pid for pid in pids if pid in seen]

    def _known(self, pids: Sequence[int]) -> Iterator[ProcessFacts]:
        for pid in pids:
            # A listing is of those that are there: who went meanwhile is not on it.
            with suppress(ProcessGone, AccessDenied):
                yield self._who(pid)
