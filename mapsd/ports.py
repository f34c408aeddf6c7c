"""The questions that the rules may ask: values in, values out, never a descriptor."""

from mapsd.light import TYPE_CHECKING, NamedTuple, Protocol, Sequence
from mapsd.model import Absent, DeviceId, FileFacts, Found, Handle, LayerDir, Mount, OverlayHandle, Refused, Vma
from mapsd.model.held import Held

if TYPE_CHECKING:
    from mapsd.model.served import Server


class ByVma(NamedTuple):
    """What the process's map_files link of this mapping opens now."""

    start: int
    end: int


class InRoot(NamedTuple):
    """What this path opens inside the process's root."""

    path: bytes


class InLayer(NamedTuple):
    """The file at a path inside a layer's directory."""

    layer: LayerDir
    path: bytes


class ByHandle(NamedTuple):
    """The file that a handle names: on the filesystem with its UUID, without one on those of the layers *near*."""

    wanted: OverlayHandle
    near: tuple[LayerDir, ...] = ()


FileRef = ByVma | InRoot | InLayer | ByHandle


class Namespace(NamedTuple):
    """Where a mount is.

    "here" (the process's own namespace), "elsewhere", "nowhere" (it has left every one), "private" (in none, and
    with the flags of a clone that an overlay makes of a lower layer), or "unknown". *mount* is the mount as its
    own namespace has it, where that was read; *needs* is the capability that would settle what is unknown.
    """

    place: str
    reason: str = ""
    mount: Mount | None = None
    needs: str = ""


class Process(Protocol):
    """One process, as /proc shows it."""

    def link(self, vma: Vma) -> bytes | None:
        """Return the text of the mapping's map_files link, None where it cannot be read."""

    def mapped(self, vma: Vma) -> Found:
        """Return the file that the mapping's map_files link opens now (never the mapped bytes)."""

    def links(self) -> Sequence[bytes]:
        """Return the texts of the process's exe and fd links: they are right where maps is not."""

    def named(self, path: bytes) -> Found:
        """Return what *path* opens inside the process's own root."""


class Machine(Protocol):
    """The observer's own view: files, layers, mounts."""

    def booted(self) -> int:
        """Return when the machine was started in nanoseconds since the epoch, 0 where that is not known."""

    def mounts(self) -> Sequence[Mount]:
        """Return the observer's mounts."""

    def mount_points(self, device: DeviceId) -> Sequence[bytes]:
        """Return where other processes' mount namespaces have a superblock mounted, as each of them calls it."""

    def named(self, path: bytes) -> Found:
        """Return what *path* opens for the observer."""

    def directories(self, text: bytes, bases: Sequence[bytes]) -> Sequence[LayerDir]:
        """Return the directories that a layer's text may name, each once."""

    def entry(self, layer: LayerDir, path: bytes, prefix: str) -> Found:
        """Return one file of a layer with its overlay attributes; symlinks are not followed."""

    def search(self, layer: LayerDir, handle: Handle | None, inode: int, prefix: str) -> Sequence[
            tuple[bytes, FileFacts]]:
        """Return the files in a layer with this inode number and handle (None: any), bounded in time and entries."""

    def by_handle(self, wanted: ByHandle, prefix: str) -> Found:
        """Return the file that a handle names, on whatever mount its filesystem can be reached."""

    def directory_by_handle(self, wanted: OverlayHandle) -> LayerDir | None:
        """Return the directory that a handle names, to be asked for entries."""

    def place_of(self, mount_id: int, ref: FileRef) -> Namespace:
        """Return which mount namespace a mount is in."""

    def served_by(self, device: DeviceId) -> "Sequence[Server] | Refused":
        """Return the known programs that serve a FUSE filesystem."""

    def again(self, vma: Vma, path: bytes) -> tuple[str, str]:
        """Return what the mapping shares with one of our own, of what *path* opens in the process's root.

        "name" (one dentry on one mount), "file" (one text of one file on one mount, perhaps by another link), "mount"
        (only that), "different" or "silent", and what was seen or stood in the way.
        """

    def default(self, switch: str) -> bool:
        """Return the overlay module's default of a switch; True where it cannot be read."""

    def reads_trusted(self) -> bool:
        """Return whether trusted attributes are visible (CAP_SYS_ADMIN in the initial user namespace)."""


class Contents(Protocol):
    """What lies in the files and directories of layers; nothing on the way to a path is a link or a mount."""

    def read(self, layer: LayerDir, path: bytes, limit: int) -> bytes | Absent | Refused:
        """Return a regular file's bytes, Refused where it has more than *limit* or is no regular file."""

    def head(self, layer: LayerDir, path: bytes, size: int) -> bytes | Absent | Refused:
        """Return the first *size* bytes of a regular file, fewer where it is shorter."""

    def listed(self, layer: LayerDir, path: bytes) -> Sequence[bytes] | Absent | Refused:
        """Return the names in a directory, in order, Refused where they are too many."""

    def link(self, layer: LayerDir, path: bytes) -> bytes | Absent | Refused:
        """Return the text of a symbolic link."""


class PageFrames(Protocol):
    """Comparison of page frames, and of what is in them."""

    def compare(self, vma: Vma, candidate: FileRef) -> tuple[str, str]:
        """Return "same", "different" or "silent", and what was seen or stood in the way."""

    def contents(self, vma: Vma, candidate: FileRef) -> tuple[str, str]:
        """Return "same", "different" or "silent": whether the pages of the mapping have a candidate's bytes.

        Of the mapping's pages only those are read that are in memory.
        """


class BuildIds(Protocol):
    """Build ids: of the file that is mapped, and of a file that can be opened."""

    def mapped(self, vma: Vma) -> bytes | Refused:
        """Return the build id that the kernel reads in the file really mapped."""

    def of(self, candidate: FileRef) -> bytes | Refused:
        """Return the build id in a candidate's ELF notes."""


class VmFiles(Protocol):
    """What the kernel's own structures say of a mapping (struct vm_area_struct, vm_file)."""

    def of(self, vma: Vma) -> Held | Refused:
        """Return what a mapping holds."""

    def compare(self, vma: Vma, candidate: FileRef, together: Sequence[FileRef] = ()) -> tuple[str, str]:
        """Return "same", "different" or "silent": whether a candidate, mapped by us, is the mapping's inode.

        *together* are those that the mapping will be compared with: to see them at once costs less.
        """


def same_handle(one: Handle | None, other: Handle | None) -> bool:
    """Return whether two handles are known and equal."""
    return one is not None and one == other
