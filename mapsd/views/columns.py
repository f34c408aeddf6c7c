"""The columns of a lookup's table: the contract's fields in capitals, what each means, and its value for a row."""

from mapsd.light import TYPE_CHECKING, Callable, NamedTuple, Sequence
from mapsd.model import Answer, ProcessFacts
from mapsd.views.render import confidence, escaped, printable

if TYPE_CHECKING:
    from mapsd.model.containers import Container

SAME = "(same)"
Value = bytes | str | None


class Row(NamedTuple):
    """One row: a mapping, or (*mappings*) all those of one file, of which *mapping* is the first."""

    process: ProcessFacts
    mapping: Answer
    mappings: tuple[Answer, ...]
    container: "Container | None" = None


class Column(NamedTuple):
    """One column; *value* gives exact bytes for what may hold any bytes, None where there is nothing.

    *of* says what the value belongs to: process, file or mapping. *long* is what may be too long for a terminal.
    *cell* is the text for a reader where that says more than the value.
    """

    name: str
    about: str
    value: Callable[[Row], Value]
    of: str = "file"
    long: bool = False
    cell: Callable[[Row], str] | None = None


def text(column: Column, row: Row) -> str:
    """Return what a reader sees of a value, `-` where there is none. No control byte is left."""
    value = column.value(row) if column.cell is None else column.cell(row)
    if not value:
        return "-"
    shown = escaped(value) if isinstance(value, bytes) else value
    return shown if shown.isprintable() else printable(shown)


def brief(column: Column, row: Row) -> str:
    """Return text(), or SAME for the path of a backing file that is the user path as well."""
    backing = row.mapping.backing
    if column.name == "BACKING" and backing is not None and backing.path == row.mapping.user_path is not None:
        return SAME
    return text(column, row)


