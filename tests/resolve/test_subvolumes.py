"""Kernels that print the layer file's own numbers, and layers that are subvolumes: two files have the same numbers."""

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

    def mount_points(self, _):
        return ()

    def default(self, _):
        return False

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
