"""The nouns: immutable values that every other module speaks in.

Paths are bytes. Addresses and offsets are in bytes, page numbers in pages.
"""

from mapsd.light import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mapsd.model.containers import Container, ImageLayer
    from mapsd.model.packages import Brought

PROOFS = ("auto", "lookup", "page-frame", "build-id", "bpf")  # what may be asked for beyond names


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
    """One line of mountinfo, unescaped except *options* (the superblock's). See proc_pid_mountinfo(5)."""

    id: int
    parent: int
    device: DeviceId
    root: bytes
    mount_point: bytes
    fs_type: bytes
    options: bytes


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


class Evidence(NamedTuple):
    """One observation that was made for an answer."""

    kind: str
    detail: str


class Backing(NamedTuple):
    """The file that holds the data; what is not established is None.

    *overlaid* says that it is, or may be, a layer's file: without it the file is on no overlay. *image_layer* is the
    image's layer that the layer's directory is, where that was asked for and is known.
    """

    path: bytes | None
    device: DeviceId | None
    inode: int | None
    fs_type: bytes | None
    overlaid: bool = False
    layer_role: str | None = None
    layer_index: int | None = None
    layer_path: bytes | None = None
    through: "tuple[Backing, ...]" = ()
    metadata: "Backing | None" = None
    image_layer: "ImageLayer | None" = None


class Trail(NamedTuple):
    """What the rules had before them when they gave an answer: for an explanation, never for a decision.

    *verdict* is what became of the name (see mapsd.resolve.scene.Place), *unnamed* why that is not known. *mapped*
    is the file by that name, *source* what led to it: "link" (map_files), "path" (the link may not be followed),
    "dentries" (the kernel's own, by BPF), or nothing. *opened* is what the path opens where that is another file or
    none, *over* the mount that covers it. *nested* says that the kernel prints the name that a layer, itself an
    overlay, has for the file.

    *layers* are those of the overlay; *candidates* the files that the mapping could hold, *copy* whether an upper copy
    with data of its own exists (yes, no, unknown because of *doubt*; empty: nobody asked). *rule* says how one of them
    was chosen: "only" (there was no other), "same" (a comparison found it mapped), "rest" (the overlay's file is
    mapped, and none of the others is); empty where the proof says it all. *untold* says why none was.
    """

    verdict: str = ""
    unnamed: str = ""
    mapped: FileFacts | None = None
    source: str = ""
    opened: Found | None = None
    over: Mount | None = None
    nested: bool = False
    layers: tuple[Layer, ...] = ()
    candidates: tuple[Backing, ...] = ()
    copy: str = ""
    doubt: str = ""
    rule: str = ""
    untold: str | None = None


class Answer(NamedTuple):
    """What is known of one mapping: the contract's fields, undecoded, and how they were found (*trail*).

    *build_id* is that of the mapped file where the kernel was asked for it on the way. *package* is that of a file's
    bytes, None where that was not asked for.
    """

    vma: Vma
    kind: str
    user_path: bytes | None = None
    host_path: bytes | None = None
    openable_path: bytes | None = None
    mount: Mount | None = None
    backing: Backing | None = None
    state: str | None = None
    proof: str = "none"
    evidence: tuple[Evidence, ...] = ()
    reason: str | None = None
    needs: tuple[str, ...] = ()
    build_id: bytes | None = None
    trail: Trail = Trail()
    package: "Brought | None" = None


class ProcessFacts(NamedTuple):
    """Who the process is. *start_time* is in clock ticks since boot; *root* as the observer names it."""

    pid: int
    start_time: int
    name: bytes
    uid: int
    exe: bytes | None
    mount_namespace: int | None
    root: bytes | None


class Skipped(NamedTuple):
    """A part of a process that could not be read."""

    what: str
    reason: str
    needs: str


class ProcessAnswer(NamedTuple):
    """Every mapping of one process; *as_of* in seconds since the epoch.

    *container* is the one that the process is in, where that was asked for and is known; *packages* says that the
    packages of files were asked for.
    """

    process: ProcessFacts
    release: str
    shows: str | None
    as_of: float
    mappings: tuple[Answer, ...]
    skipped: tuple[Skipped, ...] = ()
    container: "Container | None" = None
    packages: bool = False