def named(names: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns of these names. Raises KeyError for one that there is not."""
    known = {column.name: column for column in COLUMNS}
    return tuple(known[name] for name in names)


def _user_path(row: Row) -> str:
    mapping = row.mapping
    if mapping.state is None:
        return f"[{mapping.kind}]"
    return f"? {escaped(mapping.vma.name)}" if mapping.user_path is None else escaped(mapping.user_path)


def _backing(row: Row) -> str:
    mapping, backing = row.mapping, row.mapping.backing
    if mapping.state is None:
        return "-"
    if backing is None:
        return f"? {mapping.reason}"
    if backing.path is not None:
        return escaped(backing.path)
    return f"(no name) {backing.device or '?'} inode {'?' if backing.inode is None else backing.inode}"


def _layer(row: Row) -> str | None:
    backing = row.mapping.backing
    if backing is None or not backing.overlaid:
        return None
    if backing.layer_role is None:
        return "?"
    return backing.layer_role + ("" if backing.layer_index is None else f":{backing.layer_index}")


def _through(row: Row) -> str | None:
    crossed = row.mapping.backing.through if row.mapping.backing is not None else ()
    return " ".join(f"{one.device or '?'}/{'?' if one.inode is None else one.inode}" for one in crossed) or None


def _metadata(row: Row) -> Value:
    backing = row.mapping.backing
    return backing.metadata.path if backing is not None and backing.metadata is not None else None


def _container(field: str) -> Callable[[Row], Value]:
    return lambda row: None if row.container is None else getattr(row.container, field)


def _called(row: Row) -> str | None:
    """Return a container's name, its id where it has none."""
    found = row.container
    return None if found is None else found.name or found.id or "(no engine)"


def _image_layer(field: str) -> Callable[[Row], Value]:
    def value(row: Row) -> Value:
        backing = row.mapping.backing
        found = None if backing is None or backing.image_layer is None else getattr(backing.image_layer, field)
        return None if found is None else str(found)
    return value


def _part(part: str, field: str) -> Callable[[Row], Value]:
    """Return the value of a field of the mount or of the backing file, where there is one."""
    def value(row: Row) -> Value:
        whole = getattr(row.mapping, part)
        found = None if whole is None else getattr(whole, field)
        return found if found is None or isinstance(found, bytes) else str(found)
    return value


def _of_file(value: Callable[[Answer], Value]) -> Callable[[Row], Value]:
    return lambda row: None if row.mapping.state is None else value(row.mapping)


COLUMNS = (
    Column("PID", "the process", lambda row: str(row.process.pid), "process"),
    Column("NAME", "its name, as in comm", lambda row: row.process.name, "process"),
    Column("UID", "its real user id", lambda row: str(row.process.uid), "process"),
    Column("EXE", "the program that it executes, as the kernel names it", lambda row: row.process.exe, "process",
           long=True),
    Column("ROOT", "its root directory, as the kernel names it", lambda row: row.process.root, "process", long=True),
    Column("MOUNT_NAMESPACE", "its mount namespace",
           lambda row: None if row.process.mount_namespace is None else str(row.process.mount_namespace), "process"),
    Column("CONTAINER", "its container's name, or id; `(no engine)` for a root and namespaces that no engine made",
           _called, "process"),
    Column("CONTAINER_ID", "the engine's id of it", _container("id"), "process", long=True),
    Column("ENGINE", "the engine: docker, containerd, podman, cri-o, buildah, lxc, systemd-nspawn, runc or crun",
           _container("engine"), "process"),
    Column("IMAGE", "the image's name that the container was made from", _container("image"), "process", long=True),
    Column("IMAGE_DIGEST", "the digest of the image's manifest or index", _container("image_digest"), "process",
           long=True),
    Column("POD", "its pod", _container("pod"), "process"),
    Column("POD_NAMESPACE", "the pod's namespace", _container("namespace"), "process"),
    Column("ADDRESS", "first address of the mapping and the one after its last, as in maps",
           lambda row: f"{row.mapping.vma.start:x}-{row.mapping.vma.end:x}", "mapping"),
    Column("START", "its first address", lambda row: f"{row.mapping.vma.start:#x}", "mapping"),
    Column("END", "the address after its last", lambda row: f"{row.mapping.vma.end:#x}", "mapping"),
    Column("SIZE", "bytes of address space; with --files of all mappings of the file",
           lambda row: str(sum(one.vma.end - one.vma.start for one in row.mappings)), "mapping"),
    Column("PERMS", "its permissions, as in maps", lambda row: row.mapping.vma.perms, "mapping"),
    Column("OFFSET", "bytes from the start of the file", lambda row: str(row.mapping.vma.offset), "mapping"),
    Column("MAPPINGS", "how many mappings the row stands for", lambda row: str(len(row.mappings)), "mapping"),
    Column("KIND", "file, anonymous, heap, stack, vdso, vvar, vsyscall, memfd, shm, device or other",
           lambda row: row.mapping.kind),
    Column("SHOWN", "the path as the kernel printed it: a claim", lambda row: row.mapping.vma.name, long=True),
    Column("SHOWN_DEVICE", "the device as the kernel printed it", lambda row: str(row.mapping.vma.device)),
    Column("SHOWN_INODE", "the inode as the kernel printed it", lambda row: str(row.mapping.vma.inode)),
    Column("USER_PATH", "what the process calls the file; in a table `? ` and the kernel's claim where that is not "
           "established, and the kind of what is no file", lambda row: row.mapping.user_path, "file", long=True,
           cell=_user_path),
    Column("HOST_PATH", "a path of yours that opens what the user path opens", lambda row: row.mapping.host_path,
           long=True),
    Column("OPENABLE_PATH", "the same through /proc", lambda row: row.mapping.openable_path, long=True),
    Column("MOUNT", "where the mount of the user path is", _part("mount", "mount_point"), long=True),
    Column("MOUNT_ID", "its id", _part("mount", "id")),
    Column("MOUNT_DEVICE", "its device", _part("mount", "device")),
    Column("FS_TYPE", "its filesystem", _part("mount", "fs_type")),
    Column("BACKING", "the file that holds the bytes; in a table what identifies it where it has no path, and `? ` and "
           "the reason where it is not established", _part("backing", "path"), "file", long=True, cell=_backing),
    Column("BACKING_DEVICE", "its device", _part("backing", "device")),
    Column("BACKING_INODE", "its inode", _part("backing", "inode")),
    Column("BACKING_FS_TYPE", "its filesystem", _part("backing", "fs_type")),
    Column("LAYER", "its layer, upper, lower or data, and which (0 the upper, 1 the topmost lower); `?` where that is "
           "not established, nothing for a file on no overlay", _layer),
    Column("LAYER_PATH", "the directory of its layer", _part("backing", "layer_path"), long=True),
    Column("POSITION", "which layer of the image that is, counted from the base, 1", _image_layer("position")),
    Column("DIFF_ID", "the digest of the layer's files", _image_layer("diff_id"), long=True),
    Column("DIGEST", "the digest that a registry has the layer by", _image_layer("digest"), long=True),
    Column("STEP", "the step of the image's build that made the layer", _image_layer("step"), long=True),
    Column("METADATA", "under metacopy, the file that holds the metadata", _metadata, long=True),
    Column("THROUGH", "under nested overlays, device/inode in each overlay crossed, outermost first", _through),
    Column("STATE", "whether path and bytes agree: current, copied-up, replaced, deleted, covered, detached, "
           "unreachable or unknown", lambda row: row.mapping.state),
    Column("CONFIDENCE", "how sure the backing file is: proven, inferred or unknown", _of_file(confidence)),
    Column("PROOF", "the observation behind it: kernel-inode, bpf, page-frame, build-id, sole-candidate, lookup or "
           "none", _of_file(lambda mapping: mapping.proof)),
    Column("EVIDENCE", "every observation that was made",
           lambda row: "; ".join(f"{seen.kind}: {seen.detail}" for seen in row.mapping.evidence) or None, long=True),
    Column("BUILD_ID", "of the mapped file, where the kernel was asked for it",
           lambda row: row.mapping.build_id.hex() if row.mapping.build_id else None),
    Column("REASON", "what stood in the way of what is not established", lambda row: row.mapping.reason, long=True),
    Column("NEEDS", "what would settle it", lambda row: ",".join(row.mapping.needs) or None),
)
MAPPINGS = ("ADDRESS", "PERMS", "STATE", "LAYER", "CONFIDENCE", "USER_PATH", "BACKING")
FILES = ("START", "MAPPINGS", "STATE", "LAYER", "CONFIDENCE", "USER_PATH", "BACKING")
# Those that a lookup must ask for the container.
OF_CONTAINERS = frozenset({"CONTAINER", "CONTAINER_ID", "ENGINE", "IMAGE", "IMAGE_DIGEST", "POD", "POD_NAMESPACE",
                           "POSITION", "DIFF_ID", "DIGEST", "STEP"})
