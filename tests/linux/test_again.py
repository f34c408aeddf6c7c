"""A name that is mapped once more by us: one name of one file on one mount, and nothing else, is the same."""

import os

import pytest

from mapsd.linux.again import Ours, shared
from mapsd.linux.machine import LiveMachine
from mapsd.model import DeviceId, FileFacts
from tests.linux.test_mapped import PAGE, mapped, ourselves

__all__ = ["mapped", "ourselves"]
pytestmark = pytest.mark.usefixtures("root")
SEEN = FileFacts("file", DeviceId(254, 0), 12, 1, 100, 777, None, b"/lib/one")


@pytest.fixture
def machine(ourselves):
    made = LiveMachine(ourselves)
    yield made
    made.close()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"some bytes".ljust(PAGE))
    return path


def test_the_name_of_a_mapped_file_is_the_same(machine, mapped, file):
    assert machine.again(mapped(file), os.fsencode(file))[0] == "name"


def test_another_name_of_it_is_not(machine, mapped, file):
    vma = mapped(file)
    (file.parent / "link").hardlink_to(file)
    assert machine.again(vma, os.fsencode(file.parent / "link"))[0] == "mount"


def test_an_unlinked_name_that_was_made_anew_is_not(machine, mapped, file):
    vma = mapped(file)
    (file.parent / "link").hardlink_to(file)
    file.unlink()
    (file.parent / "link").rename(file)
    assert machine.again(vma, os.fsencode(file))[0] == "mount"


def test_another_file_of_the_mount_shares_the_mount_and_one_of_another_nothing(machine, mapped, file):
    vma = mapped(file)
    (file.parent / "other").write_bytes(b"some bytes".ljust(PAGE))
    assert machine.again(vma, os.fsencode(file.parent / "other"))[0] == "mount"
    assert machine.again(vma, b"/proc/version")[0] in {"different", "silent"}


@pytest.mark.parametrize("name", ["missing", "fifo", "."])
def test_what_cannot_be_mapped_is_silent_and_does_not_block(machine, mapped, file, name):
    os.mkfifo(file.parent / "fifo")
    verdict, why = machine.again(mapped(file), os.fsencode(file.parent / name))
    assert verdict == "silent"
    assert why


def test_nothing_of_ours_stays_mapped_or_open(machine, mapped, file):
    vma = mapped(file)
    machine.again(vma, os.fsencode(file))
    before = os.listdir("/proc/self/fd"), _mapped_times(file)
    machine.again(vma, os.fsencode(file))
    assert (os.listdir("/proc/self/fd"), _mapped_times(file)) == before


def _mapped_times(file):
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        return sum(line.endswith(f"{file}\n") for line in maps)


@pytest.mark.parametrize(("theirs", "ours", "verdict"), [
    (SEEN, SEEN, "name"),
    (SEEN, SEEN._replace(mount_id=778), "different"),
    (SEEN, SEEN._replace(inode=13), "mount"),
    (SEEN, SEEN._replace(st_dev=DeviceId(254, 1)), "mount"),
    (SEEN, SEEN._replace(path=b"/lib/two"), "mount"),
    (SEEN._replace(path=b"/lib/one (deleted)"), SEEN._replace(path=b"/lib/one (deleted)"), "mount"),
    (SEEN._replace(path=b""), SEEN._replace(path=b""), "mount"),
    (SEEN._replace(path=b"/"), SEEN._replace(path=b"/"), "file"),
])
def test_one_text_on_one_mount_is_one_name_but_for_a_bare_slash(theirs, ours, verdict):
    assert shared(theirs, Ours(ours, ours))[0] == verdict


@pytest.mark.parametrize("descriptor", [SEEN._replace(mount_id=500), SEEN._replace(path=b"/usr/lib/one")])
def test_where_a_descriptor_is_shown_otherwise_the_text_may_be_another_links(descriptor):
    assert shared(SEEN, Ours(descriptor, SEEN))[0] == "file"
