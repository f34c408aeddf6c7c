"""The iterator's records: what each member becomes, and what is no record."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.errors import ParseError
from mapsd.model import DeviceId
from mapsd.model.held import Walked
from mapsd.parse.held import parse, records

FORM = "=7Q8I2i6I16s"
BACKING, LAYER, OVERLAY, REACHED, UNHASHED, CUT = 8, 16, 32, 1, 2, 4


def record(flags=0, *, start=0x1000, user=b"/a", file=b"", root=b"", outer=-1, layer=-1, mount_flags=0):
    numbers = (start, 0x2000, 3, 99, 11, 22, 33, 8 << 20 | 1, 8 << 20 | 2, 49, 1, 7, 61, 4026531841, mount_flags)
    tail = (outer, layer, 5, 1, flags, len(user), len(file), len(root))
    return struct.pack(FORM, *numbers, *tail, b"ext4") + user + file + root


def test_a_file_that_stands_for_no_other_has_no_layer():
    one = parse(record(REACHED << 8), 4096)
    assert (one.start, one.end, one.offset) == (0x1000, 0x2000, 3 * 4096)
    assert (one.inode, one.nlink, one.fs_type) == (11, 1, b"ext4")
    assert (one.device, one.user_device, one.user_inode) == (DeviceId(8, 1), DeviceId(0, 49), 33)
    assert (one.mount_id, one.namespace, one.layer) == (61, 4026531841, None)
    assert one.user == Walked(b"/a", whole=True, gone=False)


def test_a_file_of_a_layer_has_its_place_in_it():
    flags = BACKING | LAYER | OVERLAY | UNHASHED << 8 | REACHED << 16 | (REACHED | UNHASHED) << 24
    one = parse(record(flags, file=b"/lib/x", root=b"/store/1", layer=2, mount_flags=0x40), 4096)
    assert one.user == Walked(b"/a", whole=False, gone=True)
    assert one.layer.file == Walked(b"/lib/x", whole=True, gone=False)
    assert one.layer.root == Walked(b"/store/1", whole=True, gone=True)
    assert (one.layer.device, one.layer.root_inode, one.layer.read_only) == (DeviceId(8, 2), 22, True)
    assert (one.layer.position, one.layer.outer, one.layer.layers, one.layer.data_layers) == (2, None, 5, 1)


def test_a_file_in_none_of_the_layers_has_no_position():
    one = parse(record(BACKING | OVERLAY, layer=-1), 4096)
    assert (one.layer.position, one.layer.overlay) == (None, True)


def test_a_path_that_was_too_long_is_not_one_that_ended_elsewhere():
    one = parse(record((REACHED | CUT) << 8), 4096)
    assert one.user == Walked(b"/a", whole=True, gone=False, cut=True)


def test_each_record_is_found_by_the_start_of_its_mapping():
    data = record(start=0x1000) + record(start=0x5000, user=b"/second") + record(start=0x9000)
    found = {start: parse(data[first:end], 4096).user.path for start, first, end in records(data)}
    assert found == {0x1000: b"/a", 0x5000: b"/second", 0x9000: b"/a"}


@pytest.mark.parametrize("cut", [1, 20, 100, len(record()) - 1])
def test_a_torn_record_is_refused(cut):
    with pytest.raises(ParseError):
        list(records(record() + record()[:cut]))


@given(st.binary(max_size=600))
def test_any_bytes_are_records_or_refused(data):
    try:
        found = [parse(data[first:end], 4096) for _, first, end in records(data)]
    except ParseError:
        return
    assert len(found) * struct.calcsize(FORM) <= len(data)
