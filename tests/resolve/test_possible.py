"""Which overlays may have a file: none that may is passed over."""

import pytest

from mapsd.model import Absent, DeviceId, FileFacts, Found, Handle, Mount, Refused
from mapsd.resolve.mounts import MountTable
from mapsd.resolve.possible import Texts, may_hold
from mapsd.resolve.scene import Scene

DISK, OTHER, OVERLAY = DeviceId(8, 1), DeviceId(8, 2), DeviceId(0, 50)
HOST = (Mount(1, 0, DISK, b"/", b"/", b"ext4", b""), Mount(2, 1, OTHER, b"/", b"/srv", b"xfs", b""),
        Mount(3, 1, DISK, b"/store", b"/alias", b"ext4", b""), Mount(4, 1, OVERLAY, b"/", b"/m", b"overlay", b""))
MADE = b"\0\0\0\0\xfb\x16%c\x01" + bytes(16) + b"%c"  # struct ovl_fh: a file handle of one byte


def facts(path: bytes, mount: int = 1, **more: object) -> FileFacts:
    device = {1: DISK, 2: OTHER, 3: DISK, 4: OVERLAY}[mount]
    return FileFacts("directory", device, len(path), 1, 0, mount, None, path)._replace(**more)


class View:
    """Names, and how often each was asked for."""

    def __init__(self, **names: Found) -> None:
        self.names, self.asked = {name.replace("_", "/").encode(): found for name, found in names.items()}, []

    def named(self, path: bytes) -> Found:
        self.asked.append(path)
        return self.names.get(path, Absent())


def overlay(options: bytes) -> Mount:
    return Mount(9, 1, OVERLAY, b"/", b"/", b"overlay", options)


def held(options: bytes, file: FileFacts, here: View, root: Found | None = None, texts: Texts | None = None) -> bool:
    process = View(_=root or Absent())
    scene = Scene(b"/proc/1", process, here, MountTable([overlay(options)]), MountTable(HOST), b"/", 9)
    return may_hold(overlay(options), file, scene, texts or Texts())


LAYERS = {"_store_a": facts(b"/store/a"), "_store_b": facts(b"/store/b"), "_srv_c": facts(b"/srv/c", 2),
          "_m_d": facts(b"/m/d", 4), "_closed": Refused("permission denied")}
FILE = facts(b"/store/b/usr/lib/x", kind="file")
ROWS = {  # what is so: the options, the file, whether the overlay may have it
    "a file below a lower": (b"lowerdir=/store/a:/store/b", FILE, True),
    "a file below none": (b"lowerdir=/store/a", FILE, False),
    "a file of another filesystem": (b"lowerdir=/store/a:/srv/c", FILE, False),
    "a name that only begins alike": (b"lowerdir=/store/b", facts(b"/store/bb/x", kind="file"), False),
    "a file by another mount of its filesystem": (b"lowerdir=/store/b", facts(b"/alias/b/x", 3, kind="file"), True),
    "a hard link may be elsewhere on its filesystem": (b"lowerdir=/store/a", FILE._replace(nlink=2), True),
    "a hard link is on no other filesystem": (b"lowerdir=/srv/c", FILE._replace(nlink=2), False),
    "a relative text": (b"lowerdir=/store/a:l/X", FILE, True),
    "a text that names nothing here": (b"lowerdir=/store/a:/gone", FILE, True),
    "a text that may not be followed": (b"lowerdir=/store/a:/closed", FILE, True),
    "a layer that is an overlay": (b"lowerdir=/m/d", FILE, True),
    "a data-only layer": (b"lowerdir=/store/a::/store/b", FILE, True),
    "a mount of the file that nobody knows": (b"lowerdir=/store/a", FILE._replace(mount_id=77), True),
}


@pytest.mark.parametrize("row", ROWS)
def test_an_overlay_may_have(row):
    options, file, wanted = ROWS[row]
    assert held(options, file, View(**LAYERS)) is wanted


UPPER = b"lowerdir=/store/a,upperdir=/store/u,workdir=/store/w"
ROOTS = {  # what the overlay's root says: its handle's flags and byte, whether the upper may be another directory
    "that it is this directory": (4, b"u", False), "that it is another one": (4, b"v", True)}


@pytest.mark.parametrize("root", ROOTS)
def test_an_upper_directory_that_was_moved_is_looked_for(root):
    flags, number, wanted = ROOTS[root]
    named = facts(b"/store/u", handle=Handle(1, b"u"))
    top = facts(b"/", 4, mount_id=9, handle=Handle(0xF8, MADE % (flags, number)))
    assert held(UPPER, FILE, View(**LAYERS, _store_u=named), top) is wanted


@pytest.mark.parametrize("top", [Absent(), facts(b"/", 4, mount_id=8)])
def test_where_the_overlays_root_cannot_be_seen_its_upper_layer_may_be_anywhere(top):
    assert held(UPPER, FILE, View(**LAYERS, _store_u=facts(b"/store/u")), top)


def test_without_handles_an_upper_directory_is_what_its_text_names():
    assert not held(UPPER, FILE, View(**LAYERS, _store_u=facts(b"/store/u")), facts(b"/", 4, mount_id=9))


def test_a_text_is_asked_once_for_all_who_have_it():
    here, texts = View(**LAYERS), Texts()
    for _ in range(3):
        held(b"lowerdir=/store/a:/srv/c", FILE, here, texts=texts)
    assert here.asked == [b"/store/a", b"/srv/c"]
