"""What the process calls the file: the shown path is a claim, checked by identity and by mount."""

from collections.abc import Iterator
from typing import NamedTuple

from mapsd.model import Absent, FileFacts, Found, Mount, Refused, Vma
from mapsd.parse.escape import DELETED, readings
from mapsd.ports import ByVma, Machine, Process
from mapsd.resolve.mounts import MountTable, strip_root

NEEDS_LINK = "CAP_CHECKPOINT_RESTORE"


class Scene(NamedTuple):
    """What is the same for every mapping of one process during one attempt."""

    pid: int
    process: Process
    machine: Machine
    table: MountTable
    host: MountTable
    root: bytes | None
    root_mount: int | None


class Place(NamedTuple):
    """Where the mapping's file is, seen from the process.

    *verdict* is live (the path opens this very file), a state of the contract, nested (a private
    clone of a lower layer), or unknown with a reason. *facts* are the mapping's own, read through
    map_files or through the path once identity was confirmed; None where neither worked.
    """

    verdict: str
    path: bytes | None
    facts: FileFacts | None
    mount: Mount | None
    reason: str = ""
    needs: str = ""
    detail: str = ""


def locate(vma: Vma, scene: Scene) -> Place:
    """Return where the mapping's file is."""
    mapped = scene.process.mapped(vma)
    texts = list(_texts(vma, scene))
    if isinstance(mapped, FileFacts):
        return _with_link(vma, mapped, texts, scene)
    return _without_link(vma, mapped, texts, scene)


def _texts(vma: Vma, scene: Scene) -> Iterator[bytes]:
    link = scene.process.link(vma)
    if link is not None:
        yield link
    else:
        yield from readings(vma.name)


def _own_names(texts: list[bytes], scene: Scene) -> Iterator[tuple[bytes, bytes]]:
    """Yield (text, name inside the process's root), the literal reading first."""
    for cut in (b"", DELETED):
        for text in texts:
            if text.endswith(cut):
                name = strip_root(text[:len(text) - len(cut)], scene.root)
                if name is not None and name != b"/":
                    yield cut, name


def same_file(one: Found, other: FileFacts) -> bool:
    """Return whether two descriptors are one inode of one filesystem."""
    return isinstance(one, FileFacts) and (one.st_dev, one.inode) == (other.st_dev, other.inode)


def _with_link(vma: Vma, mapped: FileFacts, texts: list[bytes], scene: Scene) -> Place:
    mount = scene.table.by_id(mapped.mount_id) or scene.host.by_id(mapped.mount_id)
    seen = [(cut, name, scene.process.named(name)) for cut, name in _own_names(texts, scene)]
    for cut, name, found in seen:
        if isinstance(found, FileFacts) and same_file(found, mapped) and found.mount_id == mapped.mount_id:
            if not cut and name.endswith(DELETED) and mapped.nlink > 1:
                return Place("unknown", None, mapped, mount, "the name ends in ' (deleted)' and the file has other "
                             "links: the kernel prints the same for either name")
            return Place("live", name, mapped, mount)
    return _elsewhere(vma, mapped, mount, seen, scene)


def _elsewhere(vma: Vma, mapped: FileFacts, mount: Mount | None, seen: list[tuple[bytes, bytes, Found]],
               scene: Scene) -> Place:
    here = scene.table.by_id(mapped.mount_id) is not None or mapped.mount_id == scene.root_mount
    if not here:
        space = scene.machine.place_of(mapped.mount_id, ByVma(vma.start, vma.end))
        if space.place == "unknown":
            return Place("unknown", None, mapped, mount, space.reason, "CAP_SYS_ADMIN")
        if space.place == "nowhere":
            return Place("nowhere", None, mapped, None)
    for _, name, found in seen:
        if same_file(found, mapped):
            return Place("live", name, mapped, mount, detail="the path reaches the same file through another mount")
    if not here:
        return Place("unreachable", None, mapped, mount)
    if not seen:
        return _outside(mapped, mount, scene)
    return _gone(mapped, mount, seen, scene)


def _outside(mapped: FileFacts, mount: Mount | None, scene: Scene) -> Place:
    if scene.root is None:
        return Place("unknown", None, mapped, mount, "the process's root cannot be read", "CAP_SYS_PTRACE")
    return Place("unreachable", None, mapped, mount)


def _gone(mapped: FileFacts, mount: Mount | None, seen: list[tuple[bytes, bytes, Found]], scene: Scene) -> Place:
    marked = [entry for entry in seen if entry[0]]
    _, name, found = marked[0] if marked else seen[0]
    if scene.root_mount is None or len(marked or seen) > 1:
        return Place("unknown", None, mapped, mount, "the name can be read in more than one way")
    if scene.table.leads_to(name, scene.root_mount) != mapped.mount_id:
        return Place("covered", name, mapped, mount)
    if not marked:
        return Place("unknown", None, mapped, mount, "the path no longer opens this file, and no mark says why")
    if isinstance(found, Refused):
        return Place("unknown", None, mapped, mount, f"the name cannot be looked up: {found.reason}", found.needs)
    return Place("deleted" if isinstance(found, Absent) else "replaced", name, mapped, mount)


def _without_link(vma: Vma, refused: Found, texts: list[bytes], scene: Scene) -> Place:
    if isinstance(refused, Absent):
        return Place("unknown", None, None, None, "the mapping went away while it was asked about")
    needs = NEEDS_LINK
    for cut, name in _own_names(texts, scene):
        if cut:
            continue
        found = scene.process.named(name)
        mount = scene.table.by_id(found.mount_id) if isinstance(found, FileFacts) else None
        if not isinstance(found, FileFacts) or mount is None:
            continue
        if mount.device == vma.device and found.inode == vma.inode and found.kind == "file":
            return _claimed(name, found, mount, scene)
    return Place("unknown", None, None, None, "the path that the kernel shows does not open this file, "
                 "and map_files may not be followed", needs)


def _claimed(name: bytes, found: FileFacts, mount: Mount, scene: Scene) -> Place:
    """Accept a path by superblock and inode alone, where no other mount could print the same."""
    if name.endswith(DELETED) and found.nlink > 1:
        return Place("unknown", None, None, None, "the name ends in ' (deleted)' and the file has other links")
    overlays = {other.device for other in scene.table.all if other.fs_type == b"overlay"}
    if mount.fs_type == b"overlay" and len(overlays) > 1:
        return Place("unknown", None, None, None, "several overlays are mounted: a nested one prints the name and "
                     "inode of the inner one", NEEDS_LINK)
    return Place("live", name, found, mount)
