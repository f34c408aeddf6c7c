"""What the kernel prints of a process: lines of maps and of mountinfo."""

from mapsd.light import NamedTuple


class Host(NamedTuple):
    """Where a machine is seen: its processes in *procfs*, its files below *root* (None: our own root)."""

    procfs: bytes = b"/proc"
    root: bytes | None = None


HERE = Host()


class DeviceId(NamedTuple):
    """A device number; maps prints it in hexadecimal, mountinfo in decimal."""

    major: int
    minor: int

    def __str__(self) -> str:
        """Return the decimal form of mountinfo."""
        return f"{self.major}:{self.minor}"


class Vma(NamedTuple):
    """One line of maps; *name* is the kernel's raw text. See proc_pid_maps(5)."""

    start: int
    end: int
    perms: str
    offset: int
    device: DeviceId
    inode: int
    name: bytes


class Mount(NamedTuple):
    """One line of mountinfo, unescaped except *options* (the superblock's). See proc_pid_mountinfo(5).

    *shared* says that what is mounted on it is mounted on its peers as well: such mounts cannot be moved.
    """

    id: int
    parent: int
    device: DeviceId
    root: bytes
    mount_point: bytes
    fs_type: bytes
    options: bytes
    shared: bool = False
