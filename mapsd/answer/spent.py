"""What the packages of one answer may cost: whoever is in a container may make its databases as large as they go."""

import time

from mapsd.light import TYPE_CHECKING, Callable, Sequence
from mapsd.model import Absent, Found, Refused

if TYPE_CHECKING:
    from mapsd.sources import Tree

BYTES = 256 << 20  # of all databases that are read for one answer


class OutOfTime(Exception):
    """It takes too long: what was found until then is not known to be unchanged."""


class Budget:
    """What is left for one answer."""

    def __init__(self, seconds: float | None, size: int = BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow so many bytes and, where there is a limit, *seconds* from now."""
        self._seconds, self._size, self._left, self._clock = seconds, size, size, clock
        self._until = None if seconds is None else clock() + seconds

    @property
    def spent(self) -> Refused | None:
        """Return what is said of every file from now on, None while there are bytes left."""
        return None if self._left > 0 else Refused(f"more than {self._size >> 20} MiB would have to be read")

    def spend(self, size: int) -> None:
        """Note bytes that were read."""
        self._left -= size

    def demand_time(self) -> None:
        """Raise OutOfTime where there is none left."""
        if self._until is not None and self._clock() > self._until:
            raise OutOfTime(f"its packages were not found within {self._seconds:g} seconds")


class Spending:
    """The port Tree on files of which not more is read than a budget allows. Every question may raise OutOfTime."""

    def __init__(self, files: "Tree", budget: Budget) -> None:
        """Read *files* for a *budget*."""
        self._files, self._budget = files, budget

    def read(self, path: bytes, limit: int) -> bytes | Absent | Refused:
        """Return a regular file's bytes, Refused where it has more than *limit* or is no regular file."""
        return self._counted(lambda: self._files.read(path, limit))

    def head(self, path: bytes, size: int) -> bytes | Absent | Refused:
        """Return the first *size* bytes of a regular file, fewer where it is shorter."""
        return self._counted(lambda: self._files.head(path, size))

    def listed(self, path: bytes) -> Sequence[bytes] | Absent | Refused:
        """Return the names in a directory, in order, Refused where they are too many."""
        self._budget.demand_time()
        return self._files.listed(path)

    def entry(self, path: bytes) -> Found:
        """Return what a path is; a symbolic link at its end is not followed."""
        self._budget.demand_time()
        return self._files.entry(path)

    def link(self, path: bytes) -> bytes | Absent | Refused:
        """Return the text of a symbolic link."""
        self._budget.demand_time()
        return self._files.link(path)

    def _counted(self, ask: Callable[[], bytes | Absent | Refused]) -> bytes | Absent | Refused:
        self._budget.demand_time()
        if self._budget.spent is not None:
            return self._budget.spent
        found = ask()
        self._budget.spend(len(found) if isinstance(found, bytes) else 0)
        return found
