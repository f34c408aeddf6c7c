"""Pages of listings: every page of one is of the same moment, and only whoever asked for it can go on."""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from mapsd_api.answers.problems import Problem

Row = TypeVar("Row")
LISTINGS, OF_ONE = 64, 8
ROWS = 500_000
LIFETIME = 60.0  # seconds
_POSITION = 10  # digits


class CursorExpired(Problem):
    """A cursor leads nowhere: never given to this owner, or its listing is no longer kept."""

    def __init__(self) -> None:
        """Say the same of every such cursor."""
        super().__init__("cursor-expired", "this cursor leads nowhere (any more): ask for the first page again")


class Page(NamedTuple, Generic[Row]):
    """Some rows of a listing; *next* is the cursor of the page behind, None for the last one."""

    rows: Sequence[Row]
    next: str | None


class _Listing(NamedTuple, Generic[Row]):
    owner: Hashable
    rows: Sequence[Row]
    used: float


class Listings(Generic[Row]):
    """Keeps listings that have further pages."""

    def __init__(self, listings: int = LISTINGS, of_one: int = OF_ONE, rows: int = ROWS, lifetime: float = LIFETIME,
                 clock: Callable[[], float] = time.monotonic) -> None:
        """Keep at most this many *listings*, *of_one* owner, and *rows*, each *lifetime* seconds after its last page.

        Where there are too many, the oldest one of whoever has most of them goes: nobody's are lost to one user. The
        newest is kept however long it is. *clock* must never go back.
        """
        self._most, self._of_one, self._rows, self._lifetime, self._clock = listings, of_one, rows, lifetime, clock
        self._lock = Lock()
        self._kept: dict[str, _Listing[Row]] = {}  # the oldest first

    def begin(self, owner: Hashable, rows: Sequence[Row], limit: int) -> Page[Row]:
        """Return the first *limit* rows; the listing is kept where there are more."""
        if len(rows) <= limit:
            return Page(rows, None)
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._forget_old()
            self._make_room(owner, len(rows))
            self._kept[key] = _Listing(owner, rows, self._clock())
        return _page(key, rows, 0, limit)

    def page(self, owner: Hashable, cursor: str, limit: int) -> Page[Row]:
        """Return up to *limit* rows from a cursor on, as often as it is asked. Raises CursorExpired."""
        key, _, digits = cursor.rpartition(".")
        with self._lock:
            self._forget_old()
            listing = self._kept.get(key)
            if listing is None or listing.owner != owner:
                raise CursorExpired
            position = _position(digits, len(listing.rows))
            self._kept[key] = listing._replace(used=self._clock())
        return _page(key, listing.rows, position, limit)

    def __len__(self) -> int:
        """Return how many listings are kept."""
        return len(self._kept)

    def _forget_old(self) -> None:
        since = self._clock() - self._lifetime
        for key in [key for key, listing in self._kept.items() if listing.used < since]:
            del self._kept[key]

    def _make_room(self, owner: Hashable, more: int) -> None:
        listings, rows = self._counted()
        while listings[owner] >= self._of_one:
            self._drop_oldest(owner, listings, rows)
        while listings.total() >= self._most:
            self._drop_oldest(listings.most_common(1)[0][0], listings, rows)
        while listings.total() and rows.total() + more > self._rows:
            self._drop_oldest(rows.most_common(1)[0][0], listings, rows)

    def _counted(self) -> tuple[Counter[Hashable], Counter[Hashable]]:
        listings, rows = Counter[Hashable](), Counter[Hashable]()
        for listing in self._kept.values():
            listings[listing.owner] += 1
            rows[listing.owner] += len(listing.rows)
        return listings, rows

    def _drop_oldest(self, owner: Hashable, listings: Counter[Hashable], rows: Counter[Hashable]) -> None:
        key = next(key for key, listing in self._kept.items() if listing.owner == owner)
        listings[owner] -= 1
        rows[owner] -= len(self._kept.pop(key).rows)


def _position(digits: str, rows: int) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _POSITION and int(digits) < rows):
        raise CursorExpired
    return int(digits)


def _page(key: str, rows: Sequence[Row], position: int, limit: int) -> Page[Row]:
    end = position + limit
    return Page(rows[position:end], f"{key}.{end}" if end < len(rows) else None)
