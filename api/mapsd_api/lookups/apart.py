"""Lookups that may take long: fewer at a time than there are workers, so that others find one free."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from mapsd_api.answers.problems import busy
from mapsd_api.lookups.pool import Pool

Worker = TypeVar("Worker")


class Apart(Generic[Worker]):
    """Some of the workers of a pool."""

    def __init__(self, pool: Pool[Worker], size: int, patience: float, tidy: Callable[[], None]) -> None:
        """Hand out at most *size* at a time; whoever waits for one is refused after *patience* seconds.

        After each of them *tidy* is called: much memory was used.
        """
        self._pool, self._left, self.patience, self._tidy = pool, threading.BoundedSemaphore(size), patience, tidy

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """Hand out a worker. Raises Problem (busy) where none comes free in time."""
        if not self._left.acquire(timeout=self.patience):
            raise busy("no lookup of packages ended in time")
        try:
            with self._pool.worker() as worker:
                yield worker
        finally:
            self._left.release()
            self._tidy()

    @property
    def given(self) -> int:
        """Return how many workers of the pool are handed out."""
        return self._pool.given
