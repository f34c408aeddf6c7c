"""The package databases that a process's files are looked up in: those in its root now, and those of its layers' time.

A lower layer, with those below it, has the databases as they were when the layer was made.
"""

from mapsd.answer.reading import read, scene
from mapsd.answer.roots import Roots
from mapsd.answer.spent import Budget, Spending
from mapsd.light import TYPE_CHECKING, Callable, NamedTuple, Protocol, Sequence
from mapsd.linux.digests import digest
from mapsd.linux.views import SERVED
from mapsd.model import Absent, Backing, FileFacts, Layer, Mount, Refused
from mapsd.model.packages import Owner
from mapsd.packages.databases import Databases
from mapsd.resolve.layerfile import backing_of
from mapsd.resolve.merged import Merged
from mapsd.resolve.mergedtree import MergedTree
from mapsd.resolve.opened import remembering
from mapsd.resolve.overlays import Overlay, build

if TYPE_CHECKING:
    from mapsd.linux.backingfile import BackingFile
    from mapsd.linux.live import LiveAttempt, LiveProcess
    from mapsd.linux.tree import Files
    from mapsd.sources import Tree

    Reader = Callable[[Tree], Tree]  # equal for those who may read the same

TIMES = 32  # layers of whose time databases are read, of one process
_TOO_MANY = Refused(f"the files are in more than {TIMES} layers, each with databases of its own time")
_OF_LAYERS = Refused("the databases of layers are read for those only who may see every process")
_MOVED = Refused("the layer that has the file was not found again")


class Owners(Protocol):
    """The package databases of one root at one time: live ones, or recorded ones."""

    def owner(self, path: bytes) -> Owner:
        """Return which packages have a name in the root, an absolute one that is free of symbolic links."""


class Dated(NamedTuple):
    """The databases as of a layer; *certain* says that the layers' directories are known to be those mounted."""

    databases: Owners
    certain: bool


class Databased(Protocol):
    """What tells the packages of one process's files: see ByTime."""

    def now(self) -> Owners | Refused:
        """Return the databases in the process's root."""

    def of_layer(self, mount: Mount, backing: Backing, name: bytes) -> Dated | Refused:
        """Return the databases as of the lower layer of an overlay that has a backing file by a *name*."""

    def size(self, backing: Backing) -> int | Refused:
        """Return a backing file's size in bytes."""

    def digest(self, backing: Backing, algorithm: str) -> bytes | Refused:
        """Return the digest of a backing file's bytes by an algorithm that hashlib names."""


class Asked(NamedTuple):
    """How databases are read: as somebody else who may not read all files (*reader*), and for which *budget*."""

    reader: "Reader | None"
    budget: Budget


class ByTime:
    """The databases of one process, each read once; close() gives the descriptors back."""

    def __init__(self, seen: "LiveProcess", roots: Roots, asked: Asked, *, ours: bool) -> None:
        """Ask about a process that has, where it is *ours*, our own root. Raises ProcessGone, NoHost.

        Every question raises OutOfTime where the budget has no time left.
        """
        self.attempt: LiveAttempt = seen.attempt()
        self._seen, self._roots, self._asked, self._ours = seen, roots, asked, ours
        self._machine = self.attempt.machine
        self._scene = scene(seen, read(seen.process), self._machine)
        self._root: Files | Absent | Refused | None = None
        self._key: tuple[object, ...] = ()
        self._now: Databases | Refused | None = None
        self._overlays: dict[Mount, Overlay] = {}
        self._dated: dict[tuple[Mount, int], Dated | Refused] = {}

    def close(self) -> None:
        """Give the descriptors back."""
        if self._asked.budget.spent is not None:
            self._roots.forget(self._key)
        self._roots.settle()
        if self._root is not None and not isinstance(self._root, Absent | Refused):
            self._root.close()
        self.attempt.close()

    def now(self) -> Databases | Refused:
        """Return the databases in the process's root."""
        self._asked.budget.demand_time()
        if self._now is None:
            self._root = root = self._seen.root(ours=self._ours, alone=self._asked.reader is not None)
            self._now = self._in_root(root) if not isinstance(root, Absent | Refused) else (
                root if isinstance(root, Refused) else Refused("its root is gone"))
        return self._now

    def _in_root(self, root: "Files") -> Databases:
        reader, budget = self._asked
        self._key = reader, *root.identity
        return self._roots.databases(self._key, Spending(root if reader is None else reader(root), budget))

    def of_layer(self, mount: Mount, backing: Backing, name: bytes) -> Dated | Refused:
        """Return the databases as of the lower layer of an overlay that has a backing file by a *name*."""
        self._asked.budget.demand_time()
        if self._asked.reader is not None:
            return _OF_LAYERS
        overlay = self._overlay(mount)
        layers = [layer for layer in overlay.lowers() if layer.position >= (backing.layer_index or 0)]
        top = layers[0] if layers else None
        if top is None or top.dir is None:
            return _MOVED
        found = self._machine.entry(top.dir, name, overlay.prefix)
        if not isinstance(found, FileFacts) or _one(backing_of(found, top, self._scene)) != _one(backing):
            return _MOVED
        key = mount, top.position
        if key not in self._dated:
            self._dated[key] = self._as_of(overlay, layers) if len(self._dated) < TIMES else _TOO_MANY
        return self._dated[key]

    def size(self, backing: Backing) -> int | Refused:
        """Return a backing file's size in bytes."""
        file = self._file(backing)
        if isinstance(file, Refused):
            return file
        try:
            return file.content().size
        finally:
            file.close()

    def digest(self, backing: Backing, algorithm: str) -> bytes | Refused:
        """Return the digest of a backing file's bytes by an algorithm that hashlib names."""
        file = self._file(backing)
        if isinstance(file, Refused):
            return file
        try:
            return digest(file, algorithm)
        finally:
            file.close()

    def _file(self, backing: Backing) -> "BackingFile | Refused":
        """Return a backing file, not one for whose bytes a server would have to be waited, but that of our own root."""
        if (backing.fs_type or b"").startswith(SERVED) and not self._is_in_our_root(backing):
            return Refused("its filesystem is served by a process, which may not answer")
        return self._machine.backing_file(backing)

    def _is_in_our_root(self, backing: Backing) -> bool:
        return self._ours and any(mount.mount_point == b"/" and mount.device == backing.device
                                  for mount in self._seen.process.mounts())

    def same(self) -> bool:
        """Return whether the databases in the root are still what they were when they were read."""
        return not isinstance(self._now, Databases) or self._now.same()

    def _overlay(self, mount: Mount) -> Overlay:
        if mount not in self._overlays:
            self._overlays[mount] = build(mount, self._scene)
        return self._overlays[mount]

    def _as_of(self, overlay: Overlay, layers: Sequence[Layer]) -> Dated:
        contents = self._machine.contents()

        def link(layer: Layer, path: bytes) -> bytes | Refused:
            found = Absent() if layer.dir is None else contents.link(layer.dir, path)
            return Refused("a link went away while it was followed") if isinstance(found, Absent) else found

        visible = overlay.options.userxattr or self._machine.reads_trusted()
        merged = Merged(layers, remembering(overlay, self._scene), link, visible=visible)
        certain = all(layer.certain and layer.dir is not None for layer in layers)
        return Dated(Databases(Spending(MergedTree(merged, contents), self._asked.budget)), certain)


def _one(file: Backing) -> tuple[object, ...]:
    return file.device, file.inode, file.layer_index
