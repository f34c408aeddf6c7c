"""What is answered of a process and its mappings."""

from mapsd.light import TYPE_CHECKING, NamedTuple
from mapsd.model.files import FileFacts, Found, Layer
from mapsd.model.kernel import DeviceId, Mount, Vma

if TYPE_CHECKING:
    from mapsd.model.containers import Container, ImageLayer
    from mapsd.model.packages import Brought

PROOFS = ("auto", "lookup", "page-frame", "build-id", "bpf")  # what may be asked for beyond names


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
    "dentries" (the kernel's own, by BPF), "ours" (a mapping of our own, see mapsd.resolve.again), or nothing. *opened*
    is what the path opens where that is another file or none, *over* the mount that covers it. *nested* says that the
    kernel prints the name that a layer, itself an overlay, has for the file.

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
