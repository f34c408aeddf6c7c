"""What must be unchanged for an answer to be true still: looked at before the answer is asked for, and again later.

An answer says which file a mapping holds, what its name opens and by which other names it is reached. The kernel is
asked for each of these in one call, without opening a file: statx(2) through the map_files link and of every name. A
copy-up, a rename or an unlink changes the device, inode, link count or time of change of one of them. Where a BPF
iterator is loaded, and the name opens the mapped file, the link is not asked: the iterator tells which file on which
mount is mapped, of all mappings at once, and the name the rest.
"""

import errno
import os
import stat

from mapsd.light import Callable, NamedTuple
from mapsd.linux import syscalls
from mapsd.linux.files import unless_exhausted
from mapsd.linux.procfs import ProcFs
from mapsd.linux.syscalls import Fields
from mapsd.model import Answer, Vma

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_AS_IT_IS = syscalls.AT_SYMLINK_NOFOLLOW | syscalls.AT_NO_AUTOMOUNT
_ABSENT = {errno.ENOENT, errno.ENOTDIR}
# A file that changed just now may change again without a later time of change: the clock of these times ticks.
_YOUNG = 3 * 10**9  # nanoseconds; some filesystems keep two seconds
_FOR_GOOD = ("current", "copied-up", "replaced", "deleted")  # states of which every reason is a name's or a mount's
Opener = Callable[[bytes, int], int]


class Names(NamedTuple):
    """The names in an answer: the process's own for its file, and the observer's for it and for its layer.

    *settled* says that a mapping of this very file, by this very name, can hold nothing else, *mapped* that the
    process's own name opens what was mapped, whatever that holds.
    """

    theirs: bytes
    ours: tuple[bytes, ...]
    layer: bytes | None
    settled: bool
    mapped: bool


class Looked(NamedTuple):
    """What each name opened (None: nothing), and which directory the layer was."""

    names: tuple[Fields | None, ...]
    layer: Fields | None


class Witness(NamedTuple):
    """What was seen of a mapping: its link, its file's names, and what is held.

    *held* is the file as a BPF iterator knows it, and None where nobody asked: no other file can be mapped under the
    same line of maps. *link* is None where the iterator and a name say as much.
    """

    link: Fields | None
    looked: Looked
    held: object


def steady(seen: Witness, since: int) -> bool:
    """Return whether whatever changed after a moment shows (nanoseconds since the epoch; it was seen later).

    That is so where no file had changed just before, and none is a symbolic link, which may lead anywhere.
    """
    every = (seen.link, *seen.looked.names)
    return all(fields is None or _steady(syscalls.statx_of(fields), since) for fields in every)


def _steady(seen: syscalls.Statx, since: int) -> bool:
    return seen.changed + _YOUNG < since and seen.mount_id is not None and not stat.S_ISLNK(seen.mode)


def names_of(answer: Answer) -> Names | None:
    """Return the names of an answer, None for one that hangs on more than can be seen so cheaply."""
    backing = answer.backing
    if answer.user_path is None or answer.state not in _FOR_GOOD or backing is None or backing.path is None:
        return None
    if backing.through or backing.metadata is not None or answer.trail.nested or answer.proof in {"none", "lookup"}:
        return None
    settled = answer.state == "current" and answer.proof in {"kernel-inode", "sole-candidate"}
    ours = (backing.path,) if answer.host_path in {None, backing.path} else (answer.host_path, backing.path)
    return Names(answer.user_path, ours, backing.layer_path, settled, answer.state in {"current", "copied-up"})


class Witnesses:
    """Looks at the files of one process, during one lookup; close() gives the descriptors back."""

    def __init__(self, process: ProcFs, ours: Opener, held: Callable[[Vma], object], *, quickly: bool) -> None:
        """Look at a process; *ours* opens the observer's names, *held* says what a mapping holds (None: unknown).

        *quickly* says that *held* costs less than to look at links.
        """
        self._process, self._ours, self._held, self._quickly = process, ours, held, quickly
        self._directories = dict[tuple[Opener, bytes], int | None]()
        self._looked = dict[Names, Looked]()
        self._layers = dict[bytes, Fields | None]()

    def close(self) -> None:
        """Close the directories."""
        for fd in self._directories.values():
            if fd is not None:
                os.close(fd)

    def of(self, vma: Vma, names: Names) -> Witness | None:
        """Return what is seen now of a mapping and of the names in an answer, None where that would not tell."""
        known = self._quickly and names.mapped
        held = self._held(vma) if known or not names.settled else None
        if held is None and not names.settled:
            return None
        try:
            link = None if known and held is not None else self._process.mapped_fields(vma)
            return Witness(link, self._look(names), held)
        except OSError as error:
            unless_exhausted(error)
            return None

    def _look(self, names: Names) -> Looked:
        looked = self._looked.get(names)
        if looked is None:
            seen = (self._name(self._process.open_plainly, names.theirs),
                    *(self._name(self._ours, path) for path in names.ours))
            looked = self._looked[names] = Looked(seen, self._layer(names.layer))
        return looked

    def _layer(self, path: bytes | None) -> Fields | None:
        if path is None:
            return None
        if path not in self._layers:
            # What comes and goes in a directory changes its times, and nothing here.
            seen = self._name(self._ours, path)
            self._layers[path] = None if seen is None else syscalls.identity_of(seen)
        return self._layers[path]

    def _name(self, opener: Opener, path: bytes) -> Fields | None:
        """Return what a name opens, None where that is nothing; raises OSError."""
        above, _, name = path.rpartition(b"/")
        directory = self._directory(opener, above or b"/")
        try:
            return None if directory is None else syscalls.statx_fields(directory, name, flags=_AS_IT_IS)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
            return None

    def _directory(self, opener: Opener, path: bytes) -> int | None:
        key = opener, path
        if key not in self._directories:
            try:
                self._directories[key] = opener(path, _DIRECTORY)
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                self._directories[key] = None
        return self._directories[key]
