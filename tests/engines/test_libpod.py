"""The pod of a Podman container, by the database that Podman 4.8 and later have."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.engines.documents import Unread
from mapsd.engines.libpod import Pods
from mapsd.errors import ParseError
from mapsd.model import Absent, FileFacts, Refused
from tests.engines import libpodfile, stores
from tests.engines.bboltfile import written
from tests.engines.test_listing import listed
from tests.engines.test_stores import asked

ID, OTHER, POD = "a" * 64, "c" * 64, "e" * 64
HOT = bytes.fromhex("d9d505f920a163d7")
THREE = {ID: POD, OTHER: None, "d" * 64: POD}


def store(base: Path, *, bolt: bytes | None = None, path: str = "db.sql", **more: int) -> bytes:
    """Write a store whose container is in a pod by the newer database, and return its layer's directory."""
    own = stores.storage(base, [stores.podman(), stores.podman(OTHER, "d" * 64, "job")])
    (base / "libpod/bolt_state.db").unlink()
    if bolt is not None:
        (base / "libpod/bolt_state.db").write_bytes(bolt)
    libpodfile.written(base / path, THREE, {POD: "shop", "f" * 64: "other"}, **more)
    return own


def older(pod: bytes | None, name: bytes = b"shop") -> bytes:
    inside = {b"pod-id": pod} if pod is not None else {}
    return written({b"ctr": {ID.encode(): {b"config": b"{}", **inside}}, b"id-registry": {POD.encode(): name}})


@pytest.mark.parametrize("path", ["db.sql", "libpod/db.sql"])
def test_a_pod_is_named(tmp_path, path):
    found = asked(store(tmp_path, path=path))
    assert (found.engine, found.pod, found.reason) == ("podman", "shop", None)
    assert [(one.name, one.pod, one.reason) for one in listed(tmp_path)] == [("web", "shop", None), ("job", None, None)]


def test_many_containers_are_read_from_many_pages(tmp_path):
    own = store(tmp_path)
    libpodfile.added(tmp_path / "db.sql", {f"{n:064}": f"p{n:063}" for n in range(200)},
                     {f"p{n:063}": f"pod{n}" for n in range(200)})
    assert asked(own).pod == "shop"
    with stores.trees() as opened:
        pods = Pods(opened(bytes(tmp_path)))
        assert [pods.of(f"{n:064}") for n in range(200)] == [f"pod{n}" for n in range(200)]


def test_what_is_in_the_log_counts(tmp_path):
    own = store(tmp_path / "live")
    busy = sqlite3.connect(tmp_path / "live/db.sql")
    try:
        busy.execute("PRAGMA journal_mode = WAL")
        busy.execute("PRAGMA wal_autocheckpoint = 0")
        with busy:
            busy.execute("UPDATE PodConfig SET Name = 'renamed' WHERE ID = ?", [POD])
        assert (tmp_path / "live/db.sql-wal").stat().st_size
        assert asked(own).pod == "renamed"
        with busy:
            busy.execute("UPDATE ContainerConfig SET PodID = NULL WHERE ID = ?", [ID])
        assert (asked(own).pod, asked(own).reason) == (None, None)
        shutil.copytree(tmp_path / "live", tmp_path / "dead")
    finally:
        busy.close()
    (found, _) = listed(tmp_path / "dead")
    assert (found.pod, found.reason) == (None, None)


def test_a_transaction_that_was_not_finished_makes_it_unknown(tmp_path):
    own = store(tmp_path)
    busy = sqlite3.connect(tmp_path / "db.sql", isolation_level=None)
    try:
        # So many pages that they are written before the end.
        busy.execute("PRAGMA cache_size = 1")
        busy.execute("BEGIN EXCLUSIVE")
        libpodfile.insert(busy, {f"{n:064}": None for n in range(50)}, {})
        assert (tmp_path / "db.sql-journal").read_bytes()[:8] == HOT
        found = asked(own)
        assert (found.pod, found.id) == (None, ID)
        assert "not rolled back" in (found.reason or "")
        busy.execute("ROLLBACK")
    finally:
        busy.close()
    assert asked(own).pod == "shop"
    # What a finished transaction may leave.
    (tmp_path / "db.sql-journal").write_bytes(bytes(512))
    assert asked(own).pod == "shop"


def test_two_databases_must_agree(tmp_path):
    assert asked(store(tmp_path / "same", bolt=older(POD.encode()))).pod == "shop"
    for name, bolt in (("none", older(None)), ("other", older(POD.encode(), b"stall"))):
        found = asked(store(tmp_path / name, bolt=bolt))
        assert (found.pod, "disagree" in (found.reason or "")) == (None, True)
    assert asked(store(tmp_path / "left", bolt=written({b"ctr": {}}))).pod == "shop"
    found = asked(store(tmp_path / "torn", bolt=b"x" * 100))
    assert (found.pod, found.reason is not None) == (None, True)


