"""Subvolumes number their inodes each for itself: two files have the same device and inode number in maps."""

import pytest

from mapsd.model import Absent, DeviceId, FileFacts, LayerDir, Refused
from mapsd.parse import maps, mountinfo
from mapsd.resolve.means import Means
from mapsd.resolve.mounts import MountTable
from mapsd.resolve.scene import Scene
from mapsd.resolve.vma import Resolver

TABLE = MountTable(mountinfo.parse(b"21 1 254:0 / / rw - ext4 /dev/root rw\n"
                                   b"22 21 0:24 / /ground rw - btrfs /dev/loop0 rw\n"
                                   b"23 21 0:30 / /merged rw - overlay o rw,lowerdir=/ground/l1:/ground/l2\n"))
[VMA] = maps.parse(b"7f0000000000-7f0000001000 r--s 00000000 00:18 259                        /merged/gone\n")
LAYERS = (b"/ground/l1", b"/ground/l2")


def directory(key):
    return LayerDir(key, LAYERS[key], FileFacts("directory", DeviceId(0, 50 + key), 256, 1, 0, 22, None, LAYERS[key]))


class Process:
    """A process that maps a file of the overlay whose name is gone."""

    def mapped(self, _):
        return FileFacts("file", DeviceId(0, 30), 900, 1, 8192, 23, None)

    def link(self, _):
        return None

    def named(self, _):
        return Absent()


class Machine:
    """Two subvolumes, each with another file of number 259."""

    def booted(self):
        return 0

    def mount_points(self, _):
        return ()

    def default(self, _):
        return False

    def named(self, _):
        return Absent()

    def directories(self, text, _):
        return [directory(LAYERS.index(text))]

    def entry(self, layer, path, _):
        return Absent() if path else layer.facts

    def search(self, layer, _, inode, __):
        name = layer.path + b"/file"
        return [(b"file", FileFacts("file", layer.facts.st_dev, inode, 1, 8192, 22, None, name))]


class Frames:
    """Page frames that are those of one layer's file, or tell nothing (None)."""

    def __init__(self, layer):
        self.layer = layer

    def of(self, _):
        return Refused("not here")

    def compare(self, _, candidate, __=()):
        if self.layer is None:
            return "silent", "no page is in memory"
        return "same" if candidate.layer.key == self.layer else "different", "page frames"


def answered(layer):
    scene = Scene(b"/proc/1", Process(), Machine(), TABLE, TABLE, b"/", 21)
    return Resolver(scene, Means(Frames(layer), None, Frames(layer))).answer(VMA)


@pytest.mark.parametrize("layer", [0, 1])
def test_a_comparison_tells_them_apart(layer):
    answer = answered(layer)
    assert (answer.proof, answer.backing.inode, answer.backing.path) == ("kernel-inode", 259, LAYERS[layer] + b"/file")
    assert answer.backing.layer_path == LAYERS[layer]


def test_where_nothing_can_be_compared_the_layer_is_not_known():
    answer = answered(None)
    assert (answer.proof, answer.backing.device, answer.backing.inode) == ("kernel-inode", DeviceId(0, 24), 259)
    assert (answer.backing.path, answer.backing.overlaid, answer.backing.layer_role) == (None, True, None)


SNAPSHOTS = MountTable(mountinfo.parse(b"21 1 254:0 / / rw - ext4 /dev/root rw\n"
                                       b"22 21 0:24 /one /mnt rw - btrfs /dev/loop0 rw\n"
                                       b"23 22 0:24 /two /mnt rw - btrfs /dev/loop0 rw\n"
                                       b"24 21 0:24 /three /mnt3 rw - btrfs /dev/loop0 rw\n"))


class Unprivileged:
    """A process whose links may not be followed, and whose names all open number 257 of the mount *seen*."""

    def __init__(self, seen):
        self.seen = seen

    def mapped(self, _):
        return Refused("not permitted", "CAP_CHECKPOINT_RESTORE")

    def link(self, _):
        return None

    def named(self, _):
        return FileFacts("file", DeviceId(0, 50 + self.seen), 257, 1, 8192, self.seen, None)


def named(path, mount):
    [vma] = maps.parse(b"7f0000000000-7f0000001000 r--s 00000000 00:18 257                        %s\n" % path)
    scene = Scene(b"/proc/1", Unprivileged(mount), Machine(), SNAPSHOTS, SNAPSHOTS, b"/", 21)
    return Resolver(scene, Means(Frames(None), None, Frames(None))).answer(vma)


def test_a_snapshot_that_covers_the_mapped_file_is_not_taken_for_it():
    answer = named(b"/mnt/file", 23)
    assert (answer.state, answer.user_path, answer.backing.path) == ("unknown", None, None)
    assert "another subvolume" in answer.reason
    assert answer.needs == ("CAP_CHECKPOINT_RESTORE",)


def test_a_subvolume_that_is_mounted_elsewhere_takes_no_name_away():
    answer = named(b"/mnt3/file", 24)
    assert (answer.state, answer.user_path, answer.backing.inode) == ("current", b"/mnt3/file", 257)
