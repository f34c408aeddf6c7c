"""From one mapping to its answer: the order of the steps."""

from mapsd.model import Answer, Backing, Evidence, FileFacts, Layer, Mount, OverlayOptions, Vma
from mapsd.parse.maps import kind_of
from mapsd.parse.overlay_xattrs import OVERLAY_FID
from mapsd.ports import PageFrames
from mapsd.resolve import stacked
from mapsd.resolve.backing import Finding, candidates, decide
from mapsd.resolve.mounts import join, rest
from mapsd.resolve.names import Place, Scene, locate
from mapsd.resolve.overlays import OVERLAY, Overlay, build

# Filesystems whose files are other files: what they name by device and inode is not where the bytes are.
STACKED = (b"fuse", b"ecryptfs", b"aufs", b"unionfs", b"shiftfs", b"wrapfs", b"mhddfs", b"incremental-fs")
STATES = frozenset({"detached", "unreachable", "covered", "deleted", "replaced"})


class Resolver:
    """Answers the mappings of one process; overlays are opened once."""

    def __init__(self, scene: Scene, frames: PageFrames) -> None:
        """Answer for one scene."""
        self.scene, self.frames = scene, frames
        self._overlays: dict[tuple[object, bytes], Overlay] = {}

    def answer(self, vma: Vma) -> Answer:
        """Return what is known of one mapping."""
        kind = kind_of(vma)
        if kind != "file":
            return Answer(vma, kind)
        place = locate(vma, self.scene)
        if place.facts is not None and place.facts.kind != "file":
            return Answer(vma, "device" if place.facts.kind in {"device", "whiteout"} else "other")
        if place.verdict == "nowhere":
            return _assemble(vma, place._replace(verdict="detached"), self._unmounted(vma, place), self.scene)
        if place.verdict == "private":
            return self._private(vma, place)
        return self._placed(vma, place)

    def overlay(self, mount: Mount) -> Overlay:
        """Return the overlay of a mount."""
        key = (mount.device, mount.options)
        if key not in self._overlays:
            self._overlays[key] = build(mount, self.scene)
        return self._overlays[key]

    def _placed(self, vma: Vma, place: Place) -> Answer:
        mount = place.mount or self._mount_of(vma)
        if mount is None or place.facts is None:
            return _assemble(vma, place, self._plain(vma, place, mount), self.scene)
        if mount.fs_type == OVERLAY:
            return _assemble(vma, place, self._overlaid(vma, place, mount), self.scene)
        return _assemble(vma, place, self._plain(vma, place, mount), self.scene)

    def _mount_of(self, vma: Vma) -> Mount | None:
        for table in (self.scene.table, self.scene.host):
            for mount in table.of_device(vma.device):
                return mount
        return None

    def _plain(self, vma: Vma, place: Place, mount: Mount | None) -> Finding:
        """Return the finding of a file that is on no overlay: the kernel prints its own device and inode."""
        if mount is None or mount.fs_type == OVERLAY or mount.device != vma.device:
            reason = place.reason or "the filesystem that the kernel names is in no mount table"
            return Finding(None, "none", None, (), reason, (place.needs,) if place.needs else ())
        if mount.fs_type.startswith(STACKED) and mount.fs_type != b"fuseblk":
            name = mount.fs_type.decode("ascii", "backslashreplace")
            return Finding(None, "none", True, (), f"{name} is served from other files, which the kernel does not know")
        live = place.verdict == "live"
        seen = Evidence("kernel-inode", f"maps prints the file's own device {vma.device} and inode {vma.inode}")
        path = self._host_path(place, mount) if live else None
        return Finding(Backing(path, vma.device, vma.inode, mount.fs_type), "kernel-inode", True, (seen,))

    def _host_path(self, place: Place, mount: Mount) -> bytes | None:
        """Return a path by which the observer opens the same file, found through a mount of the same filesystem."""
        if place.path is None or place.facts is None:
            return None
        below = place.inner
        tries = [place.path]
        if below is not None:
            tries += [join_point(other, below) for other in self.scene.host.of_device(mount.device)
                      if is_root_of(other, below)]
        for path in dict.fromkeys(tries):
            seen = self.scene.machine.named(path)
            same = isinstance(seen, FileFacts) and (seen.st_dev, seen.inode) == (place.facts.st_dev, place.facts.inode)
            if same:
                return path
        return None

    def _overlaid(self, vma: Vma, place: Place, mount: Mount) -> Finding:
        overlay = self.overlay(mount)
        live = place.verdict == "live"
        path = place.inner if live else None
        if vma.device != mount.device:
            return stacked.by_kernel_inode(vma, overlay, path, self.scene)
        found = candidates(vma, place, overlay, path, self.scene)
        if found is None:
            return stacked.by_lookup(vma, overlay, path, self)
        return decide(vma, live and path is not None, found, self.frames)

    def _private(self, vma: Vma, place: Place) -> Answer:
        """Answer for the private clone of an overlay's lower layer: the kernel names the inner file only."""
        outers = [(mount, self.overlay(mount)) for mount in self.scene.table.all if mount.fs_type == OVERLAY]
        above = [(mount, overlay) for mount, overlay in outers if stacked.layers_on(overlay, place, vma, self.scene)]
        if above:
            return stacked.nested(vma, place, above, self)
        reason = "the mount is in no namespace: a read-only one that was unmounted, or a layer of an unseen overlay"
        return _assemble(vma, place._replace(verdict="unknown", reason=reason), self._unmounted(vma, place), self.scene)

    def _unmounted(self, vma: Vma, place: Place) -> Finding:
        mount = self._mount_of(vma)
        handle = place.facts.handle if place.facts is not None else None
        if mount is not None and mount.fs_type != OVERLAY:
            return self._plain(vma, place, mount)
        if handle is None or handle.type != OVERLAY_FID:
            return Finding(None, "none", None, (), "the filesystem is mounted nowhere that can be seen")
        if mount is not None:
            overlay = self.overlay(mount)
        else:
            unknown = OverlayOptions((), (), b"", None, userxattr=False, flags=())
            layers = (Layer("upper", 0, b"", None),)
            overlay = Overlay(Mount(0, 0, vma.device, b"/", b"/", OVERLAY, b""), unknown, layers, None)
        found = candidates(vma, place, overlay, None, self.scene)
        if found is None:
            return Finding(None, "none", None, (), "the overlay's handle does not say which file this is")
        return decide(vma, False, found, self.frames)


