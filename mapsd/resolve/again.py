"""The name of a file where the kernel shows the file of a layer instead: found again by a mapping of our own.

Some kernels leave in vm_file what an overlay hands on: the file of a layer, on the mount that the overlay has made of
that layer for itself (clone_private_mount(), one of each layer for each superblock: ovl_get_layers(),
fs/overlayfs/super.c). Before Linux 4.2 all did, by ovl_dentry_open(); Ubuntu's 5.0 and later did by a patch for shiftfs
(https://bugs.launchpad.net/bugs/1842382). maps then shows a path inside the layer, or a bare slash, and a mount that
nobody lists: it may as well be one that was unmounted. But whatever a name of the overlay opens is shown in the same
way where it is mapped by us. Where both are one dentry on one mount, that name is the mapping's, and opens its data.

aufs and shiftfs hand on a file by a mount that somebody else lists: a name of theirs is found in the same way.
"""

from mapsd.light import TYPE_CHECKING, Iterator, Sequence
from mapsd.model import DeviceId, FileFacts, Mount, Vma
from mapsd.parse.escape import DELETED
from mapsd.parse.overlay_xattrs import origin
from mapsd.ports import ByHandle
from mapsd.resolve.alone import Alone, is_alone
from mapsd.resolve.layerfile import filesystem_of
from mapsd.resolve.lookup import Piece
from mapsd.resolve.mounts import inside, is_below, join, rest, strip_root
from mapsd.resolve.overlays import OVERLAY, Overlay
from mapsd.resolve.passing import BARE, PASSING, is_of_layer
from mapsd.resolve.scene import Place, Scene, same_file

if TYPE_CHECKING:
    from mapsd.resolve.vma import Resolver

_PARTS = 64  # of a path, that may be those above a branch
_CURRENT = "the path, mapped once more by mapsd, is shown in the same way"
_UNFOUND = "no name was found that is shown in the same way where mapsd maps it"
_BELOW = "whether the file below was copied up since is not established"
_COPIED = ("the path opens the upper copy of the file that is mapped, and another name of this overlay, mapped by "
           "mapsd, lies on the same mount of the lower layer")


