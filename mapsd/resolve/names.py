"""What the process calls the file: the shown path is a claim, checked by identity and by mount."""

from mapsd.light import Iterator, NamedTuple
from mapsd.model import Absent, FileFacts, Found, Mount, Refused, Vma
from mapsd.parse.escape import DELETED, readings
from mapsd.ports import ByVma
from mapsd.resolve.mounts import SUBVOLUMES, inside, is_below, strip_root
from mapsd.resolve.scene import Place, Scene, same_file

NEEDS_LINK = "CAP_CHECKPOINT_RESTORE"
_AWAY = {"here": "the file lies outside the process's root", "elsewhere": "its mount is in another mount namespace"}


def locate(vma: Vma, mapped: Found, scene: Scene) -> Place:
    """Return where the mapping's file is; *mapped* is what its map_files link opens now."""
    texts = list(_texts(vma, scene))
    if isinstance(mapped, FileFacts):
        return _with_link(vma, mapped, texts, scene)
    return _without_link(vma, mapped, texts, scene)


def _texts(vma: Vma, scene: Scene) -> Iterator[bytes]:
    # Only the newline is escaped in maps: without a backslash the link says the same (fs/proc/task_mmu.c).
    link = scene.process.link(vma) if b"\\" in vma.name else vma.name
    if link is not None:
        yield link
    else:
        yield from readings(vma.name)


class Reading(NamedTuple):
    """One way to read the shown path: the mark that was cut off, the observer's text and the process's name."""

    cut: bytes
    text: bytes
    name: bytes


def _own_names(texts: list[bytes], scene: Scene) -> Iterator[Reading]:
    """Yield the readings inside the process's root, the literal ones first."""
    for cut in (b"", DELETED):
        for text in texts:
            if text.endswith(cut):
                whole = text[:len(text) - len(cut)]
                name = strip_root(whole, scene.root)
                if name is not None and name != b"/":
                    yield Reading(cut, whole, name)


def _with_link(vma: Vma, mapped: FileFacts, texts: list[bytes], scene: Scene) -> Place:
    mount = scene.table.by_id(mapped.mount_id) or scene.host.by_id(mapped.mount_id)
    seen = [(reading, scene.process.named(reading.name)) for reading in _own_names(texts, scene)]
    for reading, found in seen:
        if isinstance(found, FileFacts) and same_file(found, mapped) and found.mount_id == mapped.mount_id:
            if reading.cut:
                return _retaken(mapped, mount)
            if reading.name.endswith(DELETED) and mapped.nlink > 1:
                return Place("unknown", None, mapped, mount, "the name ends in ' (deleted)' and the file has other "
                             "links: the kernel prints the same for either name")
            return Place("live", reading.name, mapped, mount, inner=_inner(mapped.mount_id, reading, scene))
    return _elsewhere(vma, mapped, mount, seen, scene)


def _retaken(mapped: FileFacts, mount: Mount | None) -> Place:
    return Place("unknown", None, mapped, mount, "the kernel calls the name deleted, and it opens this very file: "
                 "another link of the file may have taken it")


def _inner(mount_id: int, reading: Reading, scene: Scene) -> bytes | None:
    # A process that was chrooted below a mount's root does not list that mount: the observer may.
    for table, path in ((scene.table, reading.name), (scene.host, reading.text)):
        mount = table.by_id(mount_id)
        if mount is not None:
            return inside(mount, path)
    return None


def _elsewhere(vma: Vma, mapped: FileFacts, mount: Mount | None, seen: list[tuple[Reading, Found]],
               scene: Scene) -> Place:
    here = scene.table.by_id(mapped.mount_id) is not None or mapped.mount_id == scene.root_mount
    if not here:
        space = scene.machine.place_of(mapped.mount_id, ByVma(vma.start, vma.end))
        if space.place == "unknown":
            return Place("unknown", None, mapped, mount, space.reason, space.needs)
        mount = mount or space.mount
        if space.place in {"nowhere", "private"}:
            return Place(space.place, None, mapped, None, inner=_below_mount(vma, scene))
    for reading, found in seen:
        if isinstance(found, FileFacts) and same_file(found, mapped):
            if reading.cut:
                return _retaken(mapped, mount)
            return Place("live", reading.name, mapped, mount, detail="the path reaches the same file through "
                         "another mount", inner=_inner(found.mount_id, reading, scene))
    if not here:
        return Place("unreachable", None, mapped, mount, inner=_in_view(vma, mount, scene), detail=_AWAY[space.place])
    if not seen:
        return _outside(vma, mapped, mount, scene)
    place = _gone(mapped, mount, seen, scene)
    if place.inner is None and len(seen) <= 2:
        return place._replace(inner=_inner(mapped.mount_id, seen[-1][0], scene))
    return place


def _outside(vma: Vma, mapped: FileFacts, mount: Mount | None, scene: Scene) -> Place:
    if all(text == b"/" for text in _texts(vma, scene)):
        # No mount's: the kernel mixed a mount with a dentry of another filesystem (Ubuntu's 5.0).
        return Place("unknown", None, mapped, mount, "the kernel shows no name of the file")
    if scene.root is None:
        return Place("unknown", None, mapped, mount, "the process's root cannot be read", "CAP_SYS_PTRACE")
    return Place("unreachable", None, mapped, mount, inner=_in_view(vma, mount, scene), detail=_AWAY["here"])


