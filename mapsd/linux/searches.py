"""Directories that are walked through whole: for an inode number, for redirects. Bounded, and it is said where.

A directory is walked once for one question, however many processes have it as a layer.
"""

import errno
import os
import time

from mapsd.light import TYPE_CHECKING, Callable, Iterator
from mapsd.linux.files import opened, unless_exhausted
from mapsd.model import LayerDir
from mapsd.model.searched import Paths, Redirect, Redirects
from mapsd.ports import InLayer

if TYPE_CHECKING:
    from mapsd.linux.machine import LiveMachine

    Entry = os.DirEntry[str]
    Seen = Callable[[bytes, int, Entry], None]

ENTRIES, EACH, SECONDS = 200_000, 2.0, 10.0  # entries and seconds of a directory with all below it; of a question
# xino keeps the number of the layer in the high bits (fs/overlayfs/inode.c, ovl_map_ino); 32 are always the file's.
_OWN_BITS = 0xFFFFFFFF
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOATIME | os.O_NONBLOCK | os.O_CLOEXEC
_GONE = {errno.ENOENT, errno.ENOTDIR}
_FORBIDDEN = {errno.EPERM, errno.EACCES}


class Searches:
    """What the walks of one question found."""

    def __init__(self, seconds: float = SECONDS, entries: int = ENTRIES) -> None:
        """Let all of them take at most so long, and each see at most so many entries."""
        self.deadline, self.entries = time.monotonic() + seconds, entries
        self.paths: dict[tuple[object, ...], Paths] = {}
        self.redirects: dict[tuple[object, ...], Redirects] = {}

    def by(self, machine: "LiveMachine") -> "LiveSearch":
        """Return what walks through directories that a machine has opened."""
        return LiveSearch(machine, self)


class LiveSearch:
    """The port Search on a live system."""

    def __init__(self, machine: "LiveMachine", known: Searches) -> None:
        """Walk through directories of *machine*, but for what is *known*."""
        self._machine, self._known = machine, known

    def numbered(self, directory: LayerDir, number: int, *, mounts: bool = False) -> Paths:
        """Return the paths of the regular files whose inode numbers end in the same 32 bits as a *number*.

        That other *mounts* lie below is then no reason why some may be missing.
        """
        key, known = (*_identity(directory), number & _OWN_BITS, mounts), self._known.paths
        if key not in known:
            known[key] = self._paths(directory, lambda entry: entry.inode() & _OWN_BITS == number & _OWN_BITS,
                                     mounts=mounts)
        return known[key]

    def regular(self, directory: LayerDir) -> Paths:
        """Return the paths of all regular files."""
        return self._paths(directory, lambda _: True, mounts=False)

    def _paths(self, directory: LayerDir, wanted: "Callable[[Entry], bool]", *, mounts: bool) -> Paths:
        found: list[bytes] = []

        def see(above: bytes, _: int, entry: "Entry") -> None:
            if wanted(entry) and entry.is_file(follow_symlinks=False):
                found.append(_path(above, entry))
        reason, needs = self._walked(_Walk(self._machine, directory, mounts=mounts), see)
        return Paths(tuple(found), reason, needs)

    def redirects(self, directory: LayerDir, prefix: str, *, files: bool, again: bool = False) -> Redirects:
        """Return the redirects of a layer's directories, and of its *files* where these may have one.

        *again*: as they are now, not as they were when they were first asked for.
        """
        key, known = (*_identity(directory), prefix, files), self._known.redirects
        if again or key not in known:
            found: list[Redirect] = []

            def see(above: bytes, fd: int, entry: "Entry") -> None:
                if entry.is_dir(follow_symlinks=False) or (files and entry.is_file(follow_symlinks=False)):
                    text = _attribute(fd, entry, prefix + "redirect")
                    if text is not None:
                        found.append(Redirect(_path(above, entry), text, _changed(entry)))
            walk = _Walk(self._machine, directory, mounts=False)
            reason, needs = self._walked(walk, see)
            known[key] = Redirects(tuple(found), reason, needs, walk.newest)
        return known[key]

    def _walked(self, walk: "_Walk", see: "Seen") -> tuple[str, str]:
        # One that is large by intent leaves time for those of others.
        left, deadline = self._known.entries, min(self._known.deadline, time.monotonic() + EACH)
        for above, fd, entry in walk.entries():
            left -= 1
            if left < 0 or time.monotonic() > deadline:
                return "it is too large to be searched", ""
            see(above, fd, entry)
        return walk.reason, walk.needs


def _identity(directory: LayerDir) -> tuple[object, ...]:
    facts = directory.facts
    return facts.st_dev, facts.inode, facts.handle, directory.born


class _Walk:
    """One walk through a directory, without crossing links or mounts.

    *reason* and *needs* say what it left out, *newest* when one of the directories changed last.
    """

    def __init__(self, machine: "LiveMachine", directory: LayerDir, *, mounts: bool) -> None:
        self._machine, self._directory, self._mounts = machine, directory, mounts
        self.reason = self.needs = ""
        self.newest = 0

    def entries(self) -> "Iterator[tuple[bytes, int, Entry]]":
        """Yield each entry with the path and a descriptor of the directory that has it."""
        todo = [b""]
        while todo:
            above = todo.pop()
            fd = self._open(above)
            if fd is None:
                continue
            with opened(fd), os.scandir(fd) as entries:
                self.newest = max(self.newest, os.fstat(fd).st_ctime_ns)
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(_path(above, entry))
                    yield above, fd, entry

    def _open(self, above: bytes) -> int | None:
        try:
            return self._machine.open(InLayer(self._directory, above), _LISTED)
        except OSError as error:
            unless_exhausted(error)
            if error.errno not in _GONE and not (self._mounts and error.errno == errno.EXDEV):
                self.reason = f"not all of it can be listed: {error.strerror}"
                self.needs = "CAP_DAC_READ_SEARCH,CAP_FOWNER" if error.errno in _FORBIDDEN else ""
            return None


def _path(above: bytes, entry: "Entry") -> bytes:
    name = os.fsencode(entry.name)
    return above + b"/" + name if above else name


def _attribute(fd: int, entry: "Entry", name: str) -> bytes | None:
    try:
        return os.getxattr(b"/proc/self/fd/%d/%s" % (fd, os.fsencode(entry.name)), name, follow_symlinks=False)
    except OSError as error:
        unless_exhausted(error)
        # It has none, or is gone.
        return None


def _changed(entry: "Entry") -> int:
    """Return when an entry was renamed, or changed otherwise, last; 0 where it is gone."""
    try:
        return entry.stat(follow_symlinks=False).st_ctime_ns
    except OSError as error:
        unless_exhausted(error)
        return 0
