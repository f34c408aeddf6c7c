"""Texts and tables of packages that somebody cut or altered: read, or refused, and never wrong for what is whole."""

import contextlib
import hashlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapsd.errors import ParseError
from mapsd.model.packages import Digest, Distribution
from mapsd.parse import bdb, dpkg, ndb, osrelease, rpmheader
from mapsd.parse.printable import printable
from tests.packages import rpms

DIGEST = hashlib.sha256(b"x").hexdigest()
FILES = {f"/usr/lib/{number}/{name}": DIGEST for number in range(2) for name in ("a.so", "b.so", "c")}
HEADER = rpms.named("demo", FILES)
NDB = rpms.ndb([HEADER, rpms.named("two", {"/a": DIGEST}), b"x" * 13])
BDB = rpms.bdb([(b"\0\0\0\0", b"\2\0\0\0"), (b"\1\0\0\0", HEADER), (b"\2\0\0\0", b"short"), (b"\3\0\0\0", b"y" * 486)])
STATUS = (b"Package: one\nStatus: install ok installed\nMulti-Arch: same\nArchitecture: amd64\nSource: origin (1.0)\n"
          b"Version: 1.0+b1\nConffiles:\n /etc/one d41d8cd98f00b204e9800998ecf8427e\n /etc/two newconffile obsolete\n"
          b"Description: a\n b\n .\n c: d\n\nPackage: two\nStatus: deinstall ok config-files\nVersion: 2\n\n")
SUMS = b"".join(b"%s  usr/lib/%d/x\n" % (hashlib.md5(b"%d" % number).hexdigest().encode(), number)
                for number in range(12))


def changed(data: bytes, changes: list[tuple[int, int]], end: int) -> bytes:
    made = bytearray(data)
    for place, byte in changes:
        made[place % len(made)] = byte
    return bytes(made[:end])


damage = (st.lists(st.tuples(st.integers(0, 1 << 16), st.sampled_from((0, 1, 2, 7, 8, 10, 13, 32, 58, 127, 128, 255))),
                   max_size=4), st.integers(0, 1 << 16))


@settings(max_examples=300)
@given(st.sampled_from((HEADER, NDB, BDB, STATUS, SUMS)), *damage)
def test_what_was_altered_is_read_or_refused(data, changes, end):
    data = changed(data, changes, end)
    for parse in (rpmheader.header, ndb.blobs, bdb.values, dpkg.stanzas, dpkg.diversions):
        with contextlib.suppress(ParseError):
            found = parse(data)
            if isinstance(found, rpmheader.Header):
                for file in range(found.files):
                    found.directory(file), found.there(file), found.size(file), found.digest(file)
            else:
                list(found)
    for name in (b"/usr/lib/1/x", b"/x", b"x"):
        dpkg.recorded(data, name)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(8, len(HEADER) - 1), st.integers(0, 255)), min_size=1, max_size=3))
def test_an_altered_header_has_no_files_but_its_own(changes):
    with contextlib.suppress(ParseError):
        found = rpmheader.header(changed(HEADER, changes, len(HEADER)))
        assert found.names.count(b"\0") == found.files


@pytest.mark.parametrize("data", [HEADER, NDB, BDB], ids=["header", "ndb", "bdb"])
def test_what_was_cut_anywhere_is_refused(data):
    parse = {HEADER: rpmheader.header, NDB: lambda cut: [*ndb.blobs(cut)], BDB: lambda cut: [*bdb.values(cut)]}[data]
    parse(data)
    for end in {*range(0, len(data), 7), *range(len(data) - 40, len(data))}:
        with pytest.raises(ParseError):
            parse(data[:end])


def test_a_header_says_what_was_written():
    found = rpmheader.header(HEADER)
    assert (found.name, found.version, found.release, found.epoch, found.architecture, found.source) == (
        b"demo", b"1.0", b"1", None, b"x86_64", b"demo-src-1.0-1.src.rpm")
    listed = found.names.split(b"\0")[:-1]
    assert [(found.directory(file) + listed[file]).decode() for file in range(found.files)] == list(FILES)
    assert {found.digest(file) for file in range(found.files)} == {Digest("sha256", bytes.fromhex(DIGEST))}
    assert {found.size(file) for file in range(found.files)} == {64}


