"""Pages of one listing: consistent, for their owner alone, and bounded."""

import re
import threading

import pytest

from mapsd_api.answers.problems import KINDS
from mapsd_api.lookups.listings import CursorExpired, Listings


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def walk(listings: Listings[int], owner: object, rows: range, limit: int) -> list[list[int]]:
    """Return every page of a listing."""
    page = listings.begin(owner, rows, limit)
    pages = [list(page.rows)]
    while page.next is not None:
        page = listings.page(owner, page.next, limit)
        pages.append(list(page.rows))
    return pages


def begun(listings: Listings[int], owner: object, rows: int = 3) -> str:
    """Return the cursor of a new listing's second page."""
    cursor = listings.begin(owner, range(rows), 1).next
    assert cursor is not None
    return cursor


def is_kept(listings: Listings[int], owner: object, cursor: str) -> bool:
    try:
        listings.page(owner, cursor, 1)
    except CursorExpired:
        return False
    return True


@pytest.mark.parametrize(("rows", "limit", "sizes"), [
    (0, 5, [0]), (1, 5, [1]), (5, 5, [5]), (6, 5, [5, 1]), (10, 5, [5, 5]), (11, 5, [5, 5, 1]), (3, 1, [1, 1, 1])])
def test_pages_together_are_the_listing(rows, limit, sizes):
    pages = walk(Listings(), "alice", range(rows), limit)
    assert [len(page) for page in pages] == sizes
    assert [row for page in pages for row in page] == list(range(rows))


def test_a_listing_of_one_page_is_not_kept():
    listings = Listings[int]()
    walk(listings, "alice", range(5), 5)
    assert len(listings) == 0


def test_a_page_may_be_asked_for_again_and_in_another_size():
    listings = Listings[int]()
    cursor = begun(listings, "alice", 10)
    assert listings.page("alice", cursor, 3).rows == range(1, 4)
    assert listings.page("alice", cursor, 3) == listings.page("alice", cursor, 3)
    assert listings.page("alice", cursor, 100) == (range(1, 10), None)


def test_a_cursor_of_somebody_else_is_like_one_that_never_was():
    listings = Listings[int]()
    cursor = begun(listings, "alice")
    with pytest.raises(CursorExpired) as of_another:
        listings.page("bob", cursor, 1)
    with pytest.raises(CursorExpired) as unknown:
        listings.page("bob", "x" * len(cursor), 1)
    told = [(error.value.kind, error.value.detail, error.value.members, error.value.headers)
            for error in (of_another, unknown)]
    assert told[0] == told[1]
    assert KINDS[told[0][0]].status == 410
    assert is_kept(listings, "alice", cursor)


def test_no_cursor_can_be_guessed_from_another_one():
    listings = Listings[int](of_one=1000, listings=1000)
    keys = {begun(listings, "alice").rpartition(".")[0] for _ in range(500)}
    assert len(keys) == 500
    assert all(re.fullmatch("[A-Za-z0-9_-]{22}", key) for key in keys)


@pytest.mark.parametrize("cursor", [
    "", ".", "1", ".1", "x.1", "{key}", "{key}.", "{key}.-1", "{key}.3", "{key}.9" + "9" * 20, "{key}.1.1",
    "{key}.\u0661", "{key}.1 ", "{key}. 1", "{key}.+1", "\0", "é.1", "x" * 100_000])
def test_what_is_no_cursor_has_expired(cursor):
    listings = Listings[int]()
    key = begun(listings, "alice", 3).rpartition(".")[0]
    with pytest.raises(CursorExpired):
        listings.page("alice", cursor.replace("{key}", key), 1)


def test_a_listing_lives_from_its_last_page_on():
    clock = Clock()
    listings = Listings[int](lifetime=60, clock=clock)
    cursor = begun(listings, "alice")
    for _ in range(5):
        clock.now += 59
        assert is_kept(listings, "alice", cursor)
    clock.now += 61
    assert not is_kept(listings, "alice", cursor)
    assert len(listings) == 0


def test_what_was_forgotten_gives_its_memory_back_when_another_begins():
    clock = Clock()
    listings = Listings[int](lifetime=60, clock=clock)
    for owner in range(10):
        begun(listings, owner)
    clock.now += 61
    begun(listings, "alice")
    assert len(listings) == 1


def test_the_oldest_of_an_owner_goes_first():
    listings = Listings[int](of_one=2)
    first, second, third = (begun(listings, "alice") for _ in range(3))
    assert not is_kept(listings, "alice", first)
    assert is_kept(listings, "alice", second)
    assert is_kept(listings, "alice", third)


def test_one_user_cannot_evict_what_others_keep():
    listings = Listings[int](listings=6, of_one=4)
    others = {owner: begun(listings, owner) for owner in ("alice", "bob", "carol")}
    for _ in range(100):
        begun(listings, "mallory")
    assert all(is_kept(listings, owner, cursor) for owner, cursor in others.items())
    assert len(listings) <= 6


def test_long_listings_cost_whoever_has_them():
    listings = Listings[int](rows=100)
    short, long = begun(listings, "alice", 10), begun(listings, "mallory", 60)
    longer = begun(listings, "mallory", 70)
    assert is_kept(listings, "alice", short)
    assert not is_kept(listings, "mallory", long)
    assert is_kept(listings, "mallory", longer)


def test_the_newest_listing_is_kept_however_long_it_is():
    listings = Listings[int](rows=100)
    old, new = begun(listings, "alice", 10), begun(listings, "bob", 1000)
    assert not is_kept(listings, "alice", old)
    assert is_kept(listings, "bob", new)


def test_many_threads_at_once_see_whole_listings():
    listings = Listings[int](listings=1000, of_one=1000)
    wrong: list[object] = []

    def ask(owner: int) -> None:
        for _ in range(20):
            pages = walk(listings, owner, range(owner, owner + 50), 7)
            if [row for page in pages for row in page] != list(range(owner, owner + 50)):
                wrong.append(pages)
    threads = [threading.Thread(target=ask, args=(owner,)) for owner in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(listings) == 16 * 20
