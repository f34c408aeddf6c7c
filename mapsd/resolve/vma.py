"""From one mapping to its answer: the order of the steps."""

from mapsd.light import TYPE_CHECKING
from mapsd.model import Absent, Answer, Backing, DeviceId, Evidence, FileFacts, Found, Layer, Mount, OverlayOptions, Vma
from mapsd.parse.maps import kind_of
from mapsd.parse.overlay_xattrs import OVERLAY_FID, OVERLAY_FIDS
from mapsd.resolve.assemble import assemble
from mapsd.resolve.backing import decide
from mapsd.resolve.candidates import Candidates, candidates
from mapsd.resolve.finding import Finding
from mapsd.resolve.hostpath import host_path
from mapsd.resolve.means import Means
from mapsd.resolve.names import locate
from mapsd.resolve.overlays import OVERLAY, Overlay, build
from mapsd.resolve.passing import UNIONS, doubted, may_be_below
from mapsd.resolve.scene import Place, Scene
from mapsd.resolve.vmfile import completed
from mapsd.resolve.vmname import named

if TYPE_CHECKING:
    from mapsd.resolve.again import Again
    from mapsd.resolve.served import Served

# Filesystems whose files are other files: what they name by device and inode is not where the bytes are.
STACKED = (b"fuse", b"ecryptfs", b"aufs", b"unionfs", b"shiftfs", b"wrapfs", b"mhddfs", b"incremental-fs")

_File = tuple[Found, DeviceId, int, bytes]


