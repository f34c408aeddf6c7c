"""A bounded number of workers, made when they are needed and kept."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from mapsd_api.answers.problems import busy

Worker = TypeVar("Worker")


class Pool(Generic[Worker]):
    """Hands each worker to one thread at a time."""

    def __init__(self, make: Callable[[], Worker], size: int, patience: float) -> None:
        """Keep at most *size* workers; whoever waits for one is refused after *patience* seconds."""
        self._make, self._size, self.patience = make, size, patience
        self._free, self._given = list[Worker](), list[Worker]()
        self._left = threading.BoundedSemaphore(size)

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """Hand out a worker. Raises Problem (busy) where none comes free in time."""
        if not self._left.acquire(timeout=self.patience):
            raise busy("no lookup ended in time")
        try:
            worker = self._free.pop() if self._free else self._make()
            self._given.append(worker)
            try:
                yield worker
            finally:
                self._given.remove(worker)
                self._free.append(worker)
        finally:
            self._left.release()

    @property
    def given(self) -> int:
        """Return how many workers are handed out."""
        return len(self._given)

    def close(self, give_back: Callable[[Worker], None]) -> None:
        """Wait for every worker and give back what it has; nobody may ask afterwards."""
        for _ in range(self._size):
            self._left.acquire(timeout=self.patience)
        while self._free:
            give_back(self._free.pop())
