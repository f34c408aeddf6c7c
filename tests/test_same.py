"""The small iterator's records: what each member becomes, and what is no record."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.errors import ParseError
from mapsd.model import DeviceId
from mapsd.parse.same import identity, records

FORM = struct.Struct("=6Q4I")


def record(start=0x1000):
    return FORM.pack(start, 0x2000, 3, 99, 11, 33, 8 << 20 | 1, 49, 77, 0)


def test_each_member_has_its_place():
    [one] = (identity(found, 4096) for found in records(record()))
    assert (one.start, one.end, one.offset) == (0x1000, 0x2000, 3 * 4096)
    assert (one.key, one.device, one.inode) == (99, DeviceId(8, 1), 11)
    assert (one.user_device, one.user_inode, one.mount_id) == (DeviceId(0, 49), 33, 77)


def test_a_record_begins_with_the_start_of_its_mapping():
    assert [found[0] for found in records(record(0x1000) + record(0x5000))] == [0x1000, 0x5000]


@pytest.mark.parametrize("cut", [1, 20, FORM.size - 1])
def test_a_torn_record_is_refused(cut):
    with pytest.raises(ParseError):
        records(record() + record()[:cut])


@given(st.binary(max_size=300))
def test_any_bytes_are_records_or_refused(data):
    try:
        found = [identity(one, 4096) for one in records(data)]
    except ParseError:
        assert len(data) % FORM.size
        return
    assert len(found) * FORM.size == len(data)
