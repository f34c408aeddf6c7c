"""The reader of a stream of events: what is kept for it, and how it is woken."""

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from mapsd.views.render import JsonObject
from mapsd_api.asker.identity import Identity

KEPT = 1 << 20  # bytes of events for one reader
_HEARTBEAT = 10.0  # seconds: that a reader vanished shows when something is sent to it


class Event(NamedTuple):
    """What happened: a name, and its data as JSON text."""

    name: str
    data: str


def event(name: str, data: JsonObject) -> Event:
    """Return an event, whose text is made once for all readers."""
    return Event(name, json.dumps(data))


class Subscription:
    """One reader, until it closes or is closed.

    A thread puts events in, an event loop takes them out. A reader that is too slow is told so, and that is the end.
    """

    def __init__(self, identity: Identity, pids: frozenset[int], closed: Callable[["Subscription"], None],
                 kept: int = KEPT) -> None:
        """Listen as *identity*, and to the states of *pids*; *closed* is told at the end. Keep *kept* bytes at most."""
        self.identity, self.pids = identity, pids
        self._closed, self._limit = closed, kept
        self._lock = threading.Lock()
        self._kept: deque[Event] = deque()
        self._size = 0
        self._over = False
        self._wake: Callable[[], object] | None = None

    @property
    def over(self) -> bool:
        """Return whether nothing will come any more."""
        return self._over

    def put(self, one: Event) -> None:
        """Keep an event for the reader. Nothing is kept once it is over."""
        with self._lock:
            if self._over:
                return
            self._kept.append(one)
            self._size += len(one.name) + len(one.data)
            lagged = self._size > self._limit
        if lagged:
            self.lag()
        else:
            self._rouse()

    def lag(self) -> None:
        """Tell the reader that something is missing, which is the end."""
        with self._lock:
            if self._over:
                return
            # It must list again anyway: what it missed, and what it did not read.
            self._kept.clear()
            self._kept.append(event("lagged", {"kept": self._limit}))
        self.end()

    def end(self) -> None:
        """Let nothing come any more: the reader gets what is kept, and its stream ends. May be called again."""
        with self._lock:
            self._over = True
        self._closed(self)
        self._rouse()

    def close(self) -> None:
        """Give back what is kept: nobody reads any more. May be called again."""
        self.end()
        self._taken()

    async def events(self, heartbeat: float = _HEARTBEAT) -> AsyncIterator[Event | None]:
        """Yield the events as they come, and None where none came for *heartbeat* seconds. Closes at its end."""
        wake = asyncio.Event()
        self._listen(asyncio.get_running_loop(), wake)
        try:
            while True:
                wake.clear()
                # Asked first: what is put before the end is taken after this.
                over = self._over
                for one in self._taken():
                    yield one
                if over:
                    return
                try:
                    await asyncio.wait_for(wake.wait(), heartbeat)
                except TimeoutError:
                    yield None
        finally:
            self.close()

    def _listen(self, loop: asyncio.AbstractEventLoop, wake: asyncio.Event) -> None:
        with self._lock:
            self._wake = lambda: loop.call_soon_threadsafe(wake.set)

    def _rouse(self) -> None:
        try:
            if self._wake is not None:
                self._wake()
        except RuntimeError:
            # The loop is closed, so nobody reads.
            with self._lock:
                self._over = True
            self._closed(self)

    def _taken(self) -> tuple[Event, ...]:
        with self._lock:
            taken = tuple(self._kept)
            self._kept.clear()
            self._size = 0
        return taken
