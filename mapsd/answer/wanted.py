"""What is asked about, as far as one process sees it: files of layers, of other filesystems, and an overlay's own."""

from mapsd.light import TYPE_CHECKING, Callable, Iterator, NamedTuple, Sequence
from mapsd.model import Absent, DeviceId, FileFacts, Mount, Refused
from mapsd.model import Found as Seen
from mapsd.model.translated import Inside, Numbered, OnHost, Wanted
from mapsd.resolve.mounts import inside, join
from mapsd.resolve.overlays import OVERLAY
from mapsd.resolve.possible import Texts, may_hold
from mapsd.resolve.scene import Scene
from mapsd.resolve.sought import Seeker, Spot
from mapsd.resolve.stacks import Stack, place_of, stacks, user_paths

if TYPE_CHECKING:
    from mapsd.sources import Search

_PREFIX = "trusted.overlay."
_NO_FILE = "no regular file"
_KINDS = {"symlink": "a symbolic link: ask for the file that it leads to", "directory": "a directory",
          "whiteout": "a whiteout"}
_OTHER_LINKS = "the file has other hard links, whose names are not known"
# Directories of these are not walked through: the kernel's own, and those that a server gives.
_UNSEARCHED = (b"proc", b"sysfs", b"cgroup", b"fuse", b"nfs", b"cifs", b"smb", b"9p", b"ceph", b"afs", b"autofs")


class Looking(NamedTuple):
    """How one process is looked for a file.

    *search* walks through directories, *texts* knows what those of layers name, and *mapped* proposes names for
    numbers.
    """

    search: "Search"
    texts: Texts
    mapped: Callable[[Numbered], Sequence[bytes]]


class Plain(NamedTuple):
    """A file by its path *inner* inside a filesystem that is mounted in view."""

    device: DeviceId
    fs_type: bytes | None
    inner: bytes
    facts: FileFacts


class Found(NamedTuple):
    """What is asked about: files of layers, files on mounts, and names of an overlay's *own* files.

    *problem* is why a path names no file.
    """

    seeker: Seeker
    spots: tuple[Spot, ...] = ()
    plain: tuple[Plain, ...] = ()
    own: tuple[bytes, ...] = ()
    problem: str = ""


def sought(wanted: Wanted, mounts: tuple[Mount, ...], scene: Scene, asking: Looking) -> Found:
    """Return where in a process's view what is wanted lies."""
    asked = _Sought(mounts, scene, asking)
    match wanted:
        case OnHost(path):
            return asked.on_host(path)
        case Inside(path):
            return Found(asked.seeker, tuple(asked.seeker.inside(path, stacks(mounts, scene))))
        case Numbered():
            return asked.numbered(wanted)


