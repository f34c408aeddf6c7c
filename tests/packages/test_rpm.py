"""Names in real roots of rpm, compared with what rpm says, and in its other databases."""

import hashlib
import shutil
import sqlite3
import struct
import subprocess
from pathlib import Path

import pytest

from mapsd.model.packages import Distribution, NotOwned, Owned, Package
from mapsd.packages.databases import Databases
from tests.conftest import missing
from tests.packages.asking import compared, is_same, names, record, records, refused
from tests.packages.rpms import DATABASE, Root, bdb, fedora, header, named, ndb
from tests.packages.trees import Denied, Directory, Files, Link

__all__ = ["fedora"]
DIGEST = hashlib.sha256(b"x").hexdigest()


def said(tree: Directory, path: str) -> set[str]:
    return {f"{one.package.name} {one.package.version}" for one in records(tree, path)}


def test_a_file_has_its_package_size_and_digest(fedora: Root):
    (fedora.path / "etc").mkdir()
    (fedora.path / "etc/os-release").write_text('ID="fedora"\nVERSION_ID=41\n')
    fedora.install("libdemo", {"usr/lib64/libdemo.so.1": "demo", "etc/demo.conf": "c"}, "Epoch: 2\n", "1.2-3.el9",
                   "%config /etc/demo.conf\n%ghost /var/log/demo.log")
    tree = Directory(fedora.path)
    found = record(tree, "/usr/lib64/libdemo.so.1")
    assert found.package == Package("rpm", "libdemo", "2:1.2-3.el9", "noarch", Distribution("fedora", "41"), "libdemo",
                                    "1.2-3.el9")
    assert (found.path, found.size, found.configuration) == (b"/usr/lib64/libdemo.so.1", 4, False)
    assert is_same(found, b"demo")
    assert not is_same(found, b"dem0")
    assert record(tree, "/etc/demo.conf").configuration
    ghost = record(tree, "/var/log/demo.log")
    assert (ghost.size, ghost.digest) == (None, None)
    for path in ("/usr/lib64/libdemo.so.1", "/etc/demo.conf", "/var/log/demo.log"):
        assert said(tree, path) == fedora.owners(path) == {"libdemo 2:1.2-3.el9"}
    assert Databases(tree).owner(b"/usr/lib64/libdemo.so") == NotOwned(("rpm",))


def test_a_file_that_two_packages_share_or_that_was_replaced_is_whose_rpm_says(fedora: Root):
    fedora.install("first", {"usr/lib/shared": "same", "usr/lib/taken": "first"})
    fedora.install("second", {"usr/lib/shared": "same", "usr/lib/taken": "second"}, how=("--install", "--replacefiles"))
    tree = Directory(fedora.path)
    assert said(tree, "/usr/lib/shared") == fedora.owners("/usr/lib/shared") == {"first 1.0-1", "second 1.0-1"}
    assert said(tree, "/usr/lib/taken") == fedora.owners("/usr/lib/taken") == {"second 1.0-1"}


def test_many_packages_that_come_and_go_are_those_of_rpm(fedora: Root):
    for number in range(6):
        files = {f"usr/lib/d{number % 2}/file{number}.{inner}": f"{number} {inner}" for inner in range(200)}
        fedora.install(f"p{number}", {**files, f"usr/lib/x/common{number % 3}": "x"})
    fedora.rpm("--erase", "p2")
    fedora.install("p3", {"usr/lib/d1/file3.7": "newer"}, version="2.0-1", how=("--upgrade",))
    tree = Directory(fedora.path)
    for path in ("/usr/lib/d0/file4.199", "/usr/lib/d1/file5.0", "/usr/lib/d1/file3.7", "/usr/lib/x/common1",
                 "/usr/lib/x/common2"):
        assert said(tree, path) == fedora.owners(path)
        assert all(is_same(one, (fedora.path / path[1:]).read_bytes()) for one in records(tree, path))
    databases = Databases(tree)
    for path in (b"/usr/lib/d0/file2.5", b"/usr/lib/d1/file3.8", b"/usr/lib/d1/file4.1"):
        assert databases.owner(path) == NotOwned(("rpm",))


def test_a_file_that_was_changed_is_the_one_that_rpm_finds_changed(fedora: Root):
    files = {"usr/lib/one": "one", "usr/lib/two": "two", "usr/lib/three": "three"}
    fedora.install("demo", {**files, "usr/lib/cache": "x"}, special="%verify(not md5 size mtime) /usr/lib/cache")
    (fedora.path / "usr/lib/cache").write_text("written by others")
    (fedora.path / "usr/lib/two").write_text("TWO")
    (fedora.path / "usr/lib/three").write_text("longer than three")
    done = subprocess.run(["rpm", "--root", fedora.path, "--dbpath", "/var/lib/rpm", "--verify", "demo"],
                          capture_output=True, text=True, check=False)
    changed = {line.split()[-1] for line in done.stdout.splitlines() if "5" in line[:9]}
    assert changed == {"/usr/lib/two", "/usr/lib/three"}
    for path in files:
        assert is_same(record(Directory(fedora.path), f"/{path}"), (fedora.path / path).read_bytes()) == (
            f"/{path}" not in changed)
    cache = record(Directory(fedora.path), "/usr/lib/cache")
    assert (cache.size, cache.digest) == (None, None)


