"""The disk of a dead host: its files below a directory, which nothing in it leads out of, and directories of layers.

What the disk calls absolute begins at that directory. Nothing is mounted, and no access time changes.
"""

import errno
import os

from mapsd.light import Iterator, Sequence
from mapsd.linux import syscalls
from mapsd.linux.files import facts, found, opened, unless_exhausted
from mapsd.linux.layers import LayerDirs
from mapsd.linux.tree import Files, tree_at
from mapsd.model import Absent, FileFacts, Found, LayerDir, Refused

# Of every family: which one counts is for the rules to say.
OVERLAY = tuple(f"{family}.overlay.{name}" for family in ("trusted", "user")
                for name in ("opaque", "redirect", "metacopy", "whiteout", "origin", "impure", "uuid"))
FUSE = tuple(f"user.fuseoverlayfs.{name}" for name in ("opaque", "origin", "override_stat"))
NAMES = (*OVERLAY, *FUSE, "user.containers.override_stat")
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_INSIDE = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
_ENTRIES = 20_000  # of one directory that is listed


class DiskFiles:
    """A disk; close() gives every descriptor back."""

    def __init__(self, root: bytes) -> None:
        """Take the directory. Raises OSError."""
        self._fd = os.open(root, _DIRECTORY)
        self.path = facts(self._fd).path
        self._trees: dict[bytes, Files | Absent | Refused] = {}
        self._layers = LayerDirs(self._open_plainly, _nowhere, lambda seen: seen, lambda seen: seen)

    def close(self) -> None:
        """Give the descriptors back."""
        while self._trees:
            tree = self._trees.popitem()[1]
            if isinstance(tree, Files):
                tree.close()
        self._layers.close()
        os.close(self._fd)

    def named(self, path: bytes) -> bytes | Absent | Refused:
        """Return what the observer calls a directory of the disk, links followed inside the disk."""
        tree = tree_at(path, self._open_inside, across=True)
        if not isinstance(tree, Files):
            return tree
        try:
            name = tree.entry(b"")
        finally:
            tree.close()
        return name.path if isinstance(name, FileFacts) else name

    def tree(self, path: bytes) -> Files | Absent | Refused:
        """Return the files below a directory as the observer names it, no link on the way to it."""
        if path not in self._trees:
            self._trees[path] = tree_at(path, self._open_plainly, across=True)
        return self._trees[path]

    def owner(self, path: bytes) -> int | Absent | Refused:
        """Return the user id that owns a directory, named as for tree()."""
        seen = self.tree(path)
        return seen.owner if isinstance(seen, Files) else seen

    def layer(self, path: bytes) -> LayerDir | Absent | Refused:
        """Return the directory of a layer, to be asked for entries; named as for tree()."""
        there = self.tree(path)
        if not isinstance(there, Files):
            return there
        opened_ones = self._layers.directories(path, ())
        return opened_ones[0] if opened_ones else Absent()

    def entry(self, layer: LayerDir, path: bytes) -> Found:
        """Return one file of a layer with the attributes of every family; links are not followed."""
        def ask() -> FileFacts:
            with opened(self._layers.open(layer, path, os.O_PATH)) as fd:
                return facts(fd, NAMES)
        return found(ask, "CAP_DAC_READ_SEARCH")

    def link(self, layer: LayerDir, path: bytes) -> bytes | Refused:
        """Return the text of a symbolic link of a layer."""
        try:
            with opened(self._layers.open(layer, path, os.O_PATH)) as fd:
                return os.readlink(b"", dir_fd=fd)
        except OSError as error:
            unless_exhausted(error)
            return Refused(error.strerror or str(error))

    def names(self, layer: LayerDir, path: bytes) -> Sequence[bytes]:
        """Return the names of some entries of a directory of a layer, none where it may not be listed."""
        try:
            fd = self._layers.open(layer, path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOATIME)
        except OSError as error:
            unless_exhausted(error)
            return ()
        with opened(fd):
            return list(_some(fd))

    def _open_inside(self, path: bytes, flags: int) -> int:
        return syscalls.openat2(self._fd, path or b".", flags, _INSIDE)

    def _open_plainly(self, path: bytes, flags: int) -> int:
        base = self.path.rstrip(b"/")
        if path != self.path and not path.startswith(base + b"/"):
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        below = path[len(base):].strip(b"/")
        return syscalls.openat2(self._fd, below or b".", flags, syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS)


def _some(fd: int) -> Iterator[bytes]:
    with os.scandir(fd) as entries:
        for entry, _ in zip(entries, range(_ENTRIES), strict=False):
            yield os.fsencode(entry.name)


def _nowhere(_path: bytes, _flags: int) -> int:
    raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
