"""Tables that SQLite itself wrote, compared with what it reads."""

import contextlib
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapsd.errors import ParseError
from mapsd.parse import sqlite, sqlitewal

values = st.one_of(st.none(), st.integers(-(1 << 63), (1 << 63) - 1), st.text(st.characters(codec="utf-8"), max_size=9),
                   st.binary(max_size=9), st.integers(0, 9000).map(lambda size: bytes([size % 251]) * size))
rows_of_values = st.lists(st.tuples(st.integers(-(1 << 63), (1 << 63) - 1), values, values), max_size=12,
                          unique_by=lambda row: row[0])
sizes = st.sampled_from((512, 1024, 4096, 65536))
Rows = list[tuple[int, sqlite.Value, sqlite.Value]]


def opened(file: Path, size: int) -> sqlite3.Connection:
    made = sqlite3.connect(file, isolation_level=None)
    made.execute(f"PRAGMA page_size = {size}")
    made.execute("PRAGMA synchronous = OFF")
    made.execute("CREATE TABLE other (x)")
    made.execute("CREATE TABLE 'Packages' (number INTEGER PRIMARY KEY, a, b)")
    made.execute("CREATE INDEX 'Packages_a' ON 'Packages' (a)")
    made.execute("CREATE VIEW seen AS SELECT * FROM Packages")
    return made


def read(page: sqlite.Page) -> Rows:
    return [(number, *row[1:]) for number, row in sqlite.rows(page, "Packages")]


def database(rows: Rows, size: int, spare: int = 0) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        made = opened(Path(scratch) / "db", size)
        made.execute("BEGIN")
        spares = [(number, b"spare" * 99, 0) for number in range(-spare, 0)]
        made.executemany("INSERT INTO Packages VALUES (?, ?, ?)", spares)
        made.execute("DELETE FROM Packages")
        made.executemany("INSERT INTO Packages VALUES (?, ?, ?)", rows)
        made.execute("COMMIT")
        made.close()
        return (Path(scratch) / "db").read_bytes()


@settings(max_examples=60)
@given(rows_of_values, sizes, st.sampled_from((0, 50)))
def test_every_row_comes_back(rows, size, spare):
    data = database(rows, size, spare)
    assert sqlite.page_size(data) == size
    assert read(sqlite.pages(data)) == sorted(rows, key=lambda row: row[0])


def test_a_table_of_many_levels_comes_back():
    rows = [(number, b"x" * (number % 300), str(number)) for number in range(5000)]
    assert read(sqlite.pages(database(rows, 512))) == rows


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(("commit", "rollback", "checkpoint")), rows_of_values), max_size=5),
       sizes, st.integers(0, 60000))
def test_the_log_gives_what_was_committed(steps, size, cut):
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "db"
        made = opened(file, size)
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("PRAGMA wal_autocheckpoint = 0")
        made.execute("INSERT INTO other VALUES (1)")
        states: list[Rows] = [[]]
        before: Rows = []
        for how, rows in steps:
            if how == "checkpoint":
                made.execute("PRAGMA wal_checkpoint(RESTART)")
                states = [states[-1]]
                continue
            made.execute("BEGIN")
            made.execute("DELETE FROM Packages")
            made.executemany("INSERT INTO Packages VALUES (?, ?, ?)", rows)
            made.execute(how)
            if how == "commit":
                states.append(sorted(rows, key=lambda row: row[0]))
        data, log = file.read_bytes(), Path(f"{file}-wal").read_bytes()
        made.close()
    page = sqlite.pages(data)
    assert read(sqlitewal.merged(page, size, log)) == states[-1]
    # What is already in the database may be in the log as well: a shorter log is an older state only without that.
    if "checkpoint" not in {how for how, _ in steps}:
        assert read(sqlitewal.merged(page, size, log[:max(0, len(log) - cut)])) in [before, *states]


def test_a_log_of_another_database_or_with_a_changed_byte_is_not_used():
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "db"
        made = opened(file, 1024)
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("INSERT INTO Packages VALUES (1, 2, 3)")
        made.execute("INSERT INTO Packages VALUES (2, 3, 4)")
        data, log = file.read_bytes(), Path(f"{file}-wal").read_bytes()
        made.close()
    page = sqlite.pages(data)
    before, first, both = [], [(1, 2, 3)], [(1, 2, 3), (2, 3, 4)]
    assert read(sqlitewal.merged(page, 1024, log)) == both
    for place in range(0, len(log), 97):
        changed = log[:place] + bytes([log[place] ^ 1]) + log[place + 1:]
        assert read(sqlitewal.merged(page, 1024, changed)) in (before, first)
    with pytest.raises(ParseError, match="another database"):
        sqlitewal.merged(page, 4096, log)


def test_a_table_that_is_not_there_has_no_rows():
    assert list(sqlite.rows(sqlite.pages(database([], 512)), "Nothing")) == []
    assert list(sqlite.rows(sqlite.pages(database([], 512)), "seen")) == []


SMALL = database([(number, bytes([number]) * 700, "x") for number in range(20)], 512, 9)


def tried(data: bytes) -> int:
    """Return how many pages are read until the rows end, or what is wrong is found."""
    reads = 0

    def page(number: int) -> bytes:
        nonlocal reads
        reads += 1
        return sqlite.pages(data)(number)
    with contextlib.suppress(ParseError):
        list(sqlite.rows(page, "Packages"))
    return reads


@given(st.integers(0, len(SMALL)))
def test_a_database_cut_anywhere_is_read_or_refused(end):
    assert tried(SMALL[:end]) <= len(SMALL) // 512 + 2


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.sampled_from((0, 1, 2, 5, 10, 13, 127, 128, 255))),
                max_size=6))
def test_an_altered_database_is_read_once_or_refused(changes):
    data = bytearray(SMALL)
    for place, byte in changes:
        data[place] = byte
    assert tried(bytes(data)) <= len(SMALL) // 512 + 2


@pytest.mark.parametrize("kind", [b"\x05", b"\x0d"])
def test_pages_that_lead_to_themselves_are_refused(kind):
    page = bytearray(SMALL)
    for start in range(512, len(SMALL), 512):
        page[start:start + 16] = kind + b"\0\0\0\1\0\0\0" + b"\0\0\0\2" + b"\0\x20\0\0"
        page[start + 32:start + 40] = b"\0\0\0\2\1\1\1\1"
    assert tried(bytes(page)) <= len(SMALL) // 512 + 2


@given(st.binary(max_size=200))
def test_what_is_no_database_is_refused(data):
    for one in (data, sqlite.MAGIC + data, b"SQLite format 3\0\2\0\1\1\0\x40\x20\x20" + data.ljust(520, b"\0")):
        tried(one)
        assert tried(one) <= 3
