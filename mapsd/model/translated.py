"""The nouns of the other direction: a file that somebody else named, and the names by which processes open it.

Paths are bytes. See mapsd.model for the rest.
"""

from mapsd.light import TYPE_CHECKING, NamedTuple
from mapsd.model import Backing, DeviceId, Evidence, Layer, Mount, ProcessFacts, Skipped

if TYPE_CHECKING:
    from mapsd.model.containers import Container


class OnHost(NamedTuple):
    """The file that lies at an absolute *path* of the observer's; a symbolic link at its end is not followed."""

    path: bytes


class Inside(NamedTuple):
    """Every file that lies at a *path* inside a layer.

    It begins at the layer's directory, or above it: `/usr/lib/libssl.so.3` and `/diff/usr/lib/libssl.so.3` both name a
    file of a layer whose directory is `…/diff`.
    """

    path: bytes


class Numbered(NamedTuple):
    """The files that the kernel calls by a *device*, as maps and mountinfo have it, and an *inode* number."""

    device: DeviceId
    inode: int


Wanted = OnHost | Inside | Numbered


class Hider(NamedTuple):
    """What keeps a name from opening a file.

    *what* it is: copied-up (the upper copy of the file), file, directory, whiteout, opaque, redirect (of a directory on
    the way), blocked (no directory, on the way), mount (it covers the name). *layer* and *path* say where it lies in an
    overlay, *mount* which mount covers the name.
    """

    what: str
    layer: Layer | None = None
    path: bytes = b""
    mount: Mount | None = None


class Name(NamedTuple):
    """A name of a process, and what it has to do with a file that is asked about.

    *file* is that file, *layer* the one in which it lies (None: on no overlay, or it is the overlay's own), *inner* its
    path there. *user_path* is None where no name is known. *what* is the answer:

    - visible: the name opens this very file
    - metadata: the name has its owner, mode and times, and opens other bytes (a metacopy)
    - hidden: the name opens another file or nothing; *by* is what hides it, None where no name leads to it
    - unreachable: no mount of the process shows the part of the overlay in which it has a name
    - unknown: not established, *reason* says why and *needs* what would settle it

    *opens* is the file that the name opens now, None where there is none or it is not known; *proof* is how that is
    known, as for mapsd.model.layers.Winner, empty where the name opens nothing or was not asked.
    """

    file: Backing
    layer: Layer | None
    inner: bytes
    user_path: bytes | None
    openable_path: bytes | None
    mount: Mount | None
    what: str
    by: Hider | None = None
    opens: Backing | None = None
    proof: str = ""
    evidence: tuple[Evidence, ...] = ()
    reason: str = ""
    needs: tuple[str, ...] = ()


class View(NamedTuple):
    """What the processes of one mount namespace and root call a file.

    *process* was asked, and stands for all *pids*. *skipped* is what could not be looked through, so that names may be
    missing; *problem* is what is wrong with the path that was asked about, empty where nothing is. *as_of* is in
    seconds since the epoch. *container* is that of *process*, where it was asked for and is known; who has no
    name for the file is not asked.
    """

    process: ProcessFacts
    release: str
    as_of: float
    pids: tuple[int, ...]
    names: tuple[Name, ...]
    skipped: tuple[Skipped, ...] = ()
    problem: str = ""
    container: "Container | None" = None


class Translation(NamedTuple):
    """What is seen of a file by those who were asked.

    Of the processes that were to be asked *gone* exited meanwhile and *denied* may not be looked at.
    """

    wanted: Wanted
    release: str
    as_of: float
    views: tuple[View, ...]
    gone: int = 0
    denied: int = 0
    problem: str = ""

    @property
    def processes(self) -> tuple[ProcessFacts, ...]:
        """Return who was asked, one for each mount namespace and root."""
        return tuple(view.process for view in self.views)
