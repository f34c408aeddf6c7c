"""Files of a FUSE filesystem: which file of a layer its server reads for a mapping.

The mapped file is the FUSE inode, and the pages are in that inode's own page cache: the server filled them from files
that it has open. Which ones the kernel tells (/proc/PID/fd), not the server. fuse-overlayfs opens one for each open(2),
and keeps it until that file is released, which a mapping prevents (main.c: ovl_open, ovl_release). It lets the kernel
keep pages and attributes (main.c: get_timeout, keep_cache, FUSE_CAP_WRITEBACK_CACHE): the kernel's own time of change
of a file is then the layer file's as it was looked up first, until something is done to the file through the mount.

So a layer's file is named only where the server has no other file open that may be it, the path still leads to it, its
time of change and size are those that the kernel keeps for the mapped file, it is older than the server (or a lower
layer's, which nobody writes to through the mount) and has no copy in the upper layer, and every page of the mapping
that is in memory has its bytes.
"""

from mapsd.light import TYPE_CHECKING, Iterator, NamedTuple, Sequence
from mapsd.model import Absent, Evidence, FileFacts, Found, Layer, LayerDir, Mount, Refused, Vma
from mapsd.model.served import ServedFrom, Server
from mapsd.parse.escape import DELETED
from mapsd.ports import InLayer
from mapsd.resolve.comparison import NEEDS_PAGE
from mapsd.resolve.finding import Finding, Possible
from mapsd.resolve.layerfile import backing_of, filesystem_of
from mapsd.resolve.mounts import SUBVOLUMES, inside, strip_root
from mapsd.resolve.scene import Place
from mapsd.resolve.times import is_exact

if TYPE_CHECKING:
    from mapsd.resolve.vma import Resolver

FUSE_OVERLAYFS = b"fuse.fuse-overlayfs"
_MARGIN = 10**9  # nanoseconds: a process's start is counted in clock ticks, a filesystem's times by another clock
_OTHERS = (b"overlay", b"fuse", b"nfs", b"cifs", b"smb", b"9p", b"ceph", b"ecryptfs", *SUBVOLUMES)


class Candidate(NamedTuple):
    """The one file that a server can read for a mapping."""

    layer: Layer
    file: FileFacts
    ref: InLayer
    server: Server


