"""From one open file to its answer.

A descriptor of an overlay's file reads the file that the overlay has now: the upper copy, once there is one, also where
it was opened before (since Linux 4.19, d1d04ef8572b "ovl: stack file ops"). So its data is never older than what the
user path opens, and no state `copied-up` is possible. The rules for mappings are asked as if what is held were mapped
now, which is the same (see mapsd.linux.remapped).
"""

from mapsd.light import Callable
from mapsd.model import Answer, Backing, DeviceId, Evidence, FileFacts, Mount, Refused, Vma
from mapsd.model.held import Held
from mapsd.model.open import DATA
from mapsd.parse.overlay_xattrs import OVERLAY_FID
from mapsd.resolve import stacked
from mapsd.resolve.assemble import assemble
from mapsd.resolve.candidates import NEEDS_FRAMES
from mapsd.resolve.comparison import NEEDS_PAGE
from mapsd.resolve.finding import Finding, confirmed
from mapsd.resolve.hostpath import host_path
from mapsd.resolve.mounts import inside, strip_root
from mapsd.resolve.names import locate
from mapsd.resolve.opennow import reads_now
from mapsd.resolve.overlays import OVERLAY, Overlay
from mapsd.resolve.scene import Place, Scene, same_file
from mapsd.resolve.vma import STACKED, Resolver
from mapsd.resolve.vmfile import completed

Printed = Callable[[], Vma | Refused]  # what our own maps say of a mapping of what is held
_FIRST = 0xEFFFFFF8  # MNT_NS_INIT_INO, include/uapi/linux/nsfs.h: what is less is no namespace of a process
_MERGED = "an overlay's directory may be merged of several layers: mapsd which names them"
_LINK = "which layer's symbolic link it is was not found out"
_PRIVATE = "the mount is in no namespace: a read-only one that was unmounted, or a layer of an overlay"
_INTERNAL = "the kernel's own memory, or a file of a filesystem that was unmounted"
_OTHER_MOUNT = "the path reaches the same file through another mount"
_DEEPER = "what is read is a file of an overlay below: which file it stands for there was not found out"
_NOW = "what the overlay's file reads now:"
_PSEUDO = frozenset({b"/secretmem (deleted)", b"/[aio] (deleted)"})


def answer(text: bytes | None, kind: str, seen: FileFacts, printed: Printed, resolver: Resolver) -> Answer | None:
    """Return what is known of what is held, None where it changed while it was asked about.

    *text* is its link's, None for one that is too long to be printed.
    """
    vma = _as_vma(text, seen, resolver.scene)
    place = _place(vma, text, kind, seen, resolver)
    host = host_path(place, resolver.scene)
    finding = Finding(None, "none", None, ())
    if kind in DATA:
        finding = _finding(vma, place, kind, host, printed, resolver)
    if place.verdict == "live":
        if finding.agrees is False:
            return None  # it was copied up in between
        finding = finding._replace(agrees=True)
    return assemble(vma, place, _worded(finding, resolver.scene), host, resolver.scene.proc)


def _worded(finding: Finding, scene: Scene) -> Finding:
    """Return a finding whose reason speaks of an open file, and without what nobody needs who has it."""
    # That what is held is what the overlay reads now is no observation here.
    said = [part.replace("the mapping", "what is open") for part in (finding.reason or "").split("; ")
            if not part.startswith(_NOW)]
    lacking = () if scene.machine.reads_trusted() else (NEEDS_FRAMES,)
    needs = tuple(dict.fromkeys("a page of the file in memory" if need == NEEDS_PAGE else need
                                for need in finding.needs if need != NEEDS_FRAMES or need in lacking))
    evidence = tuple(item for item in finding.evidence if not item.detail.startswith(_NOW))
    reason = "; ".join(dict.fromkeys(said)) or ("which layer's file it is was not found out" if finding.reason else "")
    return finding._replace(reason=reason or None, needs=needs, evidence=evidence)


def _as_vma(text: bytes | None, seen: FileFacts, scene: Scene) -> Vma:
    mount = _mount_of(seen, scene)
    device = mount.device if mount is not None else seen.st_dev
    return Vma(0, 0, "r--s", 0, device, seen.inode, (text or b"").replace(b"\n", rb"\012"))


def _mount_of(seen: FileFacts, scene: Scene) -> Mount | None:
    return scene.table.by_id(seen.mount_id) or scene.host.by_id(seen.mount_id)


def _place(vma: Vma, text: bytes | None, kind: str, seen: FileFacts, resolver: Resolver) -> Place:
    scene = resolver.scene
    if text is None:
        return Place("unknown", None, seen, _mount_of(seen, scene), "the path is longer than the kernel prints")
    if kind == "directory":
        place = _root(text, seen, scene) or locate(vma, seen._replace(nlink=1), scene)  # it has no other links
        place = place._replace(facts=seen)
    else:
        place = locate(vma, seen, scene)
    if place.verdict == "nowhere" and text in _PSEUDO:
        return place._replace(verdict="unknown", reason=_INTERNAL)
    if place.verdict == "nowhere":
        return place._replace(verdict="detached")
    if place.verdict == "private":
        place = place._replace(verdict="unknown", reason=_PRIVATE)
    if place.verdict == "unknown" and kind == "file" and _is_overlaid(place.mount, seen):
        return _by_mount(vma, place, resolver)
    return place


