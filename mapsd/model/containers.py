"""The nouns of container engines: a process's container, and the layers of its image.

Directories are bytes, as the observer names them. Texts are what an engine's files say; they are printable: a text that
is not is left out, and `reason` says so.
"""

from mapsd.light import NamedTuple
from mapsd.model import Evidence, ProcessFacts


class Container(NamedTuple):
    """A container; what is not established is None, *reason* says why.

    *engine* is docker, containerd, podman, cri-o, buildah, lxc, systemd-nspawn, runc or crun, None where no engine is
    known to have made it: it is a process in namespaces of its own. *image* is the name that the container was made
    from, *image_id* the digest of the image's configuration, *image_digest* that of its manifest or index. *pod* and
    *namespace* are Kubernetes' names, or a pod of the engine's own.

    *store* is the directory of the engine's files, which whoever owns them may have written: a name is the owner's
    word. *driver* is how the store keeps layers, *key* what it calls the container's own, *group* which of several
    namespaces of the engine's. *others* are the directories of further stores that layers are in.
    """

    engine: str | None
    id: str | None = None
    name: str | None = None
    image: str | None = None
    image_id: str | None = None
    image_digest: str | None = None
    pod: str | None = None
    namespace: str | None = None
    store: bytes | None = None
    driver: str = ""
    key: str = ""
    group: str = ""
    others: tuple[bytes, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    reason: str | None = None


class Uncontained(NamedTuple):
    """A process is in no container: *reason* says what was seen."""

    reason: str


class Unidentified(NamedTuple):
    """Whether a process is in a container, or in which, is not established: *reason*, and what would settle it."""

    reason: str
    needs: tuple[str, ...] = ()


Contained = Container | Uncontained | Unidentified


class ImageLayer(NamedTuple):
    """One layer of an image: *position* counts from 1, the base; what is not established is None.

    *diff_id* is the digest of the layer's files as an archive, *digest* that of the archive as a registry has it (often
    compressed). *directory* is where the store keeps the files, empty where they are not unpacked (an image of a disk
    may be so). *step* is what the image's history says made it, on one line: what is not printable in it is shown as
    U+FFFD.
    """

    position: int
    diff_id: str | None
    digest: str | None
    directory: bytes
    step: str | None


class ImageLayers(NamedTuple):
    """The layers of a container's image, the base first; *reason* says what is missing, and why."""

    layers: tuple[ImageLayer, ...]
    reason: str | None = None

    def of(self, directory: bytes | None) -> ImageLayer | None:
        """Return the layer whose files are in a directory (the `layer.path` of an answer), None where it is none.

        The container's own upper layer is none of the image's.
        """
        return next((layer for layer in self.layers if layer.directory == directory), None) if directory else None


class Housed(NamedTuple):
    """A process, what is known of its container, and the layers of its image; *as_of* is in seconds since the epoch."""

    process: ProcessFacts
    as_of: float
    found: Contained
    image: ImageLayers = ImageLayers(())


class Running(NamedTuple):
    """A container and its processes, in the order of their start; *image* are the layers of its image.

    One of a disk has no processes.
    """

    container: Container
    pids: tuple[int, ...]
    image: ImageLayers


class Containers(NamedTuple):
    """The containers that run; *as_of* is in seconds since the epoch.

    *unidentified* are processes of which it is not known whether they are in one; *gone* and *denied* count those that
    exited meanwhile or may not be read. Of a disk, they are stores with something spoilt, by their directories.
    """

    running: tuple[Running, ...]
    unidentified: tuple[tuple[int | str, Unidentified], ...]
    gone: int
    denied: int
    as_of: float


class Runner(NamedTuple):
    """A process that may have made a container: its real user id, its program and arguments as it shows them.

    *exe* is the kernel's word and None where it is hidden, *arguments* are the process's own. *space* is the text of
    its link to its mount namespace, *cwd* that of its working directory.
    """

    pid: int
    uid: int
    exe: bytes | None
    arguments: tuple[bytes, ...]
    space: bytes | None
    cwd: bytes | None


class MountedElsewhere(NamedTuple):
    """A mount point of a superblock in another mount namespace, as one of its processes names it."""

    runner: Runner
    mount_point: bytes
