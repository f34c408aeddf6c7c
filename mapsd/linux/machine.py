"""The observer's own view of files, layers and mounts: the port Machine on a live system."""

import errno
import os
from collections.abc import Iterator, Sequence

from mapsd.linux import syscalls
from mapsd.linux.files import facts, found, opened
from mapsd.linux.handles import Filesystems
from mapsd.linux.namespaces import place_of
from mapsd.linux.procfs import ProcFs
from mapsd.model import Absent, FileFacts, Found, LayerDir, Mount, OverlayHandle
from mapsd.parse import mountinfo
from mapsd.parse.overlay_xattrs import NAMES
from mapsd.ports import ByHandle, ByVma, FileRef, InLayer, InRoot, Namespace, same_handle

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_BENEATH = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_XDEV
_SYS_ADMIN = 1 << 21


class LiveMachine:
    """Opens what the rules ask about, for one process; close() gives every descriptor back."""

    def __init__(self, process: ProcFs) -> None:
        """Look at the machine that *process* runs on."""
        self.process = process
        self._dirs: list[int] = []
        self._known: dict[tuple[bytes, tuple[bytes, ...]], tuple[LayerDir, ...]] = {}
        with open("/proc/self/mountinfo", "rb") as file:
            self._mounts = mountinfo.parse(file.read())
        self._filesystems = Filesystems(process, self._mounts)

    def close(self) -> None:
        """Give the descriptors back."""
        self._filesystems.close()
        while self._dirs:
            os.close(self._dirs.pop())

    def mounts(self) -> Sequence[Mount]:
        """Return the observer's mounts."""
        return self._mounts

    def reads_trusted(self) -> bool:
        """Return whether the observer has CAP_SYS_ADMIN in the initial user namespace."""
        with open("/proc/self/status", "rb") as status, open("/proc/self/uid_map", "rb") as uid_map:
            line = next(line for line in status if line.startswith(b"CapEff:"))
            initial = uid_map.read().split() == [b"0", b"0", b"4294967295"]
        return initial and bool(int(line.split()[1], 16) & _SYS_ADMIN)

    def default(self, switch: str) -> bool:
        """Return the overlay module's default of a switch; True where it cannot be read."""
        try:
            with open(f"/sys/module/overlay/parameters/{switch}", "rb") as file:
                return file.read(1) != b"N"
        except OSError:
            # Not readable is not off: the caller then treats the switch as possibly on.
            return True

    def named(self, path: bytes) -> Found:
        """Return what *path* opens for the observer."""
        return found(lambda: _facts_of(os.open(path, os.O_PATH | os.O_CLOEXEC)), "CAP_DAC_READ_SEARCH")

    def directories(self, text: bytes, bases: Sequence[bytes]) -> Sequence[LayerDir]:
        """Return the directories that a layer's text may name: the observer's first, then the process's."""
        known = self._known.get((text, tuple(bases)))
        if known is None:
            known = self._known[text, tuple(bases)] = tuple(self._open_all(text, bases))
        return known

    def _open_all(self, text: bytes, bases: Sequence[bytes]) -> Iterator[LayerDir]:
        seen = set()
        for path in [text] if text.startswith(b"/") else [os.path.join(base, text) for base in bases]:
            for opener in (os.open, self.process.open_named):
                try:
                    layer = self._keep(opener(path, _DIRECTORY))
                except OSError:
                    # A candidate that cannot be opened is no candidate; an empty list says so.
                    continue
                if (layer.facts.st_dev, layer.facts.inode) not in seen:
                    seen.add((layer.facts.st_dev, layer.facts.inode))
                    yield layer

    def _keep(self, fd: int) -> LayerDir:
        self._dirs.append(fd)
        seen = facts(fd)
        return LayerDir(len(self._dirs) - 1, seen.path, seen)

    def entry(self, layer: LayerDir, path: bytes, prefix: str) -> Found:
        """Return one file of a layer with its overlay attributes; symlinks are not followed."""
        def ask() -> FileFacts:
            with opened(self._open_entry(layer, path, os.O_PATH | os.O_NOFOLLOW)) as fd:
                return facts(fd, NAMES, prefix)
        return found(ask, "CAP_DAC_READ_SEARCH")

    def _open_entry(self, layer: LayerDir, path: bytes, flags: int) -> int:
        try:
            return syscalls.openat2(self._dirs[layer.key], path or b".", flags, _BENEATH)
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise OSError(error.errno, "another mount covers a part of the layer") from error
            raise

    def by_handle(self, wanted: OverlayHandle, prefix: str) -> Found:
        """Return the file that a handle names, with a path only where that path opens it again."""
        def ask() -> FileFacts:
            with opened(self._filesystems.open(wanted, os.O_PATH)) as fd:
                return self._confirmed(facts(fd, NAMES, prefix))
        return found(ask, "CAP_DAC_READ_SEARCH")

    def _confirmed(self, seen: FileFacts) -> FileFacts:
        again = self.named(seen.path) if seen.path.startswith(b"/") and seen.nlink else Absent()
        if isinstance(again, FileFacts) and again.st_dev == seen.st_dev and same_handle(again.handle, seen.handle):
            return seen
        return seen._replace(path=b"")

    def directory_by_handle(self, wanted: OverlayHandle) -> LayerDir | None:
        """Return the directory that a handle names, None where it cannot be reached."""
        try:
            return self._keep(self._filesystems.open(wanted, _DIRECTORY))
        except OSError:
            return None

    def place_of(self, mount_id: int, ref: FileRef) -> Namespace:
        """Return which mount namespace a mount is in."""
        with opened(self.open(ref, os.O_PATH | os.O_CLOEXEC)) as fd:
            return place_of(fd, mount_id, self.process.target("ns/mnt"), complete=self.reads_trusted())

    def open(self, ref: FileRef, flags: int) -> int:
        """Return a descriptor of *ref*; raises OSError."""
        match ref:
            case ByVma(start, end):
                return self.process.open_mapped(start, end, flags)
            case InRoot(path):
                return self.process.open_named(path, flags)
            case InLayer(layer, path):
                return self._open_entry(layer, path, flags | os.O_NOFOLLOW)
            case ByHandle(wanted):
                return self._filesystems.open(wanted, flags)


def _facts_of(fd: int) -> FileFacts:
    with opened(fd):
        return facts(fd)
