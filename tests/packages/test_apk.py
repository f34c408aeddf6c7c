"""Names in databases of apk, written as apk-tools' apk_db_fdb_write() writes them."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.errors import ParseError
from mapsd.model.packages import Digest, Distribution, NotOwned, Owned, Package
from mapsd.packages.databases import Databases
from mapsd.parse import apk
from tests.packages.asking import is_same, names, record, refused
from tests.packages.trees import Denied, Files, Link


def digest(data: bytes, algorithm: str = "sha1") -> str:
    return "Q1" + base64.b64encode(hashlib.new(algorithm, data).digest()[:20]).decode()


def package(name: str, files: dict[str, bytes], version: str = "1.0-r0", flags: str = "", origin: str = "") -> str:
    """Return a package with its files, each in a directory with a mode of its own."""
    lines = [f"C:{digest(name.encode())}", f"P:{name}", f"V:{version}", "A:x86_64", "S:1", "I:2", f"T:{name}: P:x",
             "L:MIT", f"o:{origin or name}", "D:so:libc.musl-x86_64.so.1"]
    lines += [f"f:{flags}"] if flags else []
    above = None
    for path, data in files.items():
        directory, _, base = path.rpartition("/")
        lines += [f"F:{directory}", "M:0:0:1777"] if directory != above else []
        above = directory
        lines += [f"R:{base}", "a:0:0:755"] if data else [f"R:{base}"]
        lines += [f"Z:{digest(data, 'sha256' if 'S' in flags else 'sha1')}"] if data else []
    return "\n".join(lines) + "\n\n"


MUSL = package("musl", {"lib/ld-musl-x86_64.so.1": b"musl"}, "1.2.5-r0")
SSL = package("libssl3", {"etc/ssl/x": b"", "lib/libssl.so.3": b"ssl", "usr/lib/libssl.so.3": b"old"}, "3.1.4-r5",
              origin="openssl")
DATABASE = "lib/apk/db/installed"
ALPINE = {DATABASE: MUSL + SSL, "etc/os-release": 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.19.1\n'}


def test_a_file_has_its_package_and_its_digest():
    found = record(Files(ALPINE), "/lib/libssl.so.3")
    assert found.package == Package("apk", "libssl3", "3.1.4-r5", "x86_64", Distribution("alpine", "3.19.1"), "openssl")
    assert is_same(found, b"ssl")
    assert not is_same(found, b"old")
    assert is_same(record(Files(ALPINE), "/usr/lib/libssl.so.3"), b"old")
    assert record(Files(ALPINE), "/lib/ld-musl-x86_64.so.1").package.name == "musl"


def test_a_file_without_a_digest_has_none():
    assert record(Files(ALPINE), "/etc/ssl/x").digest is None


@pytest.mark.parametrize("path", ["/libssl.so.3", "/lib/libssl.so", "/lib/x/libssl.so.3", "/lib/libssl.so.3\nF:lib"])
def test_another_name_is_not_owned(path):
    assert Databases(Files(ALPINE)).owner(path.encode()) == NotOwned(("apk",))


def test_a_merged_usr_is_one_database_with_two_names():
    tree = Files({"usr/" + DATABASE: SSL.replace("F:usr/lib\n", "F:usr/x\n"), "lib": Link(b"usr/lib"),
                  "usr/lib/libssl.so.3": "ssl"})
    found = record(tree, "/usr/lib/libssl.so.3")
    assert (found.path, found.package.distribution) == (b"/lib/libssl.so.3", None)


def test_two_databases_are_both_read():
    tree = Files({DATABASE: MUSL, "usr/" + DATABASE: SSL})
    assert names(tree, "/lib/libssl.so.3") == ["libssl3"]
    assert names(tree, "/lib/ld-musl-x86_64.so.1") == ["musl"]


def test_packages_of_version_3_have_the_begin_of_a_sha256():
    tree = Files({DATABASE: package("three", {"usr/lib/x": b"x"}, flags="S")})
    found = record(tree, "/usr/lib/x")
    assert found.digest == Digest("sha256", hashlib.sha256(b"x").digest()[:20])
    assert is_same(found, b"x")
    assert not is_same(found, b"y")


def test_a_flag_that_nobody_knows_leaves_no_digest():
    assert record(Files({DATABASE: package("new", {"a/b": b"x"}, flags="Sz")}), "/a/b").digest is None


def test_a_name_that_two_packages_have_is_both():
    tree = Files({DATABASE: package("one", {"a/b": b"1"}) + package("two", {"a/b": b"2"})})
    assert names(tree, "/a/b") == ["one", "two"]


def test_a_file_without_a_directory_is_nobodys():
    assert Databases(Files({DATABASE: "P:a\nV:1\nR:b\n\nP:c\nV:1\nF:d\nR:e\n\n"})).owner(b"/b") == NotOwned(("apk",))


TORN = {
    "no end": ALPINE[DATABASE].rstrip("\n"),
    "no version": "P:a\nF:lib\nR:libssl.so.3\n\n",
    "no field": "P:a\nV:1\nnonsense\nF:lib\nR:libssl.so.3\n\n",
    "a name that a terminal would obey": package("\33]0;x", {"lib/libssl.so.3": b"x"}),
    "more than fits": "P:a\n" * (17 << 20),
    "denied": Denied(),
    "very many packages of a name": "P:a\nV:1\nF:lib\n" + "R:libssl.so.3\n" * 65,
    "very many of a name": "P:a\nV:1\nF:x\n" + "R:libssl.so.3\n" * 30000,
}


@pytest.mark.parametrize("case", TORN)
def test_a_database_that_is_not_as_it_should_be_is_refused(case):
    assert refused(Files({DATABASE: TORN[case]}), "/lib/libssl.so.3")


WHOLE = (MUSL + SSL).encode()


@given(st.integers(0, len(WHOLE)))
def test_a_database_cut_anywhere_says_what_is_true_or_nothing(end):
    found = Databases(Files({DATABASE: WHOLE[:end]})).owner(b"/lib/libssl.so.3")
    if isinstance(found, Owned):
        one, = found.records
        assert (one.package.name, one.package.version, one.package.source) == ("libssl3", "3.1.4-r5", "openssl")
        assert one.digest in {None, Digest("sha1", hashlib.sha1(b"ssl").digest())}


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=5), st.binary(max_size=9))
def test_an_altered_database_is_read_or_refused(changes, more):
    data = bytearray(WHOLE + more)
    for place, byte in changes:
        data[place] = byte
    Databases(Files({DATABASE: bytes(data)})).owner(b"/lib/libssl.so.3")


paths = st.lists(st.tuples(st.sampled_from(["", "a", "a/b", "b"]), st.sampled_from(["x", "y", "F:a", "R:x"])),
                 unique=True, max_size=8)


@given(st.lists(paths, max_size=4))
def test_every_file_comes_back_with_its_package(packages):
    text = "".join(package(f"p{number}", {f"{directory}/{name}".lstrip("/"): f"{number}{directory}".encode()
                                          for directory, name in sorted(files)})
                   for number, files in enumerate(packages))
    for directory in ("", "a", "a/b", "b"):
        for name in ("x", "y", "F:a", "R:x"):
            found = [(apk.installed(text.encode(), one.package).name.decode(), one.digest.decode())
                     for one in apk.listings(text.encode(), name.encode()) if one.directory.decode() == directory]
            assert found == [(f"p{number}", digest(f"{number}{directory}".encode()))
                             for number, files in enumerate(packages) if (directory, name) in files]


def test_what_is_torn_is_a_failure_to_parse():
    with pytest.raises(ParseError, match="middle of a line"):
        list(apk.listings(b"P:a", b"a"))