class Served:
    """What the servers of FUSE filesystems say of one process's mappings."""

    def __init__(self, resolver: "Resolver") -> None:
        """Answer for the mappings of a resolver."""
        self._scene, self._means = resolver.scene, resolver.means
        self._layers: dict[Mount, tuple[Layer, ...]] = {}
        self._same: dict[tuple[object, ...], Finding] = {}

    def finding(self, vma: Vma, place: Place, mount: Mount) -> Finding:
        """Return the finding of a mapping of a file on a FUSE filesystem; where its name leads is the same inode."""
        name = mount.fs_type.decode("ascii", "backslashreplace")
        general = f"{name} is served from other files, which the kernel does not know"
        if mount.fs_type != FUSE_OVERLAYFS:
            return _unknown(general)
        server = self._server(mount)
        if isinstance(server, Refused):
            return _unknown(f"{general}; {server.reason}", server.needs)
        layers = self._layers_of(server, mount)
        candidate = self._candidate(vma, place, server, layers)
        if isinstance(candidate, Refused):
            return _unknown(f"{general}; {candidate.reason}", candidate.needs, Possible(layers=layers))
        return self._compared(vma, candidate, layers)

    def _server(self, mount: Mount) -> Server | Refused:
        found = self._scene.machine.served_by(mount.device)
        if isinstance(found, Refused):
            return found
        if len(found) != 1:
            return Refused("several processes serve it" if found else "no fuse-overlayfs is found that serves it",
                           "" if found or self._scene.machine.reads_trusted() else "CAP_SYS_PTRACE")
        if not found[0].outside:
            return Refused("its server has another root than the machine, and its word does not count")
        return found[0]

    def _layers_of(self, server: Server, mount: Mount) -> tuple[Layer, ...]:
        if mount not in self._layers:
            self._layers[mount] = tuple(self._found(server))
        return self._layers[mount]

    def _found(self, server: Server) -> Iterator[Layer]:
        """Yield the layers, with a directory where the server has open what a text leads to."""
        texts = [("upper", 0, server.upper)] if server.upper is not None else []
        texts += [("lower", place, text) for place, text in enumerate(server.lowers, 1)]
        bases = tuple(dict.fromkeys(base for path in server.directories for base in _above(path)))
        for role, place, text in texts:
            if text is not None:
                yield Layer(role, place, text, self._opened(text, bases, server))

    def _opened(self, text: bytes, bases: tuple[bytes, ...], server: Server) -> LayerDir | None:
        found = [one for one in self._scene.machine.directories(text, () if text.startswith(b"/") else bases)
                 if one.mine and one.path in server.directories]
        return found[0] if len(found) == 1 else None

    def _candidate(self, vma: Vma, place: Place, server: Server, layers: Sequence[Layer]) -> Candidate | Refused:
        path = self._inner(vma, place)
        if isinstance(path, Refused):
            return path
        named = [(layer, InLayer(layer.dir, path), one) for layer in layers if layer.dir is not None
                 for one in server.files if one.path == layer.dir.path.rstrip(b"/") + b"/" + path]
        # Its number is that of the file which it was at first: that may have another name in its layer by now.
        devices = {None, *(filesystem_of(layer.dir.facts, self._scene)[0] for layer in layers if layer.dir is not None)}
        held = {(one.device, one.inode) for _, _, one in named} | {
            (one.device, one.inode) for one in server.files if one.inode == vma.inode and one.device in devices}
        if not layers:
            return Refused(f"process {server.pid} serves it, and its arguments do not say for certain how")
        if len(held) != 1 or not named:
            what = "several files that may be it" if len(held) > 1 else "no file of this name in its layers"
            return Refused(f"process {server.pid} serves it, and has {what} open")
        [(layer, ref, one), *_] = named
        found = self._as_open(one, ref)
        about = f"process {server.pid} serves it and has the file of this name in the layer's directory open"
        if isinstance(found, Refused):
            return Refused(f"{about}, {found.reason}")
        candidate = Candidate(layer, found, ref, server)
        if not self._is_as_it_was(candidate, vma, place, layers):
            return Refused(f"{about}, but that one, or the mapped file, was changed or copied up since")
        return candidate

    def _inner(self, vma: Vma, place: Place) -> bytes | Refused:
        """Return the name inside of the filesystem: one that is sure, or that the kernel shows and nothing alters."""
        if place.verdict == "live" and place.inner:
            return place.inner
        if place.facts is not None or place.verdict != "unknown":
            return Refused("which file its server reads for a name that is gone is not known")
        shown = None if b"\\" in vma.name or vma.name.endswith(DELETED) else strip_root(vma.name, self._scene.root)
        mounts = self._scene.table.of_device(vma.device)
        found = {inside(mount, shown) for mount in mounts} - {None} if shown is not None else set()
        if len(found) != 1 or not shown:
            return Refused("where its name lies in this filesystem is not known")
        return found.pop() or Refused("it has no name in this filesystem")

    def _as_open(self, one: ServedFrom, ref: InLayer) -> FileFacts | Refused:
        """Return the file that the server has open, if the path leads to it and its word on it counts."""
        if not one.believed:
            return Refused("which is not its user's own: its word does not count")
        if one.fs_type is None or one.fs_type.startswith(_OTHERS):
            return Refused("but that one is on a filesystem whose files may be others'")
        seen = self._entry(ref)
        if not isinstance(seen, FileFacts) or seen.kind != "file" or (
                (filesystem_of(seen, self._scene)[0], seen.inode) != (one.device, one.inode)):
            return Refused("but the path does not lead to it any more")
        return seen if seen.nlink == 1 else Refused("but it has other links, by which it may have been copied up")

    def _entry(self, ref: InLayer) -> Found:
        return self._scene.machine.entry(ref.layer, ref.path, "user.overlay.")

    def _is_as_it_was(self, one: Candidate, vma: Vma, place: Place, layers: Sequence[Layer]) -> bool:
        """Return whether all pages that the kernel may have of the mapped file are of this file as it is now."""
        seen, shown, older = one.file, place.facts, one.file.changed < one.server.started - _MARGIN
        if shown is None:
            same = older
        else:
            # A write through the mount may give both one time, whatever was done to a file of the upper layer before.
            same = (seen.changed, seen.size, seen.nlink) == (shown.changed, shown.size, shown.nlink) and (
                is_exact(seen.changed)) and (older or one.layer.role == "lower")
        if one.layer.role == "upper":
            return same
        uppers = [layer.dir for layer in layers if layer.role == "upper"]
        return same and seen.inode == vma.inode and all(
            upper is not None and isinstance(self._entry(InLayer(upper, one.ref.path)), Absent) for upper in uppers)

    def _compared(self, vma: Vma, candidate: Candidate, layers: tuple[Layer, ...]) -> Finding:
        backing = backing_of(candidate.file, candidate.layer, self._scene)
        program = candidate.server.program.decode("ascii", "backslashreplace")
        open_there = Evidence("server", f"process {candidate.server.pid} ({program}) serves it, and has this file of "
                                        "its layers open by this name, and no other")
        possible = Possible((backing,), layers=layers)
        said = self._means.contents(vma, candidate.ref)
        key = vma.device, vma.inode, vma.name, candidate.ref
        if said.verdict == "silent" and key in self._same:
            # One page cache, whatever is mapped of it: another mapping told.
            return self._same[key]
        if said.verdict != "same":
            reason = "its server reads another file, or other bytes" if said.verdict == "different" else (
                "which file its server reads is not proven")
            needs = NEEDS_PAGE if said.detail.endswith("in memory") else ""
            return _unknown(f"{reason}: {said.detail}", needs, possible, (open_there,))
        found = Finding(backing, "lookup", True, (open_there, Evidence("contents", said.detail)), possible=possible,
                        rule="only")
        self._same[key] = found
        return found


def _unknown(reason: str, needs: str = "", possible: Possible | None = None,
             evidence: tuple[Evidence, ...] = ()) -> Finding:
    return Finding(None, "none", True, evidence, reason, (needs,) if needs else (), possible=possible or Possible())


def _above(path: bytes) -> Iterator[bytes]:
    while path.rpartition(b"/")[0]:
        path = path.rpartition(b"/")[0]
        yield path

