"""Which processes there are, for somebody who may see some of them."""

import os
import pwd
from collections.abc import Callable, Iterator, Sequence

import psutil

from mapsd.model import ProcessFacts
from mapsd.views.render import JsonObject, moment, process_object
from mapsd_api.asker.identity import Identity
from mapsd_api.lookups.service import Service

Known = tuple[int, int]  # a process: its pid and its start time


class Roster:
    """Lists processes."""

    def __init__(self, service: Service, pids: Callable[[], Sequence[int]], *, ours: bool) -> None:
        """List *pids*; *ours* says that our user database is that of their machine."""
        self._service, self._pids, self._ours = service, pids, ours

    def known(self, identity: Identity) -> tuple[Known, ...]:
        """Return every process that somebody may see now, in order."""
        return tuple((process.pid, process.start_time) for process in self.everybody(identity, "list_processes"))

    def everybody(self, identity: Identity, operation: str) -> tuple[ProcessFacts, ...]:
        """Return who everybody is that somebody may see now, in order."""
        self._service.listed(identity, operation)
        return tuple(self._service.processes(identity, self._pids()))

    def rows(self, identity: Identity, known: Sequence[Known]) -> Iterator[ProcessFacts]:
        """Yield who those of the listed are that are still there and may be seen."""
        listed = set(known)
        for process in self._service.processes(identity, [pid for pid, _ in known]):
            if (process.pid, process.start_time) in listed:
                yield process

    def as_object(self, process: ProcessFacts, states: dict[str, int] | None) -> JsonObject:
        """Return a process as the API has it: the contract's words, its user, its time of creation, its states."""
        return {**process_object(process), "user": self._user(process.uid), "create_time": _created(process),
                "states": states}

    def _user(self, uid: int) -> str | None:
        if not self._ours:
            return None
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return None


def _created(process: ProcessFacts) -> str:
    return moment(psutil.boot_time() + process.start_time / os.sysconf("SC_CLK_TCK"))