class Resolver:
    """Answers the mappings of one process; what is asked of a file or an overlay is asked once."""

    def __init__(self, scene: Scene, means: Means) -> None:
        """Answer for one scene."""
        self.scene, self.means = scene, means
        self._overlays: dict[tuple[object, bytes], Overlay] = {}
        self._places: dict[_File, Place] = {}
        self._candidates: dict[tuple[_File, Mount], Candidates | None] = {}
        self._host_paths: dict[Place, bytes | None] = {}
        self._of_file: dict[_File, Answer] = {}
        self._served: Served | None = None
        self._again: Again | None = None

    def answer(self, vma: Vma) -> Answer | None:
        """Return what is known of one mapping, None where its addresses hold another one by now."""
        kind = kind_of(vma)
        if kind != "file":
            return Answer(vma, kind)
        mapped = self.scene.process.mapped(vma)
        if isinstance(mapped, FileFacts) and mapped.path and mapped.path.replace(b"\n", rb"\012") != vma.name:
            return None
        key = _file_of(vma, mapped)
        known = self._of_file.get(key)
        if known is not None:
            return known._replace(vma=vma)
        answer = self._answered(vma, mapped)
        if isinstance(mapped, FileFacts) and not self.means.demanded and _is_of_file(answer):
            self._of_file[key] = answer
        return answer

    def _answered(self, vma: Vma, mapped: Found) -> Answer:
        place = self._located(vma, mapped)
        if place.facts is not None and place.facts.kind != "file":
            return Answer(vma, "device" if place.facts.kind in {"device", "whiteout"} else "other")
        if place.verdict == "nowhere":
            return self.assemble(vma, place._replace(verdict="detached"), self.unmounted(vma, place))
        if place.verdict == "private":
            from mapsd.resolve import nested  # noqa: PLC0415  (an overlay on an overlay is rare)
            return nested.answer(vma, place, self)
        found = self._found_again(vma, place)
        if not found.again:
            return self.assemble(vma, found, self._finding(vma, place))
        overlaid = found.mount is not None and found.mount.fs_type == OVERLAY
        finding = self._finding(vma, found if overlaid else place)
        return self.assemble(vma, found, finding._replace(agrees=found.agrees))

    def _finding(self, vma: Vma, place: Place) -> Finding:
        mount = place.mount or self.mount_of(vma)
        if mount is None or place.facts is None or mount.fs_type != OVERLAY:
            return self._plain(vma, place, mount)
        return self._overlaid(vma, place, mount)

    def _found_again(self, vma: Vma, place: Place) -> Place:
        """Return the place of a file that the kernel may show as the one below, where its name was found."""
        if not may_be_below(vma, place, self.scene):
            return place
        if self._again is None:
            from mapsd.resolve.again import Again  # noqa: PLC0415  (few kernels show the file of a layer)
            self._again = Again(self)
        return self._again.place(vma, place)

    def _located(self, vma: Vma, mapped: Found) -> Place:
        key = _file_of(vma, mapped)
        if key not in self._places or not isinstance(mapped, FileFacts):
            self._places[key] = doubted(named(vma, locate(vma, mapped, self.scene), self), self.scene)
        return self._places[key]

    def overlay(self, mount: Mount) -> Overlay:
        """Return the overlay of a mount."""
        key = (mount.device, mount.options)
        if key not in self._overlays:
            self._overlays[key] = build(mount, self.scene)
        return self._overlays[key]

    def assemble(self, vma: Vma, place: Place, finding: Finding) -> Answer:
        """Return the answer that a place and a finding make."""
        if place not in self._host_paths:
            self._host_paths[place] = host_path(place, self.scene)
        finding = completed(vma, place, finding, self)
        return assemble(vma, place, finding, self._host_paths[place], self.scene.proc)

    def mount_of(self, vma: Vma) -> Mount | None:
        """Return a mount of the superblock that maps names."""
        for table in (self.scene.table, self.scene.host):
            for mount in table.of_device(vma.device):
                return mount
        return None

    def _plain(self, vma: Vma, place: Place, mount: Mount | None) -> Finding:
        """Return the finding of a file that is on no overlay: the kernel prints its own device and inode."""
        if mount is None or mount.fs_type == OVERLAY or mount.device != vma.device:
            reason = place.reason or "the filesystem that the kernel names is in no mount table"
            return Finding(None, "none", None, (), reason, (place.needs,) if place.needs else ())
        if mount.fs_type.startswith(b"fuse") and mount.fs_type != b"fuseblk":
            return self._of_server(vma, place, mount)
        if mount.fs_type.startswith(STACKED) and mount.fs_type != b"fuseblk":
            name = mount.fs_type.decode("ascii", "backslashreplace")
            reason = f"{name} is served from other files, which the kernel does not know"
            return Finding(None, "none", None if mount.fs_type in UNIONS else True, (), reason)
        seen = Evidence("kernel-inode", f"maps prints the file's own device {vma.device} and inode {vma.inode}")
        path = host_path(place, self.scene)
        # Up to Linux 6.7 an overlay's file is printed so as well, also after the overlay has left every mount table.
        overlaid = place.mount is None and not _has_own_handle(place.facts)
        return Finding(Backing(path, vma.device, vma.inode, mount.fs_type, overlaid), "kernel-inode", True, (seen,))

    def _of_server(self, vma: Vma, place: Place, mount: Mount) -> Finding:
        if self._served is None:
            from mapsd.resolve.served import Served  # noqa: PLC0415  (few files are served by a process)
            self._served = Served(self)
        return self._served.finding(vma, place, mount)

    def _overlaid(self, vma: Vma, place: Place, mount: Mount) -> Finding:
        overlay = self.overlay(mount)
        if vma.device != mount.device:
            from mapsd.resolve import stacked  # noqa: PLC0415  (kernels up to 6.7 print it so)
            return stacked.by_kernel_inode(vma, overlay, place, self)
        return self.held(vma, place, overlay)

    def held(self, vma: Vma, place: Place, overlay: Overlay) -> Finding:
        """Return which file a mapping of an overlay's file holds."""
        key = _file_of(vma, place.facts or Absent()), overlay.mount
        if key not in self._candidates:
            self._candidates[key] = candidates(vma, place, overlay, self.scene)
        found = self._candidates[key]
        if found is None:
            from mapsd.resolve import stacked  # noqa: PLC0415  (an overlay's file has a handle since Linux 6.6)
            return stacked.by_lookup(vma, overlay, place, self)
        live = place.verdict == "live" and place.inner is not None
        return decide(vma, place.path or b"" if live else None, found, self.means)

    def unmounted(self, vma: Vma, place: Place) -> Finding:
        """Return the finding of a file whose own mount is in no namespace that can be seen."""
        mount = self.mount_of(vma)
        handle = place.facts.handle if place.facts is not None else None
        if mount is not None and mount.fs_type != OVERLAY:
            return self._plain(vma, place, mount)
        if mount is not None:
            return self.held(vma, place, self.overlay(mount))
        if handle is None or handle.type != OVERLAY_FID:
            return Finding(None, "none", None, (), "the filesystem is mounted nowhere that can be seen")
        unknown = OverlayOptions((), (), b"", None, userxattr=False, flags=())
        unseen = Mount(0, 0, vma.device, b"/", b"/", OVERLAY, b"")
        return self.held(vma, place, Overlay(unseen, unknown, (Layer("upper", 0, b"", None),), None))


def _is_of_file(answer: Answer) -> bool:
    """Return whether an answer is that of every mapping of the file: nothing was asked of this one alone."""
    backing = answer.backing
    if backing is None or any(seen.kind not in {"lookup", "kernel-inode", "mount"} for seen in answer.evidence):
        return False
    return answer.proof == "sole-candidate" or (answer.proof == "kernel-inode" and not backing.overlaid)


def _has_own_handle(seen: FileFacts | None) -> bool:
    """Return whether a handle says that a file is on no overlay: an overlay gives one of its own, or none."""
    return seen is not None and seen.handle is not None and seen.handle.type not in OVERLAY_FIDS


def _file_of(vma: Vma, mapped: Found) -> _File:
    """Return what all mappings of one name and one file have in common."""
    return mapped, vma.device, vma.inode, vma.name