def is_root_of(mount: Mount, below: bytes) -> bool:
    """Return whether a mount of the same filesystem shows its inner path *below*."""
    root = mount.root.strip(b"/")
    return not root or below == root or below.startswith(root + b"/")


def join_point(mount: Mount, below: bytes) -> bytes:
    """Return the path of a file through *mount*, from its path inside the filesystem."""
    inner = rest(below, mount.root.strip(b"/")) if mount.root != b"/" else below
    return b"/" + join(mount.mount_point, inner)


def _assemble(vma: Vma, place: Place, finding: Finding, scene: Scene) -> Answer:
    state, reason, needs = _state(place, finding)
    named = state in {"current", "copied-up", "covered", "deleted", "replaced"}
    path = place.path if named or place.verdict == "live" else None
    reason = reason or finding.reason
    needs = tuple(dict.fromkeys((*needs, *finding.needs))) if reason else ()
    opens = b"/proc/%d/root%s" % (scene.pid, path) if path is not None and state in {"current", "copied-up"} else None
    evidence = finding.evidence
    if place.detail:
        evidence = (*evidence, Evidence("mount", place.detail))
    return Answer(vma, "file", path, None, opens, place.mount, finding.backing, state, finding.proof, evidence,
                  reason, needs)


def _state(place: Place, finding: Finding) -> tuple[str, str | None, tuple[str, ...]]:
    if place.verdict in STATES:
        return place.verdict, None, ()
    if place.verdict == "live" and finding.agrees is not None:
        return ("current" if finding.agrees else "copied-up"), None, ()
    reason = place.reason or finding.reason or "whether the file was copied up is not established"
    return "unknown", reason, (place.needs,) if place.needs else ()
