"""Layer directories: opened once, asked for entries, searched by inode number."""

import errno
import os
import time

from mapsd.light import Callable, Iterator, Sequence
from mapsd.linux import syscalls
from mapsd.linux.files import facts, found, opened, unless_exhausted
from mapsd.linux.handles import open_one
from mapsd.model import FileFacts, Found, Handle, LayerDir
from mapsd.parse.overlay_xattrs import NAMES

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_BENEATH = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_XDEV
SEARCH_ENTRIES, SEARCH_SECONDS = 200_000, 2.0
# xino keeps the number of the layer in the high bits (fs/overlayfs/inode.c, ovl_map_ino); 32 are always the file's.
_OWN_BITS = 0xFFFFFFFF

Opener = Callable[[bytes, int], int]
Confirm = Callable[[FileFacts], FileFacts]


class LayerDirs:
    """The directories of layers; close() gives every descriptor back."""

    def __init__(self, mine: Opener, theirs: Opener, name: Confirm, confirm: Confirm) -> None:
        """Open in the observer's view and in the process's.

        *name* gives a file of the observer's view the observer's name; *confirm* drops a path that leads elsewhere.
        """
        self._views, self._name, self._confirm = ((True, mine), (False, theirs)), name, confirm
        self._dirs: list[int] = []
        self._known: dict[tuple[bytes, tuple[bytes, ...]], tuple[LayerDir, ...]] = {}
        self._searched: dict[tuple[int, int], list[bytes]] = {}
        self._deadline = time.monotonic() + SEARCH_SECONDS

    def close(self) -> None:
        """Give the descriptors back."""
        while self._dirs:
            os.close(self._dirs.pop())

    def directories(self, text: bytes, bases: Sequence[bytes]) -> Sequence[LayerDir]:
        """Return the directories that a layer's text may name: the observer's first, then the process's."""
        known = self._known.get((text, tuple(bases)))
        if known is None:
            known = self._known[text, tuple(bases)] = tuple(self._open_all(text, bases))
        return known

    def _open_all(self, text: bytes, bases: Sequence[bytes]) -> Iterator[LayerDir]:
        seen = set()
        for path in [text] if text.startswith(b"/") else [os.path.join(base, text) for base in bases]:
            for mine, opener in self._views:
                try:
                    layer = self.keep(opener(path, _DIRECTORY), mine=mine)
                except OSError as error:
                    unless_exhausted(error)
                    # A candidate that cannot be opened is no candidate; an empty list says so.
                    continue
                if (layer.facts.st_dev, layer.facts.inode) not in seen:
                    seen.add((layer.facts.st_dev, layer.facts.inode))
                    yield layer._replace(changes=tuple(_changes(path, opener)))

    def keep(self, fd: int, *, mine: bool) -> LayerDir:
        """Return an open directory as a layer's; the descriptor is closed by close()."""
        self._dirs.append(fd)
        seen = self._name(facts(fd)) if mine else facts(fd)
        return LayerDir(len(self._dirs) - 1, seen.path, seen, syscalls.statx(fd).born, (), mine)

    def entry(self, layer: LayerDir, path: bytes, prefix: str) -> Found:
        """Return one file of a layer with its overlay attributes; symlinks are not followed."""
        def ask() -> FileFacts:
            with opened(self.open(layer, path, os.O_PATH)) as fd:
                seen = facts(fd, NAMES, prefix)
                return self._name(seen) if layer.mine else self._confirm(seen)
        return found(ask, "CAP_DAC_READ_SEARCH")

    def open(self, layer: LayerDir, path: bytes, flags: int) -> int:
        """Return a descriptor of an entry; raises OSError. Neither links nor mounts are crossed."""
        try:
            return syscalls.openat2(self._dirs[layer.key], path or b".", flags | os.O_NOFOLLOW, _BENEATH)
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise OSError(error.errno, "another mount covers a part of the layer") from error
            raise

    def open_by_handle(self, near: Sequence[LayerDir], handle: Handle, flags: int) -> int:
        """Return a descriptor of the one file with this handle on the filesystems of layers; raises OSError."""
        devices = {layer.facts.st_dev: layer.key for layer in reversed(near)}
        fds: list[int] = []
        try:
            fds.extend(os.open(".", _LISTED, dir_fd=self._dirs[key]) for key in devices.values())
            return open_one(fds, handle, flags)
        finally:
            for fd in fds:
                os.close(fd)

    def search(self, layer: LayerDir, handle: Handle | None, inode: int, prefix: str) -> Sequence[
            tuple[bytes, FileFacts]]:
        """Return the files in a layer with this inode number and handle (None: any), bounded in time and entries."""
        key = layer.key, inode & _OWN_BITS
        if key not in self._searched:
            self._searched[key] = list(self._numbered(layer, inode & _OWN_BITS))
        facts_of = ((path, self.entry(layer, path, prefix)) for path in self._searched[key])
        return [(path, seen) for path, seen in facts_of
                if isinstance(seen, FileFacts) and seen.kind == "file" and handle in {None, seen.handle}]

    def _numbered(self, layer: LayerDir, number: int) -> Iterator[bytes]:
        """Yield the paths of entries whose inode number ends in these 32 bits."""
        left, todo = SEARCH_ENTRIES, [b""]
        while todo and left > 0 and time.monotonic() < self._deadline:
            directory = todo.pop()
            for name, inode, is_directory in self._listed(layer, directory):
                path = directory + b"/" + name if directory else name
                left -= 1
                if is_directory:
                    todo.append(path)
                elif inode & _OWN_BITS == number:
                    yield path

    def _listed(self, layer: LayerDir, directory: bytes) -> list[tuple[bytes, int, bool]]:
        try:
            fd = self.open(layer, directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOATIME)
        except OSError:
            # A directory that cannot be listed holds no answer: the search then finds nothing there.
            return []
        with opened(fd), os.scandir(fd) as entries:
            return [(os.fsencode(entry.name), entry.inode(), entry.is_dir(follow_symlinks=False)) for entry in entries]


def _changes(path: bytes, opener: Opener) -> Iterator[tuple[bytes, int]]:
    """Yield each component of a path with the time of its last change; links for themselves."""
    parts = path.split(b"/")
    for end in range(1, len(parts) + 1):
        name = b"/".join(parts[:end]) or b"/"
        try:
            with opened(opener(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)) as fd:
                yield name, syscalls.statx(fd).changed
        except OSError:
            # Gone since: a time after every mount.
            yield name, 1 << 63