@pytest.mark.parametrize(("number", "algorithm"), [(1, "md5"), (8, "sha256"), (12, "sha3_256"), (99, None)])
def test_the_algorithm_of_the_digests_is_named(number, algorithm):
    entries = [(5011, 4, 1, struct.pack(">I", number)), (1117, 8, 1, b"a\0"), (1118, 8, 1, b"/\0"),
               (1116, 4, 1, b"\0\0\0\0"), (1035, 8, 1, b"00ff\0")]
    found = rpmheader.header(rpms.header(entries))
    assert found.digest(0) == (None if algorithm is None else Digest(algorithm, b"\0\xff"))
    assert algorithm is None or algorithm in hashlib.algorithms_available


def test_large_files_have_a_size_of_64_bits():
    entries = [(1117, 8, 1, b"a\0"), (1118, 8, 1, b"/\0"), (1116, 4, 1, b"\0\0\0\0"),
               (5008, 5, 1, struct.pack(">Q", 1 << 40))]
    assert rpmheader.header(rpms.header(entries)).size(0) == 1 << 40


def test_entries_that_share_their_data_are_refused():
    many = 1000
    data = b"\0" * 4 * many
    index = b"".join(struct.pack(">IIII", tag, kind, 0, many) for tag, kind in (
        (1117, 8), (1118, 8), (1116, 4), (1028, 4), (1035, 8)))
    with pytest.raises(ParseError, match="overlap"):
        rpmheader.header(struct.pack(">II", 5, len(data)) + index + data)


def test_blobs_that_share_their_blocks_are_refused():
    slot = NDB.index(b"Slot")
    twice = bytearray(NDB)
    twice[slot + 16:slot + 32] = struct.pack("<4s3I", b"Slot", 77, *struct.unpack_from("<II", NDB, slot + 8))
    with pytest.raises(ParseError, match="overlap"):
        list(ndb.blobs(bytes(twice)))