def test_what_was_committed_to_the_log_only_is_seen(fedora: Root):
    fedora.install("first", {"usr/lib/first": "1"})
    file = fedora.path / DATABASE
    before = file.read_bytes()
    writer = sqlite3.connect(file, isolation_level=None)
    try:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        for number in range(3):
            blob = named(f"later{number}", {f"/usr/lib/later{number}": DIGEST})
            writer.execute("INSERT INTO Packages (blob) VALUES (?)", [blob])
        writer.execute("BEGIN")
        writer.execute("DELETE FROM Packages")
        log = (fedora.path / f"{DATABASE}-wal").read_bytes()
    finally:
        writer.close()
    tree = Files({DATABASE: before, f"{DATABASE}-wal": log})
    assert [names(tree, f"/usr/lib/later{number}") for number in range(3)] == [[f"later{n}"] for n in range(3)]
    assert names(tree, "/usr/lib/first") == ["first"]
    # Of a log that was torn the last whole transaction counts.
    torn = Files({DATABASE: before, f"{DATABASE}-wal": log[:-5000]})
    assert names(torn, "/usr/lib/later0") == ["later0"]
    assert isinstance(Databases(torn).owner(b"/usr/lib/later2"), NotOwned)


def test_the_other_databases_of_rpm_say_the_same(fedora: Root):
    fedora.install("first", {"usr/lib/first": "1"})
    fedora.install("second", {f"usr/lib/second{number}": "2" for number in range(300)})
    blobs = fedora.blobs()
    numbered = [(b"\0\0\0\0", struct.pack("<I", 2)),
                *((struct.pack("<I", number), blob) for number, blob in enumerate(blobs, 1))]
    home = "usr/lib/sysimage/rpm"
    for files in ({f"{home}/Packages.db": ndb(blobs), "var/lib/rpm": Link(b"../../" + home.encode())},
                  {"var/lib/rpm/Packages": bdb(numbered)}, {"var/lib/rpm/Packages": bdb(numbered, order=">")}):
        tree = Files(files)
        assert names(tree, "/usr/lib/first") == ["first"]
        assert is_same(record(tree, "/usr/lib/second299"), b"2")


def test_a_database_that_berkeley_db_itself_wrote_is_read(fedora: Root, tmp_path: Path):
    load = shutil.which("db5.3_load") or shutil.which("db_load")
    if load is None:
        missing("packages", "the tools of Berkeley DB are not installed")
    for number in range(9):
        fedora.install(f"p{number}", {f"usr/lib/p{number}.{inner}": f"{number}" for inner in range(40 * number + 1)})
    lines = ["VERSION=3", "format=bytevalue", "type=hash", "db_pagesize=4096", "HEADER=END", " 00000000", " 09000000"]
    for number, blob in enumerate(fedora.blobs(), 1):
        lines += [f" {struct.pack('<I', number).hex()}", f" {blob.hex()}"]
    file = tmp_path / "Packages"
    subprocess.run([load, file], input="\n".join([*lines, "DATA=END", ""]), text=True, check=True)
    tree = Files({"var/lib/rpm/Packages": file.read_bytes()})
    for number in range(9):
        assert names(tree, f"/usr/lib/p{number}.{40 * number}") == [f"p{number}"]


DEMO = named("demo", {"/usr/lib/a.so": DIGEST, "/usr/lib/b.so": ""})
HOME = "var/lib/rpm/Packages.db"


def test_a_merged_usr_and_the_begin_of_the_root_are_seen():
    blobs = [named("demo", {"/lib/a.so": DIGEST, "/init": DIGEST})]
    tree = Files({HOME: ndb(blobs), "lib": Link(b"usr/lib"), "usr/lib/a.so": "x"})
    assert record(tree, "/usr/lib/a.so").path == b"/lib/a.so"
    assert record(tree, "/init").path == b"/init"


def test_a_file_without_a_digest_has_none():
    tree = Files({HOME: ndb([DEMO])})
    assert record(tree, "/usr/lib/b.so").digest is None
    assert compared(record(tree, "/usr/lib/b.so"), b"").reason == "demo has only a size of the file to compare"
    assert record(tree, "/usr/lib/a.so").package == Package("rpm", "demo", "1.0-1", "x86_64", None, "demo-src", "1.0-1")


FILES = [(1116, 4, 1, b"\0\0\0\0"), (1117, 8, 1, b"a.so\0"), (1118, 8, 1, b"/usr/lib/\0")]
NAME = [(1000, 6, 1, b"demo\0"), (1001, 6, 1, b"1\0"), (1002, 6, 1, b"1\0")]