class Again:
    """Finds names again; what is learnt from one mapping helps with the next."""

    def __init__(self, resolver: "Resolver") -> None:
        """Ask as *resolver* does."""
        self._resolver, self._scene = resolver, resolver.scene
        self._alone = Alone(resolver)
        self._clones: dict[tuple[int, DeviceId], int] = {}  # of which layer of which overlay a mount is
        self._opened: tuple[tuple[Mount, bytes, int], ...] | None = None

    def place(self, vma: Vma, place: Place) -> Place:
        """Return where the mapping's file is; as before where no name was found that is known to be its own."""
        facts, text = place.facts, _text(vma, self._scene)
        if facts is None or text is None or not text.startswith(b"/") or text.endswith(DELETED):
            return place
        found = self._passed(vma, facts, text)
        if found is None and is_of_layer(vma, facts, self._scene):
            found = self._current(vma, facts, text) or self._copied(vma, facts, text)
        return found or place._replace(reason=f"{place.reason}; {_UNFOUND}")

    def _passed(self, vma: Vma, facts: FileFacts, text: bytes) -> Place | None:
        parts = text.strip(b"/").split(b"/")
        for mount in self._scene.table.all:
            if mount.fs_type in PASSING:
                for count in range(min(len(parts), _PARTS)):
                    path = b"/" + join(mount.mount_point, *parts[count:])
                    # They keep the dentry below by their own dentry, not by the inode.
                    found = self._same(vma, facts, mount, path, alone=text != BARE)
                    if found is not None:
                        return found if self._is_whole(facts) else found._replace(reason=_BELOW, agrees=None)
        return None

    def _is_whole(self, facts: FileFacts) -> bool:
        """Return whether a file stands for no other: its name may open other data than were mapped by it, else."""
        fs_type = filesystem_of(facts, self._scene)[1]
        return fs_type is not None and not fs_type.startswith((OVERLAY, b"fuse", *PASSING))

    def _current(self, vma: Vma, facts: FileFacts, text: bytes) -> Place | None:
        for mount, path in self._names(facts, text):
            overlay = self._resolver.overlay(mount)
            piece = self._alone.plain(overlay, self._inside(mount, path))
            if piece is None or not same_file(piece.facts, facts) or (text == BARE and self._alone.may_collide(piece)):
                continue
            if piece.layer.role != "upper" and not self._alone.is_untouched(piece.facts, overlay):
                continue
            found = self._same(vma, facts, mount, path, alone=is_alone(overlay, piece, text, self._scene))
            if found is not None:
                self._clones[facts.mount_id, mount.device] = piece.layer.position
                return found
        return None

    def _names(self, facts: FileFacts, text: bytes) -> Iterator[tuple[Mount, bytes]]:
        """Yield names of overlays that the file may have, the likeliest first."""
        if text != BARE:
            yield from ((mount, path) for mount in self._mounts() for path in self._through(mount, text))
        yield from ((mount, path) for mount, path, size in self._open() if size == facts.size)
        if text == BARE:
            yield from ((mount, path) for mount in self._mounts() for path in self._numbered(mount, facts))

    def _mounts(self) -> list[Mount]:
        """Return the overlays' mounts, those of a whole overlay first."""
        table, root = self._scene.table, self._scene.root_mount
        # A process that was chrooted below a mount's root does not list it: the observer may.
        above = self._scene.host.by_id(root) if root is not None and table.by_id(root) is None else None
        found = [mount for mount in (*table.all, above) if mount is not None and mount.fs_type == OVERLAY]
        return sorted(found, key=lambda mount: len(mount.root))

    def _through(self, mount: Mount, text: bytes) -> Iterator[bytes]:
        """Yield the name that a path inside an overlay has by one of its mounts, none where it lies outside of that."""
        if not is_below(text, mount.root) or mount.root.strip(b"/") == text.strip(b"/"):
            # The bind of a file covers another name, and gives this one that as a second.
            return
        path = b"/" + join(mount.mount_point, rest(text, mount.root))
        found = path if self._scene.table.by_id(mount.id) is not None else strip_root(path, self._scene.root)
        yield from () if found is None else (found,)

    def _open(self) -> Sequence[tuple[Mount, bytes, int]]:
        """Return the names, with their sizes, of what the process runs and has open on overlays."""
        if self._opened is None:
            self._opened = tuple(self._linked()) if self._mounts() else ()
        return self._opened

    def _linked(self) -> Iterator[tuple[Mount, bytes, int]]:
        for text in self._scene.process.links():
            path = strip_root(text, self._scene.root)
            seen = self._scene.process.named(path) if path is not None else None
            mount = self._scene.table.by_id(seen.mount_id) if isinstance(seen, FileFacts) else None
            if path is not None and isinstance(seen, FileFacts) and mount is not None and mount.fs_type == OVERLAY and (
                    mount.mount_point != path):
                yield mount, path, seen.size

    def _numbered(self, mount: Mount, facts: FileFacts) -> Iterator[bytes]:
        overlay = self._resolver.overlay(mount)
        for layer in overlay.guessed() if facts.nlink == 1 else ():
            if layer.dir is not None and layer.role != "data":
                for path, seen in self._scene.machine.search(layer.dir, None, facts.inode, overlay.prefix):
                    if same_file(seen, facts):
                        yield from self._through(mount, b"/" + path)

    def _same(self, vma: Vma, facts: FileFacts, mount: Mount, path: bytes, *, alone: bool) -> Place | None:
        """Return the place of a name that is the mapping's own; *alone* says that the file can have had no other."""
        seen = self._opens(mount, path)
        if seen is None or seen.size != facts.size:
            return None
        verdict, detail = self._scene.machine.again(vma, path)
        if verdict != "name" and not (verdict == "file" and alone):
            return None
        return Place("live", path, seen, mount, detail=f"{_CURRENT}: {detail}", inner=self._inside(mount, path),
                     again=True, agrees=True)

    def _inside(self, mount: Mount, path: bytes) -> bytes | None:
        here = self._scene.table.by_id(mount.id) is not None
        return inside(mount, path if here else b"/" + join(self._scene.root or b"", path))

    def _opens(self, mount: Mount, path: bytes) -> FileFacts | None:
        seen = self._scene.process.named(path)
        here = isinstance(seen, FileFacts) and seen.kind == "file" and seen.mount_id == mount.id
        return seen if here and isinstance(seen, FileFacts) else None

    def _copied(self, vma: Vma, facts: FileFacts, text: bytes) -> Place | None:
        """Return the place of a lower file whose name opens its copy by now."""
        for mount in self._mounts():
            overlay = self._resolver.overlay(mount)
            if overlay.upper is None:
                continue
            for lower in self._lowers(overlay, facts, text):
                copy = self._alone.plain(overlay, lower.path)
                if copy is None or copy.layer.role != "upper" or copy.path != lower.path:
                    continue
                for path in self._through(mount, b"/" + lower.path):
                    seen = self._opens(mount, path)
                    if seen is not None and self._is_copy(copy, overlay, facts) and self._is_clone(
                            vma, facts, mount, overlay, lower):
                        return Place("live", path, seen, mount, detail=_COPIED, inner=lower.path, again=True,
                                     agrees=False)
        return None

    def _lowers(self, overlay: Overlay, facts: FileFacts, text: bytes) -> list[Piece]:
        """Return the one lower file that is mapped, none where several may be."""
        found = []
        for layer in overlay.lowers():
            if layer.dir is None or layer.role == "data":
                return []
            if text != BARE:
                paths = [text.strip(b"/")]
            else:
                paths = [path for path, _ in self._scene.machine.search(layer.dir, None, facts.inode, overlay.prefix)]
            for path in paths:
                seen = self._scene.machine.entry(layer.dir, path, overlay.prefix)
                # A copy of one of several links names no origin, or is that of all of them (index=on).
                if isinstance(seen, FileFacts) and same_file(seen, facts) and seen.nlink == 1 and (
                        self._alone.is_untouched(seen, overlay)):
                    found.append(Piece(layer, path, seen))
        return found if len(found) == 1 and not (text == BARE and self._alone.may_collide(found[0])) else []

    def _is_copy(self, copy: Piece, overlay: Overlay, facts: FileFacts) -> bool:
        """Return whether an upper file names a lower one as the file that it is the copy of (Linux 4.12)."""
        wanted = origin(dict(copy.facts.xattrs).get("origin", b""))
        if wanted is None or wanted.upper:
            return False
        # Filesystems are known by their UUIDs since Linux 6.9: here it is enough which of the layers' has such a file.
        near = tuple(layer.dir for layer in overlay.lowers() if layer.dir is not None)
        found = self._scene.machine.by_handle(ByHandle(wanted._replace(uuid=bytes(16)), near), overlay.prefix)
        return same_file(found, facts)

    def _is_clone(self, vma: Vma, facts: FileFacts, mount: Mount, overlay: Overlay, lower: Piece) -> bool:
        """Return whether the mapping's mount is the overlay's own one of a lower layer: a name of that layer tells."""
        if self._clones.get((facts.mount_id, mount.device)) == lower.layer.position:
            return True
        for other, path, _ in self._open():
            piece = self._alone.plain(overlay, inside(other, path)) if other.device == mount.device else None
            if piece is not None and piece.layer == lower.layer:
                return self._scene.machine.again(vma, path)[0] in {"name", "file", "mount"}
        return False


def _text(vma: Vma, scene: Scene) -> bytes | None:
    return scene.process.link(vma) if b"\\" in vma.name else vma.name