def test_a_chain_of_pages_is_followed_once():
    pairs = dict(bdb.values(BDB))
    assert pairs == {b"\0\0\0\0": b"\2\0\0\0", b"\1\0\0\0": HEADER, b"\2\0\0\0": b"short", b"\3\0\0\0": b"y" * 486}
    again = bytearray(BDB)
    # The page of the last value is named as the first of the other one as well.
    at = BDB.index(struct.pack("<B3xII", 3, 2, len(HEADER)))
    again[at + 4:at + 8] = struct.pack("<I", len(BDB) // 512 - 1)
    with pytest.raises(ParseError):
        list(bdb.values(bytes(again)))


def test_a_status_says_what_was_written():
    one, two = dpkg.stanzas(STATUS)
    assert one == dpkg.Stanza(b"one", b"1.0+b1", b"amd64", b"same", b"origin (1.0)", b"install ok installed",
                              b"\n/etc/one d41d8cd98f00b204e9800998ecf8427e\n/etc/two newconffile obsolete")
    assert (two.name, two.version, two.status, two.conffiles) == (b"two", b"2", b"deinstall ok config-files", b"")
    assert dpkg.conffile(one.conffiles, b"/etc/one") == (True, Digest("md5", hashlib.md5(b"").digest()))
    assert dpkg.conffile(one.conffiles, b"/etc/two") == (True, None)
    assert dpkg.conffile(one.conffiles, b"/etc/on") == (False, None)


def test_packages_may_be_many_lines_apart():
    apart = b"\n\n\n" + STATUS.replace(b"\n\n", b"\n\n\n\n\n") + b"\n" * 9
    assert list(dpkg.stanzas(apart)) == list(dpkg.stanzas(STATUS)) == list(dpkg.stanzas(STATUS[:-1]))
    assert list(dpkg.stanzas(b"")) == list(dpkg.stanzas(b"\n")) == list(dpkg.stanzas(b"\n\n\n")) == []


@given(st.integers(0, len(STATUS)))
def test_a_status_cut_anywhere_has_no_wrong_value(end):
    whole = {one.name: one for one in dpkg.stanzas(STATUS)}
    with contextlib.suppress(ParseError):
        for one in dpkg.stanzas(STATUS[:end]):
            wanted = whole[one.name]
            assert one.conffiles == wanted.conffiles[:len(one.conffiles)]
            assert all(value in {b"", right} for value, right in zip(one[:-1], wanted[:-1], strict=True))


@given(st.integers(0, len(SUMS)), st.integers(0, 12))
def test_digests_cut_anywhere_have_no_wrong_value(end, number):
    right = Digest("md5", hashlib.md5(b"%d" % number).digest()) if number < 12 else None
    assert dpkg.recorded(SUMS[:end], b"/usr/lib/%d/x" % number) in {right, None}
    assert dpkg.recorded(SUMS, b"/usr/lib/%d/x" % number) == right


@pytest.mark.parametrize(("line", "found"), [
    (b"%s  usr/x", True), (b"%s  ./usr/x", True), (b"%s  /usr/x", True), (b"%s *usr/x", False), (b"%s  a/usr/x", False),
    (b"%s usr/x", False), (b"g%s  usr/x", False), (b"x\n%s  usr/x", True)])
def test_a_digest_is_found_at_the_begin_of_its_line(line, found):
    md5 = hashlib.md5(b"")
    digest = Digest("md5", md5.digest()) if found else None
    assert dpkg.recorded(line % md5.hexdigest().encode() + b"\n", b"/usr/x") == digest


def test_two_digests_of_one_name_are_none():
    lines = b"".join(b"%s  usr/x\n" % hashlib.md5(text).hexdigest().encode() for text in (b"1", b"2"))
    assert dpkg.recorded(lines, b"/usr/x") is None
    assert dpkg.recorded(b"a/usr/x\n" * 1000 + lines[:41], b"/usr/x") is None
    assert dpkg.recorded(b"a/usr/x\n" * 998 + lines[:41], b"/usr/x") == dpkg.recorded(lines[:41], b"/usr/x") is not None


@pytest.mark.parametrize(("field", "found"), [
    (b"", (b"", b"")), (b"glibc", (b"glibc", b"")), (b"gcc-12 (12.2.0-14)", (b"gcc-12", b"12.2.0-14")),
    (b"gcc-12 (12.2", (b"", b"")), (b"gcc-12 (12.2) x", (b"", b""))])
def test_a_source_is_a_name_and_a_version(field, found):
    assert dpkg.source(field) == found


@pytest.mark.parametrize(("text", "found"), [
    (b'ID=debian\nVERSION_ID="12"\n', Distribution("debian", "12")), (b"ID=arch\n", Distribution("arch", None)),
    (b"# ID=a\n  ID='b'\r\nID_LIKE=c\n", Distribution("b", None)), (b"ID=a\nID=b\n", Distribution("b", None)),
    (b"VERSION_ID=1\n", None), (b"", None), (b"ID=\n", None), (b'ID="a\n', None), (b"ID=$(rm)\n", None),
    (b"ID=a;b\n", None), (b'ID="a\\$b"\n', None), (b"ID=\xff\n", None), (b"ID=a\33\n", None),
    (b'ID="', None), (b'ID=ol\nVERSION_ID="`x`"\n', Distribution("ol", None))])
def test_a_distribution_is_what_os_release_says(text, found):
    assert osrelease.distribution(text) == found


@given(st.binary(max_size=40))
def test_any_bytes_are_no_more_than_text(data):
    text = printable(data)
    assert text is None or (text.isprintable() and text.encode() == data)
    osrelease.distribution(b"ID=" + data)


@pytest.mark.parametrize("value", ["", " a", "a ", "a\n", "a\t", "\u202eevil", "\u200b", "a\x7f", "\x9b2J", "a" * 257])
def test_what_a_terminal_would_not_print_is_no_text(value):
    assert printable(value.encode()) is None


def test_other_writing_is_text():
    assert printable("größe-1.0 β".encode()) == "größe-1.0 β"
    assert printable(b"\xff") is None
