"""The observer's own view of files, layers and mounts: the port Machine on a live system."""

import errno
import os

from mapsd.light import Sequence
from mapsd.linux import capabilities, syscalls
from mapsd.linux.files import facts, found, handle_of, opened, unless_exhausted
from mapsd.linux.handles import Filesystems
from mapsd.linux.layers import LayerDirs
from mapsd.linux.procfs import ProcFs
from mapsd.linux.views import View
from mapsd.model import DeviceId, FileFacts, Found, Handle, LayerDir, Mount, OverlayHandle
from mapsd.parse import mountinfo
from mapsd.parse.overlay_xattrs import NAMES
from mapsd.ports import ByHandle, ByVma, FileRef, InLayer, InRoot, Namespace

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class LiveMachine:
    """Opens what the rules ask about, for one process; close() gives every descriptor back."""

    def __init__(self, process: ProcFs) -> None:
        """Look at the machine that *process* runs on."""
        self.process = process
        with open("/proc/self/mountinfo", "rb") as file:
            self._mounts = mountinfo.parse(file.read())
        self._view = View(_openat2, self.mounts, b"")
        self._layers = LayerDirs(self._view.open, process.open_named, self._confirmed)
        self._filesystems = Filesystems(((self._mounts, self._view.open), (process.mounts(), process.open_named)))
        self._by_handle: dict[tuple[OverlayHandle, tuple[int, ...], str], Found] = {}
        self._defaults: dict[str, bool] = {}
        self._trusted = not capabilities.own().lacks("CAP_SYS_ADMIN")

    def close(self) -> None:
        """Give the descriptors back."""
        self._filesystems.close()
        self._layers.close()

    def mounts(self) -> Sequence[Mount]:
        """Return the observer's mounts."""
        return self._mounts

    def mount_points(self, device: DeviceId) -> Sequence[bytes]:
        """Return where other processes' mount namespaces have a superblock mounted, as each of them calls it."""
        from mapsd.linux.namespaces import mount_points  # noqa: PLC0415  (most layers have absolute paths)
        return mount_points(device)

    def reads_trusted(self) -> bool:
        """Return whether the observer has CAP_SYS_ADMIN in the initial user namespace."""
        return self._trusted

    def default(self, switch: str) -> bool:
        """Return the overlay module's default of a switch; True where it cannot be read."""
        if switch not in self._defaults:
            # Not readable is not off: the switch is then possibly on.
            self._defaults[switch] = parameter(switch) is not False
        return self._defaults[switch]

    def named(self, path: bytes) -> Found:
        """Return what *path* opens for the observer."""
        return found(lambda: _facts_of(self._view.open(path, os.O_PATH)), "CAP_DAC_READ_SEARCH")

    def directories(self, text: bytes, bases: Sequence[bytes]) -> Sequence[LayerDir]:
        """Return the directories that a layer's text may name: the observer's first, then the process's."""
        return self._layers.directories(text, bases)

    def entry(self, layer: LayerDir, path: bytes, prefix: str) -> Found:
        """Return one file of a layer with its overlay attributes; symlinks are not followed."""
        return self._layers.entry(layer, path, prefix)

    def search(self, layer: LayerDir, handle: Handle | None, inode: int, prefix: str) -> Sequence[
            tuple[bytes, FileFacts]]:
        """Return the files in a layer with this inode number and handle (None: any), bounded in time and entries."""
        return self._layers.search(layer, handle, inode, prefix)

    def by_handle(self, wanted: ByHandle, prefix: str) -> Found:
        """Return the file that a handle names, with a path only where that path opens it again."""
        def ask() -> FileFacts:
            # What is opened by handle was asked for its own.
            with opened(self.open(wanted, os.O_PATH)) as fd:
                return self._confirmed(facts(fd, NAMES, prefix, handle=wanted.wanted.handle))
        # A layer's directory is known by its key: all of it would be hashed for long.
        key = wanted.wanted, tuple(layer.key for layer in wanted.near), prefix
        if key not in self._by_handle:
            self._by_handle[key] = found(ask, "CAP_DAC_READ_SEARCH")
        return self._by_handle[key]

    def _confirmed(self, seen: FileFacts) -> FileFacts:
        same = seen.path.startswith(b"/") and seen.nlink and self._leads_to(seen.path, seen)
        return seen if same else seen._replace(path=b"")

    def _leads_to(self, path: bytes, seen: FileFacts) -> bool:
        """Return whether *path* opens this very file for the observer."""
        try:
            with opened(self._view.open(path, os.O_PATH)) as fd:
                again = syscalls.statx(fd)
                return (again.device, again.inode, handle_of(fd)) == (seen.st_dev, seen.inode, seen.handle)
        except OSError as error:
            if error.errno == errno.ESRCH:
                raise
            unless_exhausted(error)
            return False

    def directory_by_handle(self, wanted: OverlayHandle) -> LayerDir | None:
        """Return the directory that a handle names, None where it cannot be reached."""
        try:
            directory = self._layers.keep(self._filesystems.open(wanted, _DIRECTORY), mine=False)
        except OSError:
            return None
        here = self.named(directory.path)
        return directory._replace(mine=isinstance(here, FileFacts) and _one(here) == _one(directory.facts))

    def place_of(self, mount_id: int, ref: FileRef) -> Namespace:
        """Return which mount namespace a mount is in."""
        from mapsd.linux.namespaces import place_of  # noqa: PLC0415  (most mounts are the process's own)
        try:
            with opened(self.open(ref, os.O_PATH | os.O_CLOEXEC)) as fd:
                return place_of(fd, mount_id, self.process.target("ns/mnt"), complete=self.reads_trusted())
        except OSError as error:
            unless_exhausted(error)
            return Namespace("unknown", "the mapping went away while it was asked about")

    def open(self, ref: FileRef, flags: int) -> int:
        """Return a descriptor of *ref*; raises OSError."""
        match ref:
            case ByVma(start, end):
                return self.process.open_mapped(start, end, flags)
            case InRoot(path):
                return self.process.open_named(path, flags)
            case InLayer(layer, path):
                return self._layers.open(layer, path, flags)
            case ByHandle(wanted, near) if not any(wanted.uuid):
                return self._layers.open_by_handle(near, wanted.handle, flags)
            case ByHandle(wanted):
                return self._filesystems.open(wanted, flags)


def _openat2(path: bytes, flags: int, resolve: int) -> int:
    return syscalls.openat2(syscalls.AT_FDCWD, path, flags, resolve | syscalls.RESOLVE_NO_MAGICLINKS)


def _facts_of(fd: int) -> FileFacts:
    with opened(fd):
        return facts(fd)


def _one(seen: FileFacts) -> tuple[object, ...]:
    return seen.st_dev, seen.inode, seen.mount_id


def parameter(switch: str) -> bool | None:
    """Return a parameter of the overlay module, None where it cannot be read: another kernel, or /sys is hidden."""
    try:
        with open(f"/sys/module/overlay/parameters/{switch}", "rb") as file:
            return file.read(1) != b"N"
    except OSError:
        return None