def _root(text: bytes, seen: FileFacts, scene: Scene) -> Place | None:
    """Return the place of a directory whose name is the process's root, None for any other."""
    if strip_root(text, scene.root) != b"/":
        return None
    mount, found = _mount_of(seen, scene), scene.process.named(b"/")
    if isinstance(found, FileFacts) and same_file(found, seen):
        same = found.mount_id == seen.mount_id
        inner = [inside(one, path) for table, path in ((scene.table, b"/"), (scene.host, text))
                 for one in (table.by_id(seen.mount_id),) if one is not None]
        return Place("live", b"/", seen, mount, detail="" if same else _OTHER_MOUNT, inner=inner[0] if inner else None)
    # What is mounted on the root itself has its text as well: a lookup of it stays below.
    known = scene.table.by_id(seen.mount_id)
    return Place("unknown", None, seen, mount, "the name is the root's, which is another directory") if known else None


def _by_mount(vma: Vma, place: Place, resolver: Resolver) -> Place:
    """Return where a file is whose mount the tables do not have: asked of the kernel's own structures."""
    scene, vm_files = resolver.scene, resolver.means.vm_files
    if vm_files is None or scene.namespace is None or place.mount is not None:
        return place
    held = vm_files.of(vma)
    if not isinstance(held, Held) or 0 < held.namespace < _FIRST or held.namespace == scene.namespace:
        return place
    verdict, where = ("unreachable", "another") if held.namespace else ("detached", "no")
    return Place(verdict, None, place.facts, None, inner=place.inner,
                 detail=f"the kernel's own mount of the file is in {where} mount namespace")


def _is_overlaid(mount: Mount | None, seen: FileFacts) -> bool:
    if mount is not None:
        return mount.fs_type == OVERLAY
    return seen.handle is not None and seen.handle.type == OVERLAY_FID


def _finding(vma: Vma, place: Place, kind: str, host: bytes | None, printed: Printed, resolver: Resolver) -> Finding:
    mount, seen = place.mount or resolver.mount_of(vma), place.facts
    if seen is None:
        return Finding(None, "none", None, (), place.reason)
    if not _is_overlaid(mount, seen):
        return _plain(seen, mount, host)
    if kind == "directory":
        return Finding(None, "none", None, (), _MERGED)
    if kind == "symlink":
        known = reads_now(vma, place, resolver.overlay(mount), resolver) if mount and place.verdict == "live" else None
        return known or Finding(None, "none", None, (), _LINK)
    if mount is None:
        finding = resolver.unmounted(vma, place)
    else:
        finding = _overlaid(vma, place, resolver.overlay(mount), printed, resolver)
    if place.verdict == "live" and finding.agrees is None:
        finding = finding._replace(agrees=True)
    return completed(vma, place, finding, resolver)


def _plain(seen: FileFacts, mount: Mount | None, host: bytes | None) -> Finding:
    """Return the finding of a file that is on no overlay: stat(2) says its own device and inode."""
    if mount is not None and mount.fs_type.startswith(STACKED) and mount.fs_type != b"fuseblk":
        name = mount.fs_type.decode("ascii", "backslashreplace")
        return Finding(None, "none", None, (), f"{name} is served from other files, which the kernel does not know")
    if mount is None and not seen.st_dev.major:
        return Finding(None, "none", None, (), "the filesystem is mounted nowhere that can be seen")
    device = mount.device if mount is not None else seen.st_dev
    evidence = Evidence("kernel-inode", f"stat gives the file's own inode {seen.inode} on device {device}")
    backing = Backing(host, device, seen.inode, mount.fs_type if mount is not None else None)
    return Finding(backing, "kernel-inode", None, (evidence,))


def _overlaid(vma: Vma, place: Place, overlay: Overlay, printed: Printed, resolver: Resolver) -> Finding:
    known = reads_now(vma, place, overlay, resolver) if place.verdict == "live" else None
    if known is not None and known.proof == "sole-candidate" and not resolver.means.demanded:
        return known
    line = printed()
    if isinstance(line, Vma) and _is_layers(line.device, resolver.scene):
        finding = stacked.by_kernel_inode(line, overlay, place, resolver)
    else:
        finding = _at_the_bottom(resolver.held(vma, place, overlay))
    return finding if known is None else confirmed(known, finding)


def _at_the_bottom(finding: Finding) -> Finding:
    """Return a finding that names no file of another overlay below: that one stands for a file as well."""
    if finding.backing is None or finding.backing.fs_type != OVERLAY:
        return finding
    return finding._replace(backing=None, proof="none", reason=_DEEPER, needs=())


def _is_layers(device: DeviceId, scene: Scene) -> bool:
    """Return whether a device that our own maps print is that of a layer's filesystem (up to Linux 6.7)."""
    mounts = [mount for table in (scene.host, scene.table) for mount in table.of_device(device)]
    return bool(mounts) and all(mount.fs_type != OVERLAY for mount in mounts)
