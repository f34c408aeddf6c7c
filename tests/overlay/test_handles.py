"""Files opened by their handles on kernels that tell no handle, or only that of what can be opened by it."""

import os

import pytest

from mapsd.linux import syscalls
from mapsd.linux.handles import open_one
from tests.overlay import older
from tests.overlay.child import told


@pytest.fixture
def file(lab):
    path = lab / "by-handle"
    path.write_bytes(b"")
    yield path
    path.unlink()


def opened_without(lacking, file):
    """Return which file its handle opens where a call is lacking (None: none), and how many descriptors that left."""
    with open(file, "rb") as held:
        handle = syscalls.name_to_handle_at(held.fileno())

    def work():
        older.LACKING[lacking]()
        root = os.open(file.parent, os.O_RDONLY)
        before = len(os.listdir("/proc/self/fd"))
        try:
            fd = open_one([root], handle, os.O_PATH)
        except OSError:
            return None, len(os.listdir("/proc/self/fd")) - before
        found = os.readlink(f"/proc/self/fd/{fd}")
        os.close(fd)
        return found, len(os.listdir("/proc/self/fd")) - before
    return told(work)


def test_before_linux_6_6_a_file_is_opened_by_the_handle_that_it_is_exported_by(file):
    assert opened_without("no AT_HANDLE_FID", file) == [str(file), 0]


def test_where_no_handle_is_told_none_is_believed_and_nothing_stays_open(file):
    assert opened_without("no name_to_handle_at", file) == [None, 0]
