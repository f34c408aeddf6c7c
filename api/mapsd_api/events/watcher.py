"""Looks at the processes again and again, while somebody listens, and tells each what it may see."""

import threading
import time
from collections.abc import Callable, Collection, Hashable
from contextlib import suppress
from typing import NamedTuple

from mapsd.errors import MapsdError
from mapsd_api.answers.problems import Problem, busy
from mapsd_api.asker.identity import Identity
from mapsd_api.events.audience import Audience, eyes
from mapsd_api.events.sight import Means, Running, Sight
from mapsd_api.events.subscription import KEPT, Subscription

__all__ = ["Means", "Running", "Watcher"]
SUBSCRIBERS, OF_ONE = 64, 8
WATCHED = 8  # processes of one reader: each is looked up every time
_PATIENCE = 10.0  # seconds
_FAILURES = (Problem, MapsdError, OSError)


class _Arrival(NamedTuple):
    subscription: Subscription
    begun: threading.Event
    refused: list[Problem]


class Watcher:
    """One thread that looks, which there is only while somebody listens."""

    def __init__(self, means: Means, interval: float, *, subscribers: int = SUBSCRIBERS, of_one: int = OF_ONE,
                 patience: float = _PATIENCE, kept: int = KEPT) -> None:
        """Look every *interval* seconds, and rest as long as a look took where that is longer.

        There may be so many *subscribers*, *of_one* user so many. Whoever subscribes waits at most *patience* seconds.
        *kept* bytes of events are kept for a reader.
        """
        self._means, self.interval = means, interval
        self._most, self._of_one, self._patience, self._kept = subscribers, of_one, patience, kept
        self._changed = threading.Condition()
        self._subscribed: list[Subscription] = []
        self._arrived: list[_Arrival] = []
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def subscribers(self) -> int:
        """Return how many listen."""
        return len(self._subscribed)

    def subscribe(self, identity: Identity, pids: Collection[int] = ()) -> Subscription:
        """Return a reader of what happens from now on: what is there when this returns is no news.

        It is told of the processes that *identity* may see, and of the states of *pids*. Raises Problem: invalid for
        too many of them or of their mappings, busy where too many listen or what is there cannot be read.
        """
        if len(set(pids)) > WATCHED:
            raise Problem("invalid", f"the states of at most {WATCHED} processes can be watched at once")
        arrival = _Arrival(Subscription(identity, frozenset(pids), self._forget, self._kept), threading.Event(), [])
        self._admit(arrival)
        if not arrival.begun.wait(self._patience) or arrival.subscription.over:
            arrival.subscription.close()
            raise next(iter(arrival.refused), busy("what is there now could not be read"))
        return arrival.subscription

    def _admit(self, arrival: _Arrival) -> None:
        uid = arrival.subscription.identity.peer.uid
        with self._changed:
            if self._closed:
                raise busy("the daemon ends")
            of_one = sum(one.identity.peer.uid == uid for one in self._subscribed)
            if len(self._subscribed) >= self._most or of_one >= self._of_one:
                raise busy("too many listen")
            if self._thread is None:
                self._thread = _started(self._run)
            self._subscribed.append(arrival.subscription)
            self._arrived.append(arrival)
            self._changed.notify_all()

    def drain(self) -> None:
        """End every stream, and begin no other one. This does not wait."""
        with self._changed:
            self._closed = True
        self._end_all()

    def close(self) -> None:
        """Do the same, and wait for the thread."""
        self.drain()
        thread = self._thread
        if thread is not None:
            thread.join(self._patience)

    def _forget(self, subscription: Subscription) -> None:
        with self._changed, suppress(ValueError):
            self._subscribed.remove(subscription)
            self._changed.notify_all()

    def _end_all(self) -> None:
        for subscription in tuple(self._subscribed):
            subscription.end()

    def _run(self) -> None:
        audiences: dict[Hashable, Audience] = {}
        due = time.monotonic() + self.interval
        try:
            while self._wait(due):
                self._begin(audiences)
                now = time.monotonic()
                if now >= due:
                    self._look(audiences)
                    ended = time.monotonic()
                    due = ended + max(self.interval, ended - now)
        finally:
            self._end()

    def _wait(self, due: float) -> bool:
        """Wait until it is time to look or somebody comes; return whether anybody listens."""
        with self._changed:
            self._changed.wait_for(lambda: self._arrived or not self._subscribed, max(0.0, due - time.monotonic()))
            if self._subscribed:
                return True
            self._thread = None  # whoever comes now starts another one
            return False

    def _end(self) -> None:
        with self._changed:
            failed = self._thread is threading.current_thread()
            if failed:
                self._thread = None
                arrived, self._arrived = self._arrived, []
        if failed:
            self._end_all()
            for arrival in arrived:
                arrival.begun.set()

    def _begin(self, audiences: dict[Hashable, Audience]) -> None:
        """Let those who came see what is there."""
        with self._changed:
            arrived, self._arrived = self._arrived, []
        for subscription, begun, refused in arrived:
            try:
                self._join(subscription, audiences)
            except Problem as problem:
                refused.append(problem)
                subscription.end()
            except (MapsdError, OSError):
                subscription.end()
            finally:
                begun.set()

    def _join(self, subscription: Subscription, audiences: dict[Hashable, Audience]) -> None:
        if subscription.over:
            return
        key = eyes(subscription.identity)
        if key not in audiences:
            audiences[key] = Audience(Sight(subscription.identity, self._means))
        audiences[key].join(subscription)

    def _look(self, audiences: dict[Hashable, Audience]) -> None:
        """Look again and tell what has changed. What cannot be read is read the next time."""
        for key in [key for key, audience in audiences.items() if not audience.listens()]:
            del audiences[key]
        with suppress(*_FAILURES):
            listed = {one.pid: one for one in self._means.running()}
            for audience in audiences.values():
                with suppress(*_FAILURES):
                    audience.tell_processes(listed)
                with suppress(*_FAILURES):
                    audience.tell_states()


def _started(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name="mapsd-watcher", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise busy("no thread may be started") from error
    return thread
