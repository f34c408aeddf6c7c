"""One process for each mount namespace and root, asked for the names of a file: the others see the same ones."""

from mapsd.errors import AccessDenied, ProcessGone, UsageError
from mapsd.light import Callable, Hashable, NamedTuple, Sequence
from mapsd.model.translated import Numbered, Translation, View, Wanted


class Asking(NamedTuple):
    """What asks one process for the names of a file, and what is equal for processes that have the same names.

    *release* is the kernel's, *now* the time in seconds since the epoch.
    """

    ask: Callable[[Wanted, int], View]
    root: Callable[[int], Hashable]
    release: str
    now: float


def in_process(wanted: Wanted, pid: int, asking: Asking) -> Translation:
    """Return the names of a file in one process. Raises UsageError, ProcessGone, AccessDenied, NoHost, ParseError."""
    demand_absolute(wanted)
    found = asking.ask(wanted, pid)
    return Translation(wanted, asking.release, asking.now, (found,), problem=found.problem)


def among(wanted: Wanted, pids: Sequence[int], asking: Asking) -> Translation:
    """Return the names of a file for each root that some processes have. Raises UsageError, NoHost, ParseError."""
    demand_absolute(wanted)
    roots, gone, denied = _roots(pids, asking.root)
    answers: list[View] = []
    for standing in roots.values():
        found, more_gone, more_denied = _first(wanted, standing, asking)
        gone, denied = gone + more_gone, denied + more_denied
        if found is not None:
            answers.append(found)
    return Translation(wanted, asking.release, asking.now, tuple(answers), gone, denied,
                       next((one.problem for one in answers if one.problem), ""))


def demand_absolute(wanted: Wanted) -> None:
    """Raise UsageError where a path that is asked about is not absolute."""
    if not isinstance(wanted, Numbered) and not wanted.path.startswith(b"/"):
        raise UsageError("a path begins with /")


def _roots(pids: Sequence[int], root: Callable[[int], Hashable]) -> tuple[dict[Hashable, list[int]], int, int]:
    """Return the processes of each root, and how many are gone or may not be looked at."""
    roots: dict[Hashable, list[int]] = {}
    gone = denied = 0
    for pid in pids:
        try:
            roots.setdefault(root(pid), []).append(pid)
        except ProcessGone:
            gone += 1
        except AccessDenied:
            denied += 1
    return roots, gone, denied


def _first(wanted: Wanted, pids: list[int], asking: Asking) -> tuple[View | None, int, int]:
    """Return the answer of the first process of a root that gives one, and how many before it did not."""
    gone = denied = 0
    for place, pid in enumerate(pids):
        try:
            root = asking.root(pid)
            found = asking.ask(wanted, pid)
            if asking.root(pid) == root:
                return found._replace(pids=tuple(pids[place:])), gone, denied
            gone += 1
        except ProcessGone:
            gone += 1
        except AccessDenied:
            denied += 1
    return None, gone, denied
