"""The observer's own view of files, layers and mounts: the port Machine on a live system."""

import errno
import os

from mapsd.light import TYPE_CHECKING, Sequence
from mapsd.linux import capabilities, syscalls
from mapsd.linux.files import facts, found, handle_of, opened, unless_exhausted
from mapsd.linux.handles import Filesystems
from mapsd.linux.layers import LayerDirs
from mapsd.linux.observer import observer
from mapsd.linux.procfs import ProcFs
from mapsd.model import Backing, DeviceId, FileFacts, Found, Handle, LayerDir, Mount, OverlayHandle, Refused, Vma
from mapsd.parse.overlay_xattrs import NAMES
from mapsd.ports import ByHandle, ByVma, FileRef, InLayer, InRoot, Namespace

if TYPE_CHECKING:
    from mapsd.linux.backingfile import BackingFile
    from mapsd.linux.layercontents import LayerContents
    from mapsd.model.served import Server

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class LiveMachine:
    """Opens what the rules ask about, for one process; close() gives every descriptor back."""

    def __init__(self, process: ProcFs) -> None:
        """Look at the machine that *process* runs on. Raises ProcessGone, NoHost."""
        self.process = process
        self._trusted = not capabilities.own().lacks("CAP_SYS_ADMIN")
        theirs = process.mounts()
        self._by_handle: dict[tuple[OverlayHandle, tuple[int, ...], str], Found] = {}
        self._defaults: dict[str, bool] = {}
        self._servers: dict[DeviceId, tuple[Server, ...] | Refused] = {}
        self._view, self._mounts, self._root = observer(process.host)
        self._layers = LayerDirs(self._view.open, process.open_named, self._named, self._confirmed)
        self._filesystems = Filesystems(((self._mounts, self._view.open), (theirs, process.open_named)))

    def close(self) -> None:
        """Give the descriptors back."""
        self._filesystems.close()
        self._layers.close()
        if self._root is not None:
            self._root.close()

    def open_plainly(self, path: bytes, flags: int) -> int:
        """Return a descriptor of what *path* opens for the observer; raises OSError, ELOOP for a symbolic link."""
        return self._view.open_plainly(path, flags)

    def contents(self) -> "LayerContents":
        """Return what reads in layers."""
        from mapsd.linux.layercontents import LayerContents  # noqa: PLC0415  (a lookup needs none)
        return LayerContents(self, quietly=False)

    def backing_file(self, backing: Backing) -> "BackingFile | Refused":
        """Return a backing file to be read, where its path leads to it."""
        from mapsd.linux.backingfile import backing_at  # noqa: PLC0415  (a lookup needs none)
        path = backing.path
        if path is None:
            return Refused("it has no path")
        return backing_at(backing, lambda flags: self.open_plainly(path, flags), self.mounts)

    def mounts(self) -> Sequence[Mount]:
        """Return the observer's mounts."""
        return self._mounts

    def mount_points(self, device: DeviceId) -> Sequence[bytes]:
        """Return where other processes' mount namespaces have a superblock mounted, as each of them calls it."""
        from mapsd.linux.namespaces import mount_points  # noqa: PLC0415  (most layers have absolute paths)
        return mount_points(device, self.process.host.procfs)

    def served_by(self, device: DeviceId) -> "tuple[Server, ...] | Refused":
        """Return the known programs that serve a FUSE filesystem, asked for once."""
        from mapsd.linux.fuseservers import servers  # noqa: PLC0415  (few files are served so)
        if device not in self._servers:
            self._servers[device] = servers(device, self.process.host, self._mounts)
        return self._servers[device]

    def booted(self) -> int:
        """Return when the machine was started in nanoseconds since the epoch, 0 where that is not known."""
        from mapsd.linux.clock import booted  # noqa: PLC0415  (where no birth tells when an overlay was mounted)
        roots = [(mount, self.named(mount.mount_point)) for mount in self._mounts
                 if (mount.fs_type, mount.root) == (b"devtmpfs", b"/")]
        births = [seen.born for mount, seen in roots if isinstance(seen, FileFacts) and seen.mount_id == mount.id]
        return booted(births[0] if births else None)

    def reads_trusted(self) -> bool:
        """Return whether the observer has CAP_SYS_ADMIN in the initial user namespace."""
        return self._trusted

    def default(self, switch: str) -> bool:
        """Return the overlay module's default of a switch; True where it cannot be read."""
        if switch not in self._defaults:
            # Not readable is not off: the switch is then possibly on.
            self._defaults[switch] = self.parameter(switch) is not False
        return self._defaults[switch]

    def parameter(self, switch: str) -> bool | None:
        """Return a parameter of the overlay module, None where it cannot be read: another kernel, or /sys is hidden."""
        path = f"/sys/module/overlay/parameters/{switch}"
        try:
            return _is_on(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            unless_exhausted(error)
        try:
            # A container may have no /sys of its own.
            return None if self._root is None else _is_on(self._view.open(path.encode(), os.O_RDONLY))
        except OSError as error:
            unless_exhausted(error)
            return None

    def parameters(self) -> dict[str, bool]:
        """Return the overlay module's switches that can be read."""
        from mapsd.linux.overlaymodule import defaults  # noqa: PLC0415  (a lookup needs none of it)
        return defaults(self)

    def listed(self, layer: LayerDir, path: bytes) -> Sequence[tuple[bytes, bool]]:
        """Return some names in a directory of a layer, and which of them are directories."""
        from mapsd.linux.overlaymodule import listed  # noqa: PLC0415  (as above)
        return listed(self, layer, path)

    def named(self, path: bytes) -> Found:
        """Return what *path* opens for the observer."""
        return found(lambda: self._named(_facts_of(self._view.open(path, os.O_PATH))), "CAP_DAC_READ_SEARCH")

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

    def _named(self, seen: FileFacts) -> FileFacts:
        """Return a file of the observer's view as the observer names it: /proc/self/fd says what it is called here."""
        return seen if self._root is None else self._confirmed(seen)

    def _confirmed(self, seen: FileFacts) -> FileFacts:
        """Return a file with a path only where that path opens it for the observer."""
        for path in self._names(seen.path):
            if path.startswith(b"/") and seen.nlink and self._leads_to(path, seen):
                return seen if path == seen.path else seen._replace(path=path)
        return seen._replace(path=b"")

    def _names(self, path: bytes) -> Sequence[bytes]:
        return (path,) if self._root is None else self._root.names(path)

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
        for path in self._names(directory.path):
            here = self.named(path)
            if isinstance(here, FileFacts) and _one(here) == _one(directory.facts):
                return directory._replace(path=path, mine=True)
        return directory

    def place_of(self, mount_id: int, ref: FileRef) -> Namespace:
        """Return which mount namespace a mount is in."""
        from mapsd.linux.namespaces import place_of  # noqa: PLC0415  (most mounts are the process's own)
        try:
            with opened(self.open(ref, os.O_PATH | os.O_CLOEXEC)) as fd:
                return place_of(fd, mount_id, self.process, complete=self.reads_trusted())
        except OSError as error:
            unless_exhausted(error)
            return Namespace("unknown", "the mapping went away while it was asked about")

    def again(self, vma: Vma, path: bytes) -> tuple[str, str]:
        """Return what the mapping shares with one of our own, of what *path* opens in the process's root."""
        from mapsd.linux.again import again  # noqa: PLC0415  (only kernels that show layers' files need it)
        return again(ByVma(vma.start, vma.end), InRoot(path), self.open)

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


def _facts_of(fd: int) -> FileFacts:
    with opened(fd):
        return facts(fd)


def _one(seen: FileFacts) -> tuple[object, ...]:
    return seen.st_dev, seen.inode, seen.mount_id


def _is_on(parameter: int) -> bool:
    with opened(parameter):
        return os.read(parameter, 1) != b"N"
