"""Files, and the layers that they lie in."""

from mapsd.light import NamedTuple
from mapsd.model.kernel import DeviceId


class Handle(NamedTuple):
    """A file handle: its type and bytes. See name_to_handle_at(2)."""

    type: int
    data: bytes


class OverlayHandle(NamedTuple):
    """The real file that an overlay names in its own handle (fs/overlayfs/overlayfs.h, struct ovl_fb)."""

    upper: bool
    uuid: bytes
    handle: Handle


class FileFacts(NamedTuple):
    """What one file object is, read through one descriptor.

    *kind* is file, directory, symlink, whiteout or other; *path* the name that the
    observer's kernel gives it, empty when it gives none; *changed* its ctime, *born* its time of birth (None: its
    filesystem keeps none), in nanoseconds since the epoch.
    """

    kind: str
    st_dev: DeviceId
    inode: int
    nlink: int
    size: int
    mount_id: int
    handle: Handle | None
    path: bytes = b""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    changed: int = 0
    born: int | None = None


class Absent(NamedTuple):
    """There is no such file."""


class Refused(NamedTuple):
    """The question was not answered: why, and which capability would help (empty: none known)."""

    reason: str
    needs: str = ""


Found = FileFacts | Absent | Refused


class OverlayOptions(NamedTuple):
    """The layers and switches of one overlay mount, as its options name them."""

    lower: tuple[bytes, ...]
    data: tuple[bytes, ...]
    upper: bytes | None
    work: bytes | None
    userxattr: bool
    flags: tuple[tuple[str, str], ...]

    def flag(self, name: str) -> str:
        """Return the value of the switch *name*, empty when the kernel does not print it."""
        return dict(self.flags).get(name, "")


class LayerDir(NamedTuple):
    """A layer's directory as the observer can open it.

    *born* is its time of birth, *changes* when each component of the path by which it was opened last
    changed (nanoseconds since the epoch; symbolic links for themselves); *mine* says that the path is the observer's.
    """

    key: int
    path: bytes
    facts: FileFacts
    born: int | None = None
    changes: tuple[tuple[bytes, int], ...] = ()
    mine: bool = True


class Layer(NamedTuple):
    """One layer of an overlay, *dir* None when it cannot be opened.

    *position* is the contract's `index`, *certain* whether the directory that the text names now is
    known to be the one that was mounted at this position.
    """

    role: str
    position: int
    text: bytes
    dir: LayerDir | None
    certain: bool = True