@pytest.mark.parametrize(("more", "owned"), [
    ([], True), ([(1029, 1, 1, b"\0")], True), ([(1029, 1, 1, b"\1")], False), ([(1029, 1, 1, b"\2")], False),
    ([(1029, 1, 1, b"\3")], True), ([(1029, 1, 1, b"\4")], False), ([(1029, 1, 1, b"\xff")], False)])
def test_a_file_that_is_not_installed_is_not_owned(more, owned):
    found = Databases(Files({HOME: ndb([header(NAME + FILES + more)])})).owner(b"/usr/lib/a.so")
    assert isinstance(found, Owned if owned else NotOwned)


def test_the_last_of_two_entries_counts():
    tree = Files({HOME: ndb([header([*NAME, *FILES, (1001, 6, 1, b"9\0")])])})
    assert record(tree, "/usr/lib/a.so").package.version == "9-1"


BROKEN = {
    "no name": FILES + NAME[1:],
    "no release": FILES + NAME[:2],
    "a name that a terminal would obey": [*FILES, (1000, 6, 1, b"\33c\0"), *NAME[1:]],
    "a name of another type": [*FILES, (1000, 8, 1, b"demo\0"), *NAME[1:]],
    "a directory that is not there": [*NAME, (1116, 4, 1, b"\0\0\0\1"), *FILES[1:]],
    "more directories than files": [*NAME, (1116, 4, 2, b"\0" * 8), *FILES[1:]],
    "a size too many": [*NAME, *FILES, (1028, 4, 2, b"\0" * 8)],
    "a state too many": [*NAME, *FILES, (1029, 1, 2, b"\0" * 2)],
    "fewer strings than counted": [*NAME, *FILES[:2], (1118, 8, 3, b"/usr/lib/\0")],
    "very many strings": [*NAME, *FILES[:2], (1118, 8, 1 << 30, b"/usr/lib/\0")],
    "very many numbers": [*NAME, *FILES, (1028, 4, 1 << 30, b"\0" * 8)],
    "the names of rpm 3": [*NAME, (1027, 8, 1, b"/usr/lib/a.so\0")],
    "no entry": [],
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_header_that_is_not_as_it_should_be_is_refused(case):
    assert refused(Files({HOME: ndb([header(BROKEN[case])])}), "/usr/lib/a.so")


@pytest.mark.parametrize("files", [
    {HOME: Denied()}, {f"{HOME}/x": ""}, {HOME: "x"}, {HOME: ndb([DEMO])[:-16]}, {HOME: ndb([DEMO]) + b"x"},
    {HOME: ndb([DEMO]).replace(b"BlbE", b"BlbX")}, {HOME: ndb([DEMO]).replace(b"a.so", b"b.so")},
    {"var/lib/rpm/Packages": "x" * 5000}, {"var/lib/rpm/rpmdb.sqlite": "x" * 5000},
    {HOME: ndb([DEMO]), "var/lib/rpm/Packages": bdb([(b"\1\0\0\0", DEMO)])},
    {HOME: ndb([DEMO]), "usr/lib/sysimage/rpm/Packages.db": ndb([DEMO])}])
def test_a_database_that_is_not_as_it_should_be_is_refused(files):
    assert refused(Files(files), "/usr/lib/a.so")


def test_a_transaction_that_was_not_finished_is_refused(fedora: Root):
    fedora.install("first", {"usr/lib/first": "1"})
    journal = bytes.fromhex("d9d505f920a163d7") + bytes(504)
    data = (fedora.path / DATABASE).read_bytes()
    assert "not finished" in refused(Files({DATABASE: data, f"{DATABASE}-journal": journal}), "/usr/lib/first")
    done = Files({DATABASE: data, f"{DATABASE}-journal": bytes(512)})
    assert names(done, "/usr/lib/first") == ["first"]


def test_a_name_that_very_many_files_have_is_refused():
    files = {f"/usr/{number}/a.so": "" for number in range(30000)}
    assert "more than 20000" in refused(Files({HOME: ndb([named("demo", files)])}), "/usr/x/a.so")
    packages = [named(f"p{number}", {"/usr/lib/a.so": ""}) for number in range(65)]
    assert "more than 64" in refused(Files({HOME: ndb(packages)}), "/usr/lib/a.so")


def test_the_place_of_a_file_is_counted_over_files_of_the_same_name():
    files = {f"/usr/{number}/a.so": hashlib.sha256(str(number).encode()).hexdigest() for number in range(50)}
    files["/usr/3/other"] = ""
    tree = Files({HOME: ndb([DEMO, named("many", dict(sorted(files.items()))), DEMO.replace(b"demo", b"late")])})
    for number in (0, 3, 49):
        found = record(tree, f"/usr/{number}/a.so")
        assert (found.package.name, found.path) == ("many", f"/usr/{number}/a.so".encode())
        assert is_same(found._replace(size=None), str(number).encode())
    assert sorted(names(tree, "/usr/lib/a.so")) == ["demo", "late"]
