"""Processes that serve the files of a FUSE filesystem, as the kernel and their own arguments tell of them."""

from mapsd.light import NamedTuple
from mapsd.model import DeviceId


class ServedFrom(NamedTuple):
    """A file that a server has open: its name as the server's kernel links have it, and its own identity.

    *device* and *fs_type* are None where the server's mounts do not list its mount. *believed* says that the server's
    word on it counts: it is root's, or the file belongs to the user who runs the server, or to one whom he may be.
    """

    path: bytes
    device: DeviceId | None
    inode: int | None
    fs_type: bytes | None
    believed: bool


class Server(NamedTuple):
    """A process that has the device of a FUSE connection open, and so answers for its filesystem.

    *program* is the last part of its exe link, *started* in nanoseconds since the epoch; *outside* says that it has the
    machine's root. *lowers* and *upper* are the texts of the layers that it was told to merge, the topmost first: its
    own word. *directories* are those that it has open, *files* all else with a name.
    """

    pid: int
    program: bytes
    started: int
    outside: bool
    lowers: tuple[bytes, ...]
    upper: bytes | None
    directories: tuple[bytes, ...]
    files: tuple[ServedFrom, ...]
