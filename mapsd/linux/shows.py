"""What maps shows for a file on an overlay: its own inode (Linux 6.8 and later) or the layer file's.

Asked of the kernel, never taken from its version. An overlay of our own answers for sure; without one, so may a file on
an overlay that we have mapped anyway: it is mapped once more, since only then its mount is known for sure.
"""

import os
import stat

from mapsd.light import Callable, NamedTuple, Sequence
from mapsd.linux import syscalls
from mapsd.linux.files import opened
from mapsd.linux.ownoverlay import Own
from mapsd.model import DeviceId, Mount, Vma
from mapsd.parse import maps

PAGE = os.sysconf("SC_PAGE_SIZE")
OVERLAY_INODE, BACKING_INODE = "overlay-inode", "backing-inode"
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class Shows(NamedTuple):
    """OVERLAY_INODE, BACKING_INODE or None for not established, and how that was seen."""

    what: str | None
    detail: str


def mappings() -> list[Vma]:
    """Return our own mappings. Raises OSError, ParseError."""
    with open("/proc/self/maps", "rb") as file:
        return maps.parse(file.read())


def of_own(own: Own, vmas: Sequence[Vma]) -> Shows:
    """Return what the mappings of an overlay of our own say."""
    known = {vma.start: vma for vma in vmas}
    if not known.keys() >= set(own):
        return Shows(None, "maps does not list the mappings of an overlay of our own")
    before, after, lower, upper = (known[address] for address in own)
    name = "by its path" if {before.name[-5:], after.name[-5:]} == {b"/file"} else "by a name that is not its own"
    if (_file(before), _file(after)) == (_file(lower), _file(upper)):
        return Shows(BACKING_INODE, f"maps calls a file on an overlay of our own {name}, with the layer file's inode")
    if before.device == after.device and before.device not in {lower.device, upper.device}:
        return Shows(OVERLAY_INODE, f"maps calls a file on an overlay of our own {name}, with the overlay's inode")
    return Shows(None, "maps shows neither the overlay's nor the layer file's inode for an overlay of our own")


def _file(vma: Vma) -> tuple[object, int]:
    return vma.device, vma.inode


Overlays = dict[int, Mount]  # by mount id
Map = Callable[[bytes, Overlays], tuple[Mount, Vma] | None]


def of_others(vmas: Sequence[Vma], mounts: Sequence[Mount], fresh: Map) -> Shows:
    """Return what the files say that we have mapped; *fresh* maps a file that is on an overlay once more."""
    overlays = {mount.id: mount for mount in mounts if mount.fs_type == b"overlay"}
    plain = {mount.device for mount in mounts if mount.fs_type != b"overlay"}
    for path in dict.fromkeys(vma.name for vma in vmas if overlays and maps.kind_of(vma) == "file"):
        try:
            made = fresh(path, overlays)
        except OSError:
            continue  # the name is gone, ends in " (deleted)" or may not be read: another may tell
        what = None if made is None else _of_one(*made, plain)
        if what is not None:
            return Shows(what, "maps shows it for a file on an overlay that we have mapped")
    return Shows(None, "no file that we have mapped lies on an overlay in a way that tells")


def _of_one(mount: Mount, vma: Vma, plain: set[DeviceId]) -> str | None:
    if vma.device == mount.device:
        return OVERLAY_INODE
    # Of a nested overlay the inner one's device may be shown, whose mount may be hidden: only what is surely none.
    return BACKING_INODE if vma.device.major or vma.device in plain else None


def fresh(path: bytes, overlays: Overlays) -> tuple[Mount, Vma] | None:
    """Return what maps shows for *path* where it is a regular file on one of *overlays*. Raises OSError, ParseError."""
    with opened(os.open(path, os.O_PATH | os.O_CLOEXEC)) as found:
        mount_id = syscalls.statx(found).mount_id  # None before Linux 5.8
        if mount_id not in overlays or not stat.S_ISREG(os.fstat(found).st_mode):
            return None
        with opened(os.open(b"/proc/self/fd/%d" % found, _READ)) as fd:
            address = syscalls.mmap_page(fd, 0, PAGE)
    try:
        return next(((overlays[mount_id], vma) for vma in mappings() if vma.start == address), None)
    finally:
        syscalls.munmap(address, PAGE)