def _below_mount(vma: Vma, scene: Scene) -> bytes | None:
    """Return the path below a mount that has left its namespace: its text begins at the mount's own root."""
    texts = list(_texts(vma, scene))
    return texts[0].removesuffix(DELETED).strip(b"/") if len(texts) == 1 else None


def _in_view(vma: Vma, mount: Mount | None, scene: Scene) -> bytes | None:
    """Return where a name that the process's own mounts do not explain lies inside its filesystem."""
    texts = list(_texts(vma, scene))
    return inside(mount, texts[0].removesuffix(DELETED)) if mount is not None and len(texts) == 1 else None


def _gone(mapped: FileFacts, mount: Mount | None, seen: list[tuple[Reading, Found]], scene: Scene) -> Place:
    """Return the place of a file whose shown name opens something else, or nothing."""
    marked = [entry for entry in seen if entry[0].cut]
    plain = [entry for entry in seen if not entry[0].cut]
    if scene.root_mount is None or len(marked) > 1 or len(plain) > 1:
        return Place("unknown", None, mapped, mount, "the name can be read in more than one way")
    leads = [scene.table.leads_to(reading.name, scene.root_mount) for reading, _ in (*marked, *plain)]
    if not marked and isinstance(plain[0][1], Refused):
        refused = plain[0][1]
        return Place("unknown", None, mapped, mount, f"the name cannot be looked up: {refused.reason}", refused.needs)
    if not marked:
        verdict = "covered" if leads[0] != mapped.mount_id else "unknown"
        reason = "" if verdict == "covered" else "the path no longer opens this file, and no mark says why"
        return Place(verdict, plain[0][0].name if verdict == "covered" else None, mapped, mount, reason,
                     opened=plain[0][1], over=scene.table.by_id(leads[0]))
    (reading, found), (_, literal) = marked[0], plain[0]
    hidden = [lead != mapped.mount_id for lead in leads]
    if hidden[1] or isinstance(literal, Refused):
        # The file may be one that is really named "… (deleted)", alive under the mount.
        if hidden[0] and hidden[1]:
            return Place("covered", None, mapped, mount, over=scene.table.by_id(leads[0]))
        return Place("unknown", None, mapped, mount, "a mount hides whether the name really ends in ' (deleted)'")
    if hidden[0]:
        return Place("covered", reading.name, mapped, mount, opened=found, over=scene.table.by_id(leads[0]))
    if not _rooted_at_mount(scene):
        # A directory of the same name may have been made anew, and the process's root be that one.
        return Place("unknown", None, mapped, mount, "the process's root is a directory inside a mount: whether the "
                     "deleted name lay below it is not known")
    if isinstance(found, Refused):
        return Place("unknown", None, mapped, mount, f"the name cannot be looked up: {found.reason}", found.needs)
    return Place("deleted" if isinstance(found, Absent) else "replaced", reading.name, mapped, mount, opened=found)


def _rooted_at_mount(scene: Scene) -> bool:
    root = None if scene.root_mount is None else scene.table.by_id(scene.root_mount)
    return scene.root is not None and root is not None and root.mount_point == b"/"


def _without_link(vma: Vma, refused: Found, texts: list[bytes], scene: Scene) -> Place:
    if isinstance(refused, Absent):
        return Place("unknown", None, None, None, "the mapping went away while it was asked about")
    needs = NEEDS_LINK
    for reading in _own_names(texts, scene):
        if reading.cut:
            continue
        found = scene.process.named(reading.name)
        mount = scene.table.by_id(found.mount_id) if isinstance(found, FileFacts) else None
        if not isinstance(found, FileFacts) or mount is None:
            continue
        if mount.device == vma.device and found.inode == vma.inode:
            return _claimed(reading, found, mount, scene)
    return Place("unknown", None, None, None, "the path that the kernel shows does not open this file, "
                 "and map_files may not be followed", needs)


def _claimed(reading: Reading, found: FileFacts, mount: Mount, scene: Scene) -> Place:
    """Accept a path by superblock and inode alone, where no other mount could print the same."""
    if reading.name.endswith(DELETED) and found.nlink > 1:
        return Place("unknown", None, None, None, "the name ends in ' (deleted)' and the file has other links")
    overlays = {other.device for other in scene.table.all if other.fs_type == b"overlay"}
    if mount.fs_type == b"overlay" and len(overlays) > 1:
        return Place("unknown", None, None, None, "several overlays are mounted: a nested one prints the name and "
                     "inode of the inner one", NEEDS_LINK)
    if mount.fs_type in SUBVOLUMES and any(other.root != mount.root and is_below(reading.name, other.mount_point)
                                           for other in scene.table.of_device(mount.device)):
        return Place("unknown", None, None, None, "another subvolume is mounted at or above the name: its file of the "
                     "same name can have the same inode number, as in a snapshot", NEEDS_LINK)
    return Place("live", reading.name, found, mount, inner=_inner(found.mount_id, reading, scene), claimed=True)
