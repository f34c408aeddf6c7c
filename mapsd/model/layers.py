"""The nouns of overlays as a process sees them: their layers, and which layer's file a name opens.

Paths are bytes. See mapsd.model for the rest.
"""

from mapsd.light import TYPE_CHECKING, NamedTuple
from mapsd.model import (
    Absent,
    Backing,
    DeviceId,
    Evidence,
    FileFacts,
    Found,
    Layer,
    Mount,
    ProcessFacts,
    Refused,
    Skipped,
)

if TYPE_CHECKING:
    from mapsd.model.containers import Container, ImageLayer


class Switch(NamedTuple):
    """One option of an overlay mount, in words.

    *value* is empty for an option without one. Where the kernel did not print the option (not *printed*) it is the
    module's default, None where that cannot be read. *meaning* is None for an option that nobody knows.
    """

    name: str
    value: str | None
    printed: bool
    meaning: str | None


class Directory(NamedTuple):
    """A directory that the observer can open: by *path*, or only through the process's root (*openable*)."""

    path: bytes | None
    openable: bytes | None
    device: DeviceId
    inode: int
    fs_type: bytes | None


class LayerView(NamedTuple):
    """One layer: its `role` and `index` (*position*) in the contract's order, its *text* as mounted, its directory.

    *certain* says that it is the very directory that was mounted, None where none was found; *reason* says why it is
    not certain or not found, or why the inside cannot be reached, *needs* the capability that would help. *reachable*
    says that the observer can ask for files inside it. *inner* is the overlay on which the directory lies,
    *image_layer* the image's layer that it is, where that was asked for and is known.
    """

    role: str
    position: int
    text: bytes
    directory: Directory | None
    certain: bool | None
    reachable: bool
    reason: str
    needs: str
    inner: "OverlayView | None" = None
    image_layer: "ImageLayer | None" = None


class OverlayView(NamedTuple):
    """One overlay: the mount as the process's table has it, and the layers in the order of lookup.

    *covered* says that the mount point leads to another mount, None where it cannot be looked up. *work* is the work
    directory's text, None without an upper layer.
    """

    mount: Mount
    covered: bool | None
    switches: tuple[Switch, ...]
    work: bytes | None
    work_directory: Directory | None
    layers: tuple[LayerView, ...]


class ProcessLayers(NamedTuple):
    """The overlays that a process sees; *unions* are mounts of FUSE servers that merge layers outside the kernel.

    *as_of* is in seconds since the epoch. *container* is the engine's that the process is in, where that was asked for
    and is known.
    """

    process: ProcessFacts
    release: str
    as_of: float
    overlays: tuple[OverlayView, ...]
    unions: tuple[Mount, ...]
    skipped: tuple[Skipped, ...] = ()
    container: "Container | None" = None


class Link(NamedTuple):
    """A symbolic link that was followed, and its text."""

    path: bytes
    text: bytes


class Way(NamedTuple):
    """Where a name leads inside a process's root.

    *path* is free of symbolic links: the name of what is there, or where there is nothing the longest part that
    exists. *found* is what the name opens, *rest* what is missing below *path*.
    """

    path: bytes
    found: Found
    rest: bytes = b""
    links: tuple[Link, ...] = ()


class Met(NamedTuple):
    """What lies in one layer at a name (*named*), or on the way to it; *path* is inside the layer.

    *what* it is to the overlay:

    - opens: its bytes are what the name opens
    - metacopy: the name has its owner, mode and times; the bytes lie further down
    - merged: a directory that takes part in what the name lists
    - whiteout: it hides the name in the layers below
    - blocked: no directory, on the way: it hides the directories of that name in the layers below
    - passed: a directory on the way whose attributes matter (opaque, redirect)
    - hidden: it is not seen; *by* is the place of what hides it among all that was met
    - unknown: not established, *reason* says why and *needs* what would settle it

    *found* is Refused where the layer could not be asked. *file* is the file itself, None then. *image_layer* is the
    image's layer that the layer is, where that was asked for and is known.
    """

    layer: Layer
    path: bytes
    found: FileFacts | Refused
    what: str
    named: bool
    by: int | None = None
    reason: str = ""
    needs: str = ""
    file: Backing | None = None
    image_layer: "ImageLayer | None" = None

    @property
    def opaque(self) -> bool:
        """Return whether it is a directory that hides the layers below."""
        return self._directory and self._attribute("opaque") == b"y"

    @property
    def redirect(self) -> bytes | None:
        """Return the name that it has in the layers below, None where it is the same."""
        return self._attribute("redirect")

    @property
    def _directory(self) -> bool:
        return isinstance(self.found, FileFacts) and self.found.kind == "directory"

    def _attribute(self, name: str) -> bytes | None:
        return dict(self.found.xattrs).get(name) if isinstance(self.found, FileFacts) else None


class Descent(NamedTuple):
    """A name in the layers of one overlay: *path* is relative to the overlay's root.

    *visible* says that the overlay's attributes could be read; without it whatever hangs on them is unknown.
    """

    mount: Mount
    path: bytes
    visible: bool
    met: tuple[Met, ...]


class Winner(NamedTuple):
    """The file that a name opens, and how that is known: *proof* and the rest are the contract's."""

    backing: Backing | None
    proof: str
    evidence: tuple[Evidence, ...] = ()
    reason: str | None = None
    needs: tuple[str, ...] = ()


class Which(NamedTuple):
    """Which file a name of a process opens.

    *asked* is the name as given, *way* where it leads. *mount* is the one it lies on, or would lie on. *winner* is None
    where the name leads to nothing. *descents* are the overlays crossed, outermost first. *container* is the engine's
    that the process is in, where that was asked for and is known.
    """

    process: ProcessFacts
    release: str
    as_of: float
    asked: bytes
    way: Way
    mount: Mount | None
    host_path: bytes | None
    openable_path: bytes | None
    winner: Winner | None
    descents: tuple[Descent, ...]
    skipped: tuple[Skipped, ...] = ()
    container: "Container | None" = None

    @property
    def failure(self) -> str:
        """Return why the name opens nothing, empty where it opens something."""
        found = self.way.found
        if isinstance(found, Refused):
            return found.reason
        return "No such file or directory" if isinstance(found, Absent) else ""
