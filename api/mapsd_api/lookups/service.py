"""The questions of many askers: each sees what the kernel would let it see, and gets a fresh answer."""

import time
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol, TypeVar

from mapsd.errors import AccessDenied, MapsdError, ProcessGone, UsageError
from mapsd.linux.files import unless_exhausted
from mapsd.linux.rights.authority import Peer
from mapsd.model import ProcessFacts
from mapsd.sources import Tree
from mapsd_api.answers.problems import Problem, of_failure
from mapsd_api.asker.identity import Identity
from mapsd_api.lookups.flights import Flights
from mapsd_api.lookups.worker import Worker

SHARE = 256  # processes that are looked at between two questions of authority


class OfProcess(Protocol):
    """What is answered about one process."""

    @property
    def process(self) -> ProcessFacts:
        """Return whom the answer is about."""


class OfProcesses(Protocol):
    """What is answered about several processes."""

    @property
    def processes(self) -> Sequence[ProcessFacts]:
        """Return who was asked about."""


Found = TypeVar("Found", bound=OfProcess)
Several = TypeVar("Several", bound=OfProcesses)
Known = TypeVar("Known")


class Authority(Protocol):
    """Who may see which process."""

    def may_see(self, peer: Peer, pid: int) -> bool:
        """Return whether the kernel would let a peer read a process's maps now."""

    def visible(self, peer: Peer, pids: Sequence[int]) -> Collection[int]:
        """Return those of *pids* that it would."""

    def reader(self, peer: Peer) -> Callable[[Tree], Tree] | None:
        """Return what gives files as a peer may read them, None for one that may read what we may."""


class Look(NamedTuple):
    """One question that was asked about a process: by whom, how it ended, and after how many seconds.

    *pid* is None for a question about all. *process* is None where there is none, or none that the asker may see.
    """

    identity: Identity
    operation: str
    pid: int | None
    process: ProcessFacts | None
    outcome: str
    seconds: float = 0.0