def test_a_pod_that_is_not_there_is_not_none(tmp_path):
    own = store(tmp_path)
    with sqlite3.connect(tmp_path / "db.sql") as made:
        made.execute("DELETE FROM PodConfig WHERE ID = ?", [POD])
    made.close()
    assert "does not have the container's pod" in (asked(own).reason or "")
    found = asked(store(tmp_path / "old", bolt=written({b"ctr": {ID.encode(): {b"pod-id": POD.encode()}}})))
    assert "does not have the container's pod" in (found.reason or "")


@pytest.mark.parametrize("change", [
    "UPDATE DBConfig SET SchemaVersion = 2", "ALTER TABLE ContainerConfig RENAME TO ContainerConfigs",
    "ALTER TABLE PodConfig RENAME TO Pods", "UPDATE PodConfig SET Name = x'00ff' WHERE Name = 'shop'",
    "UPDATE PodConfig SET Name = 'a' || char(27) || '[2J' WHERE Name = 'shop'", "DELETE FROM ContainerConfig",
    "UPDATE ContainerConfig SET ID = x'00' WHERE PodID IS NULL"])
def test_what_nobody_knows_is_unknown_with_a_reason(tmp_path, change):
    own = store(tmp_path)
    with sqlite3.connect(tmp_path / "db.sql") as made:
        made.execute(change)
    made.close()
    found = asked(own)
    assert (found.id, found.pod, found.reason is not None) == (ID, None, True)


def test_a_table_with_other_columns_is_not_read(tmp_path):
    own = store(tmp_path)
    with sqlite3.connect(tmp_path / "db.sql") as made:
        made.execute("ALTER TABLE ContainerConfig ADD COLUMN More TEXT")
        made.execute("UPDATE ContainerConfig SET More = 'x'")
    made.close()
    assert "a form that nobody knows" in (asked(own).reason or "")


def test_a_database_that_is_a_link_or_too_large_is_not_read(tmp_path):
    own = store(tmp_path / "store")
    (tmp_path / "store/db.sql").rename(tmp_path / "away.sql")
    (tmp_path / "store/db.sql").symlink_to(tmp_path / "away.sql")
    assert (asked(own).pod, asked(own).reason is not None) == (None, True)
    (tmp_path / "store/db.sql").unlink()
    with (tmp_path / "store/db.sql").open("wb") as made:
        made.truncate(200 << 20)
    assert "larger than" in (asked(own).reason or "")


class Memory:
    """A store of one database in memory; *later* is what it is from the second reading on."""

    def __init__(self, data: bytes, *later: bytes) -> None:
        self.versions, self.read_ones = [data, *later], 0

    def entry(self, path: bytes) -> FileFacts | Absent:
        return FileFacts(*[b""] * len(FileFacts._fields)) if path == b"db.sql" else Absent()

    def read(self, path: bytes, limit: int) -> bytes | Absent | Refused:
        if len(self.versions[0]) > limit:
            return Refused("too large")
        if path != b"db.sql":
            return Absent()
        self.read_ones += 1
        return self.versions[min(self.read_ones, len(self.versions)) - 1]

    def head(self, *_path_and_size: object) -> Absent:
        return Absent()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> bytes:
    base = tmp_path_factory.mktemp("libpod")
    libpodfile.written(base / "db.sql", THREE, {POD: "shop"})
    return (base / "db.sql").read_bytes()


def pod(tree: Memory) -> str | None:
    try:
        return Pods(tree).of(ID)
    except (Unread, ParseError):
        return "not known"


def test_a_database_that_changes_while_it_is_copied_is_copied_again(data):
    other = data.replace(b"shop", b"shed")
    changing = Memory(data, other)
    assert (pod(changing), changing.read_ones) == ("shed", 4)
    assert pod(Memory(*[data, other] * 5)) == "not known"


@given(st.data())
def test_a_torn_database_is_a_reason(data, draw):
    size = draw.draw(st.integers(0, len(data) - 1))
    assert pod(Memory(data[:size])) in {"not known", "shop"}


@given(st.data())
def test_an_altered_byte_is_a_reason_or_a_value(data, draw):
    place, byte = draw.draw(st.integers(0, len(data) - 1)), draw.draw(st.integers(0, 255))
    found = pod(Memory(data[:place] + bytes([byte]) + data[place + 1:]))
    assert found is None or (found.isprintable() and found)
