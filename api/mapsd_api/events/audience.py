"""Those who listen and see the same processes."""

from collections.abc import Hashable, Iterator, Mapping

from mapsd_api.answers.problems import Problem
from mapsd_api.asker.identity import Identity
from mapsd_api.events.sight import Running, Sight
from mapsd_api.events.subscription import Event, Subscription


class Audience:
    """Readers with one sight."""

    def __init__(self, sight: Sight) -> None:
        """Begin without readers."""
        self._sight = sight
        self._readers: list[Subscription] = []

    def join(self, reader: Subscription) -> None:
        """Add a reader: what is there now is no news for it. Raises Problem where it cannot watch a process."""
        self._sight.begin(reader.pids)
        self._readers.append(reader)

    def listens(self) -> bool:
        """Return whether somebody still reads."""
        self._readers = [reader for reader in self._readers if not reader.over]
        return bool(self._readers)

    def tell_processes(self, listed: Mapping[int, Running]) -> None:
        """Tell every reader which processes came and went, given those that there are now."""
        _tell(self._readers, self._sight.changes(listed))

    def tell_states(self) -> None:
        """Tell those who watch a process which of its mappings are in another state."""
        watched = {pid for reader in self._readers for pid in reader.pids}
        self._sight.forget(watched)
        for pid in sorted(watched):
            if self.listens():
                self._tell_states_of(pid, [reader for reader in self._readers if pid in reader.pids])

    def _tell_states_of(self, pid: int, readers: list[Subscription]) -> None:
        try:
            _tell(readers, self._sight.states(pid))
        except Problem:
            for reader in readers:
                reader.lag()


def _tell(readers: list[Subscription], changes: Iterator[Event]) -> None:
    for change in changes:
        for reader in readers:
            reader.put(change)


def eyes(identity: Identity) -> Hashable:
    """Return what is the same for all who see the same."""
    return None if identity.everything else identity.peer
