"""A file whose mount is in no table: up to Linux 6.7 its line in maps may be one of an overlay that is gone."""

import pytest

from mapsd.model import Absent, DeviceId, FileFacts, Handle, Refused
from mapsd.parse import maps, mountinfo
from mapsd.parse.overlay_xattrs import OVERLAY_FIDS
from mapsd.ports import Namespace
from mapsd.resolve.means import Means
from mapsd.resolve.mounts import MountTable
from mapsd.resolve.scene import Scene
from mapsd.resolve.vma import Resolver

TABLE = MountTable(mountinfo.parse(b"21 1 254:0 / / rw - ext4 /dev/root rw\n"
                                   b"22 21 7:0 / /ground rw - ext4 /dev/loop0 rw\n"))
[VMA] = maps.parse(b"7f0000000000-7f0000001000 r--s 00000000 07:00 18                         /one/file\n")
SEEN = FileFacts("file", DeviceId(0, 40), 18, 1, 8192, 99, None)


class Process:
    """A process whose link in map_files opens *found*, and whose names open nothing."""

    def __init__(self, found):
        self.found = found

    def mapped(self, _):
        return self.found

    def link(self, _):
        return None

    def named(self, _):
        return Absent()


class Machine:
    """A kernel that does not say where a mount is."""

    def place_of(self, *_):
        return Namespace("unknown", "this kernel has no unique mount ids (Linux 6.8)")

    def mount_points(self, _):
        return ()


class Nothing:
    """A means that tells nothing."""

    def of(self, _):
        return Refused("not here")

    def compare(self, *_):
        return "silent", "not here"


def answered(found):
    scene = Scene(b"/proc/1", Process(found), Machine(), TABLE, TABLE, b"/", 21)
    return Resolver(scene, Means(Nothing(), None, Nothing())).answer(VMA)


@pytest.mark.parametrize("found", [Refused("not permitted", "CAP_CHECKPOINT_RESTORE"), SEEN,
                                   *(SEEN._replace(handle=Handle(kind, b"")) for kind in OVERLAY_FIDS)])
def test_it_is_not_said_to_be_on_no_overlay(found):
    answer = answered(found)
    assert (answer.proof, answer.backing.inode, answer.backing.overlaid) == ("kernel-inode", 18, True)


def test_a_handle_of_the_files_own_filesystem_says_that_it_is_on_no_overlay():
    answer = answered(SEEN._replace(handle=Handle(1, b"\x12\0\0\0\0\0\0\0")))
    assert (answer.proof, answer.backing.inode, answer.backing.overlaid) == ("kernel-inode", 18, False)