class Service:
    """Asks in the name of others."""

    def __init__(self, authority: Authority, flights: Flights[Worker], who: Callable[[int], ProcessFacts],
                 told: Callable[[Look], None]) -> None:
        """Ask by *flights* what *authority* allows; *who* says who a process is now, each look is *told*."""
        self._authority, self._flights, self._who, self._told = authority, flights, who, told

    def ask(self, identity: Identity, operation: str, pid: int, question: Callable[[Worker], Found],
            *key: Hashable) -> Found:
        """Return the answer to a question about a process, asked once for all whose questions have the same *key*.

        Raises Problem: absent where the asker may not see the process, before or after it was looked at.
        """
        return self._told_of(identity, operation, pid, lambda: self._flights.ask((pid, *key), question), _process)

    def who(self, identity: Identity, operation: str, pid: int) -> ProcessFacts:
        """Return who a process is; raises Problem."""
        return self._told_of(identity, operation, pid, lambda: self._who(pid), lambda process: process)

    def _told_of(self, identity: Identity, operation: str, pid: int, asked: Callable[[], Known],
                 whom: Callable[[Known], ProcessFacts]) -> Known:
        process, outcome, began = None, "internal", time.monotonic()
        try:
            found = self._seen(identity, pid, asked, whom)
            process, outcome = whom(found), "answered"
        except Problem as problem:
            outcome = problem.kind
            raise
        finally:
            self._told(Look(identity, operation, pid, process, outcome, time.monotonic() - began))
        return found

    def together(self, identity: Identity, operation: str, pids: Sequence[int],
                 question: Callable[[Worker, Sequence[int]], Several],
                 *key: Hashable) -> tuple[Several, frozenset[int]]:
        """Return the answer to one question about all of *pids* that somebody may see, and of whom it may be told.

        These are processes that may be seen before and after it was asked. It is asked once for all who may see the
        same ones and whose questions have the same *key*. Raises Problem.
        """
        began = time.monotonic()
        before = self._started(identity, pids)
        try:
            found = self._flights.ask((operation, *key, tuple(before.items())),
                                      lambda worker: question(worker, list(before)))
        except (UsageError, OSError) as error:
            raise of_failure(error) from error
        except MapsdError as error:
            # What it says may be of a program that the asker may not see.
            raise Problem("internal", "one of the processes could not be asked about") from error
        after = self._started(identity, list(before))
        seen = frozenset(before.items() & after.items())
        seconds = (time.monotonic() - began) / max(len(found.processes), 1)
        for process in found.processes:
            may = (process.pid, process.start_time) in seen
            self._told(Look(identity, operation, process.pid, process if may else None,
                            "answered" if may else "absent", seconds))
        swapped = {process.pid for process in found.processes if (process.pid, process.start_time) not in seen}
        return found, frozenset(pid for pid, _ in seen if pid not in swapped)

    def _started(self, identity: Identity, pids: Sequence[int]) -> dict[int, int]:
        """Return when those of *pids* that somebody may see were started."""
        return {process.pid: process.start_time for process in self.processes(identity, pids)}

    def look(self, identity: Identity, pid: int, question: Callable[[Worker], Found], *key: Hashable) -> Found:
        """Return what ask() does, of which nobody is told: another look at what was asked about before."""
        return self._seen(identity, pid, lambda: self._flights.ask((pid, *key), question), _process)

    def listed(self, identity: Identity, operation: str) -> None:
        """Tell that somebody who may see every process has them listed."""
        if identity.everything:
            self._told(Look(identity, operation, None, None, "answered"))

    def _seen(self, identity: Identity, pid: int, asked: Callable[[], Known],
              whom: Callable[[Known], ProcessFacts]) -> Known:
        try:
            return self._permitted(identity, pid, asked, whom)
        except (MapsdError, OSError) as error:
            raise of_failure(error) from error

    def _permitted(self, identity: Identity, pid: int, asked: Callable[[], Known],
                   whom: Callable[[Known], ProcessFacts]) -> Known:
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
        if not self._is_still(identity, whom(found)):
            raise absent
        return found

    def _is_still(self, identity: Identity, process: ProcessFacts) -> bool:
        """Return whether a pid is still this process, and one that the asker may see."""
        if not self.may_see(identity, process.pid):
            return False
        try:
            # Asked last: whoever had the pid while authority was asked has it now.
            return self._who(process.pid).start_time == process.start_time
        except MapsdError:
            return False
        except OSError as error:
            unless_exhausted(error)
            return False

    def may_see(self, identity: Identity, pid: int) -> bool:
        """Return whether somebody may see a process."""
        return identity.everything or self._authority.may_see(identity.peer, pid)

    def reader(self, identity: Identity) -> Callable[[Tree], Tree] | None:
        """Return what gives files as somebody may read them, None for those who may see everything."""
        return None if identity.everything else self._authority.reader(identity.peer)

    def processes(self, identity: Identity, pids: Sequence[int]) -> Iterator[ProcessFacts]:
        """Yield who those of *pids* are that somebody may see, in their order."""
        for begin in range(0, len(pids), SHARE):
            found = list(self._known(self.visible(identity, pids[begin:begin + SHARE])))
            still = set(self.visible(identity, [process.pid for process in found]))
            again = {process.pid: process.start_time for process in self._known(sorted(still))}
            yield from (process for process in found if again.get(process.pid) == process.start_time)

    def visible(self, identity: Identity, pids: Sequence[int]) -> Sequence[int]:
        """Return those of *pids* that somebody may see, in their order."""
        if identity.everything:
            return pids
        seen = set(self._authority.visible(identity.peer, pids))
        return [pid for pid in pids if pid in seen]

    def _known(self, pids: Sequence[int]) -> Iterator[ProcessFacts]:
        for pid in pids:
            # A listing is of those that are there: who went meanwhile is not on it.
            with suppress(ProcessGone, AccessDenied):
                yield self._who(pid)


def _process(found: OfProcess) -> ProcessFacts:
    return found.process
