"""The containers that run: one process of each root is asked which container it is in."""

from mapsd.errors import AccessDenied, ProcessGone
from mapsd.light import Callable, Hashable, Iterator, Sequence
from mapsd.model import ProcessFacts
from mapsd.model.containers import Container, Containers, Housed, Running, Unidentified

Ask = Callable[[ProcessFacts], Housed]
Root = Callable[[int], Hashable]


def by_text(_: int) -> None:
    """Tell no root from another, where nothing is known of them but their names."""


def running(processes: Sequence[ProcessFacts], ask: Ask, now: float, root: Root = by_text) -> Containers:
    """Return the containers of processes; *ask* says which one a process is in, *now* is in seconds since the epoch.

    *root* gives what is equal for processes with the same root: two of one mount namespace may have the same name.
    Those that ask() finds gone or denied are counted, and another process of their root is asked.
    """
    roots: dict[Hashable, list[ProcessFacts]] = {}
    for process in sorted(processes, key=lambda one: (one.start_time, one.pid)):
        roots.setdefault((process.mount_namespace, process.root, _root(process.pid, root)), []).append(process)
    gathered = _Gathered(ask)
    for there in roots.values():
        gathered.take(there)
    return Containers(tuple(gathered.running()), tuple(gathered.unidentified), gathered.gone, gathered.denied, now)


def _root(pid: int, root: Root) -> Hashable:
    try:
        return root(pid)
    except (AccessDenied, ProcessGone):
        return pid  # ask() says what became of it


class _Gathered:
    """The containers so far."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.gone = self.denied = 0
        self.unidentified: list[tuple[int, Unidentified]] = []
        self._found: dict[object, tuple[Housed, list[ProcessFacts]]] = {}

    def running(self) -> Iterator[Running]:
        for housed, there in self._found.values():
            in_order = sorted(there, key=lambda one: (one.start_time, one.pid))
            if isinstance(housed.found, Container):
                yield Running(housed.found, tuple(one.pid for one in in_order), housed.image)

    def take(self, there: list[ProcessFacts]) -> None:
        """Ask the first process of a root that can be asked."""
        denied = False
        for place, process in enumerate(there):
            try:
                housed = self._ask(process)
            except ProcessGone:
                self.gone += 1
            except AccessDenied:
                denied = True
            else:
                self._sort(housed, there[place:])
                return
        self.denied += len(there) if denied else 0

    def _sort(self, housed: Housed, there: list[ProcessFacts]) -> None:
        found = housed.found
        if isinstance(found, Container):
            # What no engine made has no id: each root is one of its own.
            key = there[0].pid if found.id is None else (found.engine, found.store, found.group, found.id)
            self._found.setdefault(key, (housed, []))[1].extend(there)
        elif isinstance(found, Unidentified):
            self.unidentified.append((there[0].pid, found))
