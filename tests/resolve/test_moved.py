"""When the texts of layers are known to lead to what was mounted, and what a time of change tells."""

import pytest

from mapsd.model import DeviceId, FileFacts, Layer, LayerDir, Mount
from mapsd.resolve.mounts import MountTable
from mapsd.resolve.moved import is_settled
from mapsd.resolve.scene import Scene
from mapsd.resolve.times import grain, is_before, is_exact

BORN = 1_000_000_000_123_456_789
OLD = BORN - 10**12
DISK = DeviceId(8, 1)
OVERLAY = Mount(90, 1, DeviceId(0, 50), b"/", b"/m", b"overlay", b"")


def mount(number, parent, point, fs_type=b"ext4", *, shared=False):
    return Mount(number, parent, DeviceId(8, number), b"/", point, fs_type, b"", shared)


def layer(position, mount_id, *changes):
    path = b"/%d" % mount_id
    facts = FileFacts("directory", DISK, position, 2, 0, mount_id, None, path)
    return Layer("lower", position, path, LayerDir(position, path, facts, None, changes or ((path, OLD),)))


def settled(layers, *mounts, since=BORN):
    table = MountTable([*mounts, OVERLAY])
    return is_settled(layers, OVERLAY, since, Scene(b"", None, None, MountTable([]), table, b"/", 1))


ROOT, SHARED = mount(1, 0, b"/"), mount(1, 0, b"/", shared=True)
ONE, TWO = mount(2, 1, b"/one"), mount(3, 1, b"/two")


def test_layers_on_one_mount_have_none_to_change_places_with():
    assert settled([layer(1, 2), layer(2, 2)], ROOT, ONE)
    assert settled([layer(1, 1)], ROOT)
    assert settled([], ROOT)


def test_several_mounts_keep_their_places_where_they_lie_on_a_shared_one():
    two = [layer(1, 2), layer(2, 3)]
    assert settled(two, SHARED, ONE, TWO)
    assert not settled(two, ROOT, ONE, TWO)


def test_a_mount_below_another_keeps_its_place_where_that_is_shared():
    assert settled([layer(1, 1), layer(2, 2)], SHARED, ONE)
    assert not settled([layer(1, 1), layer(2, 2)], ROOT, ONE)


def test_each_mount_up_to_the_one_that_all_lie_on_must_be_shared():
    deep = mount(4, 2, b"/one/deep")
    layers = [layer(1, 4), layer(2, 3)]
    assert not settled(layers, SHARED, ONE, TWO, deep)
    assert settled(layers, SHARED, mount(2, 1, b"/one", shared=True), TWO, deep)
    # What is above all of them takes them along.
    assert settled([layer(1, 4), layer(2, 2)], ROOT, mount(2, 1, b"/one", shared=True), deep)


def test_of_mounts_that_are_not_listed_nothing_is_known():
    assert not settled([layer(1, 2), layer(2, 7)], SHARED, ONE)
    assert not settled([layer(1, 2), layer(2, 3)], mount(2, 2, b"/one"), mount(3, 3, b"/two"))


def test_a_mount_that_is_younger_than_the_overlay_is_no_layers():
    table = MountTable([ROOT, OVERLAY, ONE])
    scene = Scene(b"", None, None, MountTable([]), table, b"/", 1)
    assert not is_settled([layer(1, 2)], OVERLAY, BORN, scene)
    assert is_settled([layer(1, 1)], OVERLAY, BORN, scene)


@pytest.mark.parametrize("fs_type", [b"nfs4", b"virtiofs", b"fuse.sshfs", b"9p", b"anything"])
def test_times_of_other_machines_settle_nothing(fs_type):
    assert not settled([layer(1, 2)], ROOT, mount(2, 1, b"/one", fs_type))


def test_what_tells_layers_apart_must_be_older_than_the_mount():
    assert not settled([layer(1, 2, (b"/a", OLD), (b"/a/l", BORN))], ROOT, ONE)
    assert settled([layer(1, 2, (b"/a", BORN), (b"/a/l", OLD)), layer(2, 2, (b"/a", BORN), (b"/a/k", OLD))], ROOT, ONE)
    assert not settled([layer(1, 2, (b"/a", BORN), (b"/a/l", OLD)), layer(2, 2, (b"/k", OLD))], ROOT, ONE)


def test_a_layer_that_was_not_found_settles_nothing():
    assert not settled([layer(1, 2), Layer("lower", 2, b"/2", None)], ROOT, ONE)


@pytest.mark.parametrize(("time", "left"), [(1, 1), (120, 10), (1_234_567_890, 10), (5 * 10**9, 10**9), (0, 10**9),
                                            (10**12, 10**9), (1_500_000_000, 10**8)])
def test_a_time_is_as_exact_as_its_zeros(time, left):
    assert grain(time) == left
    assert is_exact(time) == (left < 10**6)
    assert is_before(time, time + left)
    assert not is_before(time, time + left - 1)
