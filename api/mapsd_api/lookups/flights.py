"""Few lookups at a time, and one for all who ask the same at once.

Whoever asks gets an answer of a lookup that began after the question came: a lookup that is under way may be older than
what the asker has just done, so those who come meanwhile share the next one.
"""

import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Generic, TypeVar, cast

from mapsd_api.answers.problems import busy
from mapsd_api.lookups.apart import Apart
from mapsd_api.lookups.pool import Pool

Worker = TypeVar("Worker")
Found = TypeVar("Found")


class Flights(Generic[Worker]):
    """Questions on their way to the workers of a pool."""

    def __init__(self, pool: Pool[Worker] | Apart[Worker], waiting: int) -> None:
        """Let at most *waiting* questions stand in line for a worker."""
        self._pool, self._limit = pool, waiting
        self._changed = threading.Condition()
        self._next: dict[Hashable, Future[object]] = {}
        self._asked: set[Hashable] = set()

    @property
    def waiting(self) -> int:
        """Return how many different questions stand in line."""
        return len(self._next)

    @property
    def running(self) -> int:
        """Return how many are being asked."""
        return self._pool.given

    def ask(self, key: Hashable, question: Callable[[Worker], Found]) -> Found:
        """Return what *question* returns, asked once for all that have the same *key*; raises what it raises.

        Raises Problem (busy) where too many stand in line or no worker comes free in time.
        """
        future, mine = self._future(key)
        if not mine:
            return cast("Found", future.result())
        try:
            with self._turn(key), self._pool.worker() as worker:
                self._begun(key)
                found = question(worker)
        except BaseException as error:
            self._begun(key, future)
            future.set_exception(error)
            raise
        future.set_result(found)
        return found

    def _future(self, key: Hashable) -> tuple[Future[object], bool]:
        """Return what will have the answer, and whether the caller is the one to ask."""
        with self._changed:
            if key in self._next:
                return self._next[key], False
            if len(self._next) >= self._limit:
                raise busy("too many questions wait for an answer")
            self._next[key] = Future()
            return self._next[key], True

    def _begun(self, key: Hashable, only: Future[object] | None = None) -> None:
        """Let nobody else share: from here on the answer may be older than the next question."""
        with self._changed:
            if only is None or self._next.get(key) is only:
                self._next.pop(key, None)

    @contextmanager
    def _turn(self, key: Hashable) -> Iterator[None]:
        """Wait until nobody asks the same."""
        with self._changed:
            if not self._changed.wait_for(lambda: key not in self._asked, self._pool.patience):
                raise busy("the same question is still being asked")
            self._asked.add(key)
        try:
            yield
        finally:
            with self._changed:
                self._asked.discard(key)
                self._changed.notify_all()