class _Sought:
    """Where one process is looked for files."""

    def __init__(self, mounts: tuple[Mount, ...], scene: Scene, asking: Looking) -> None:
        self._mounts, self._scene, self._asking, self._search = mounts, scene, asking, asking.search
        self.seeker = Seeker(scene, asking.search)

    def on_host(self, path: bytes) -> Found:
        """Return where the file at a path of the observer's lies."""
        facts = _at(path, self._scene)
        if not isinstance(facts, FileFacts) or facts.kind != "file":
            return Found(self.seeker, problem=_problem(facts))
        place = place_of(facts, self._scene)
        plain = () if place is None else (Plain(place[0].device, place[0].fs_type, place[1], facts),)
        if facts.nlink > 1 and place is not None:
            plain = tuple(dict.fromkeys((*plain, *self._links(facts, place[0]))))
            if len({one.inner for one in plain}) < facts.nlink and any(
                    mount.device == place[0].device for mount in self._mounts):
                self.seeker.skip(f"the filesystem {place[0].device}", _OTHER_LINKS, "")
        possible = stacks(self._mounts, self._scene,
                          lambda mount: may_hold(mount, facts, self._scene, self._asking.texts))
        return Found(self.seeker, tuple(self.seeker.at(facts, possible)), plain)

    def _links(self, facts: FileFacts, mount: Mount) -> Iterator[Plain]:
        for one in self._on_mounts(mount.device, facts.inode):
            if one.facts.st_dev == facts.st_dev and one.facts.handle == facts.handle:
                yield one

    def numbered(self, wanted: Numbered) -> Found:
        """Return the files that the kernel calls by these numbers."""
        device, inode = wanted
        every = stacks(self._mounts, self._scene)
        found = self.seeker.numbered(inode, every, device)
        spots = tuple(spot for spot in found if spot.facts.inode == inode)
        known = any(mount.device == device for mount in (*self._mounts, *self._scene.host.all))
        own = tuple(path for stack in every if stack.mounted and stack.overlay.mount.device == device
                    for path in self._own(stack, inode))
        if not known and not spots:
            # What stat(2) says of an overlay whose layers are on several filesystems: fs/overlayfs/inode.c.
            own = tuple(path for stack in every if stack.mounted
                        for path in self._own(stack, inode, device))
        named = list(self._named(wanted, self._asking.mapped(wanted)))
        own += tuple(path for path, mount, _ in named if mount.fs_type == OVERLAY)
        plain = [Plain(device, mount.fs_type, place, facts) for path, mount, facts in named
                 if mount.fs_type != OVERLAY and (place := inside(mount, path)) is not None]
        return Found(self.seeker, spots, tuple(dict.fromkeys((*plain, *self._on_mounts(device, inode)))),
                     tuple(dict.fromkeys(own)))

    def _named(self, wanted: Numbered, names: Sequence[bytes]) -> Iterator[tuple[bytes, Mount, FileFacts]]:
        """Yield those of some names that open a file with these numbers."""
        for name in names:
            seen = self._scene.process.named(name)
            mount = self._scene.table.by_id(seen.mount_id) if isinstance(seen, FileFacts) else None
            if isinstance(seen, FileFacts) and mount is not None and (seen.kind, mount.device, seen.inode) == (
                    "file", *wanted):
                yield name, mount, seen

    def _own(self, stack: Stack, inode: int, st_dev: DeviceId | None = None) -> Iterator[bytes]:
        """Yield the names of an overlay whose files have this number."""
        names = [lead.name for spot in self.seeker.numbered(inode, (stack,)) for lead in self.seeker.leads(spot)[0]
                 if lead.overlay.mount.device == stack.overlay.mount.device]
        upper = next((layer.dir for layer in stack.overlay.guessed() if layer.role == "upper"), None)
        if upper is not None:
            # A copy keeps the number of the file that it was made of.
            found = self._search.regular(upper)
            names += found.found
            if found.reason:
                self.seeker.skip(f"upper:0 of the overlay {stack.overlay.mount.device}", found.reason, found.needs)
        for name in dict.fromkeys(names):
            for mount, path in user_paths(name, stack.overlay.mount.device, self._mounts):
                seen = self._scene.process.named(path)
                if isinstance(seen, FileFacts) and seen.inode == inode and seen.kind == "file" and (
                        seen.mount_id == mount.id and st_dev in {None, seen.st_dev}):
                    yield path

    def _on_mounts(self, device: DeviceId, inode: int) -> Iterator[Plain]:
        """Yield the files with this number on the mounts of a filesystem that is no overlay."""
        for mount in self._mounts:
            if mount.device != device or mount.fs_type == OVERLAY or mount.root.endswith(b"//deleted"):
                continue
            if mount.fs_type.startswith(_UNSEARCHED):
                self.seeker.skip(f"the filesystem {device}", "filesystems of this type are not searched", "")
                continue
            for path in self._below(mount, inode):
                facts = self._scene.process.named(b"/" + join(mount.mount_point, path))
                if isinstance(facts, FileFacts) and facts.kind == "file" and facts.inode == inode and (
                        facts.mount_id == mount.id):
                    yield Plain(device, mount.fs_type, join(mount.root, path), facts)

    def _below(self, mount: Mount, inode: int) -> tuple[bytes, ...]:
        found = self._scene.machine.directories(mount.mount_point, ())
        tops = [one for one in found if one.facts.mount_id == mount.id]
        if not tops:
            # A file is mounted there, or another mount covers it.
            return (b"",)
        paths = self._search.numbered(tops[0], inode, mounts=True)
        if paths.reason:
            self.seeker.skip(f"the filesystem {mount.device}", paths.reason, paths.needs)
        return paths.found


def _at(path: bytes, scene: Scene) -> Seen:
    """Return what lies at a path of the observer's, a link for itself."""
    above, _, name = path.rpartition(b"/")
    if name in {b"", b".", b".."}:
        return Refused(_NO_FILE)
    directory = next((one for one in scene.machine.directories(above or b"/", ()) if one.mine), None)
    if directory is None:
        return Absent()
    found = scene.machine.entry(directory, name, _PREFIX)
    # A file may be mounted there, which an entry of a layer is not.
    return scene.machine.named(path) if isinstance(found, Refused) else found


def _problem(found: Seen) -> str:
    """Return what is wrong with a path that names no regular file."""
    match found:
        case Absent():
            return "No such file or directory"
        case Refused(reason):
            return reason
        case _:
            return _KINDS.get(found.kind, _NO_FILE)
