"""The reader of bbolt's files: what was written is read, and a file that is torn or altered is no trap."""

import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.errors import ParseError
from mapsd.parse import bbolt
from tests.engines.bboltfile import PAGE, Writer, written

KEYS = st.binary(min_size=1, max_size=12)
TREES = st.recursive(st.dictionaries(KEYS, st.binary(max_size=40), max_size=6),
                     lambda inner: st.dictionaries(KEYS, st.binary(max_size=40) | inner, max_size=6), max_leaves=12)
SMALL = {b"v1": {b"ns": {b"containers": {b"c1": {b"image": b"name", b"labels": {b"a": b"b"}}}}, b"version": b"\x06"}}


def read(bucket: bbolt.Bucket) -> dict:
    return {**dict(bucket.values()), **{key: read(inner) for key, inner in bucket.buckets()}}


@given(TREES, st.sampled_from("<>"), st.sampled_from([1024, 4096, 65536]))
def test_what_is_written_is_read(tree, order, page):
    bucket = bbolt.opened(written(tree, order, page))
    assert read(bucket) == tree
    for key, value in tree.items():
        if isinstance(value, dict):
            assert (bucket.value(key), read(bucket.bucket(key))) == (None, value)
        else:
            assert (bucket.value(key), bucket.bucket(key)) == (value, None)
    assert (bucket.value(b"\xff" * 13), bucket.bucket(b"\xff" * 13, b"more")) == (None, None)


def test_many_keys_and_large_values_take_many_pages():
    tree = {b"key%05d" % number: b"v" * (number % 700) for number in range(3000)}
    tree[b"large"] = b"L" * 3 * PAGE
    bucket = bbolt.opened(written({b"v1": tree}))
    assert read(bucket) == {b"v1": tree}
    inner = bucket.bucket(b"v1")
    assert [inner.value(key) for key in tree] == list(tree.values())
    assert [inner.value(key) for key in (b"", b"key", b"key00000x", b"zzz")] == [None] * 4


def test_the_newer_of_two_valid_meta_pages_counts():
    old, new = Writer().file({b"which": b"old"}, 4), bytearray(Writer().file({b"which": b"new"}, 5))
    both = bytearray(new)
    both[:PAGE] = old[:PAGE]
    assert bbolt.newest(bytes(both)).transaction == 5
    both[PAGE + 40] ^= 1  # torn while it was written: the checksum is wrong
    assert bbolt.newest(bytes(both)).transaction == 4


def test_the_second_meta_page_is_found_where_the_first_is_torn():
    data = bytearray(written(SMALL, page=8192))
    data[20] ^= 0xFF
    assert read(bbolt.opened(bytes(data))) == SMALL


def read_or_refused(data: bytes) -> None:
    with suppress(ParseError):
        read(bbolt.opened(data))


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_file_that_ends_early_is_refused_or_read(order):
    data = written(SMALL, order)
    for end in [*range(200), *range(len(data) - 300, len(data), 7), *range(0, len(data), PAGE)]:
        read_or_refused(data[:end])


def test_any_byte_altered_is_no_trap():
    data = written(SMALL)
    used = [place for place, byte in enumerate(data) if byte or data[place - 1:place] not in {b"", b"\0"}]
    for place in used:
        for value in (0, 1, 2, 0x7F, 0xFF):
            read_or_refused(data[:place] + bytes([value]) + data[place + 1:])


@given(st.data())
def test_several_bytes_altered_are_no_trap(data):
    altered = bytearray(written(SMALL))
    for _ in range(data.draw(st.integers(1, 8))):
        altered[data.draw(st.integers(PAGE * 3, len(altered) - 1))] = data.draw(st.integers(0, 255))
    read_or_refused(bytes(altered))


def test_pages_that_lead_to_themselves_end():
    writer = Writer()
    data = bytearray(writer.file({b"key%03d" % number: b"v" * 90 for number in range(200)}))
    root = bbolt.newest(bytes(data)).root
    assert struct.unpack_from("<8xH", data, root * PAGE)[0] == 1  # a branch
    struct.pack_into("<8xQ", data, root * PAGE + 16, root)
    with pytest.raises(ParseError):
        read(bbolt.opened(bytes(data)))
    with pytest.raises(ParseError):
        bbolt.opened(bytes(data)).value(b"key000")


def test_a_file_that_leads_to_one_page_many_times_is_bounded(monkeypatch):
    monkeypatch.setattr(bbolt, "_VISITS", 100)
    writer = Writer()
    data = bytearray(writer.file({b"key%03d" % number: b"v" * 90 for number in range(2000)}))
    with pytest.raises(ParseError, match="more pages"):
        read(bbolt.opened(bytes(data)))


def test_nothing_is_no_file():
    for data in (b"", b"\0" * PAGE * 4, b"x" * 100, Path(__file__).read_bytes()):
        with pytest.raises(ParseError):
            bbolt.opened(data)
