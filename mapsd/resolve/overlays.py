"""One overlay: its layers as directories, and how surely they are the mounted ones."""

from mapsd.light import Iterator, NamedTuple, Sequence
from mapsd.model import FileFacts, Found, Layer, LayerDir, Mount, OverlayHandle, OverlayOptions, Refused
from mapsd.parse import overlay_options
from mapsd.parse.overlay_xattrs import overlay_handle, prefix
from mapsd.ports import ByHandle, same_handle
from mapsd.resolve.mounts import is_below, rest
from mapsd.resolve.moved import is_settled
from mapsd.resolve.scene import Scene, same_file
from mapsd.resolve.times import is_exact

OVERLAY = b"overlay"
STORES = (b"/var/lib/containers/storage/overlay", b"/var/lib/docker/overlay2",
          b"/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots")


class Overlay(NamedTuple):
    """An overlay superblock; *layers* is in the order of lookup.

    *upper* is the verified directory of the upper layer, None where there is none or it was not found;
    *guess* the one that its text names: what is found there counts only once a page frame or inode confirms it.
    *settled* says that the directories of the lower layers were not moved since the mount, and are those of the
    texts; *born* is when it was mounted (nanoseconds since the epoch), None where nothing tells.
    """

    mount: Mount
    options: OverlayOptions
    layers: tuple[Layer, ...]
    upper: LayerDir | None
    bases: tuple[bytes, ...] = ()
    guess: LayerDir | None = None
    settled: bool = False
    born: int | None = None

    @property
    def prefix(self) -> str:
        """Return the prefix of its attributes."""
        return prefix(userxattr=self.options.userxattr)

    def has_upper(self) -> bool:
        """Return whether it was mounted with an upper layer."""
        return self.options.upper is not None

    def maybe(self, switch: str, scene: Scene) -> bool:
        """Return whether *switch* may be on: the kernel prints it only where it differs from the module's default."""
        shown = self.options.flag(switch)
        return shown == "on" or (not shown and scene.machine.default(switch))

    def guessed(self) -> tuple[Layer, ...]:
        """Return the layers with the upper directory that its text names."""
        return tuple(layer if layer.role != "upper" else layer._replace(dir=self.upper or self.guess)
                     for layer in self.layers)

    def lowers(self) -> tuple[Layer, ...]:
        """Return the layers below the upper one."""
        return tuple(layer for layer in self.layers if layer.role != "upper")


def build(mount: Mount, scene: Scene) -> Overlay:
    """Return the overlay of a mount, its layers opened where that is possible."""
    options = overlay_options.parse(mount.options)
    bases = tuple(dict.fromkeys(places(options, mount, scene)))
    below = [("lower", text) for text in options.lower] + [("data", text) for text in options.data]
    lowers, proposed = [], False
    for index, (role, text) in enumerate(below, 1):
        found = scene.machine.directories(text, bases)
        if not found and (behind := _unmapped(text)) is not None:
            found, proposed = scene.machine.directories(behind, bases), True
        lowers.append(Layer(role, index, text, found[0] if found else None))
    born = _born(options, bases, scene)
    # Nothing that is mounted was mounted before the machine was started.
    still = not proposed and is_settled(lowers, mount, scene.machine.booted() if born is None else born, scene)
    lowers = [layer._replace(certain=still or (len(lowers) == 1 and not proposed)) for layer in lowers]
    if options.upper is None:
        return Overlay(mount, options, tuple(lowers), None, bases, settled=still, born=born)
    named = scene.machine.directories(options.upper, bases)
    upper = _verified_upper(mount, lowers, named, scene)
    layers = (Layer("upper", 0, options.upper, upper), *lowers)
    return Overlay(mount, options, layers, upper, bases, named[0] if named else None, still, born)


def _unmapped(text: bytes) -> bytes | None:
    """Return where a layer may be that was mounted with other ids: containers/storage does that for --uidmap.

    It mounts DRIVER at DRIVER/LAYER/mapped/N, lets the overlay be mounted, and detaches that again: see
    drivers/overlay/overlay.go. The text says so, and nobody else does: identity decides.
    """
    *above, _, mapped, number, links, name = [b""] * 5 + text.split(b"/")
    return b"/".join((*above[5:], links, name)) if (mapped, links) == (b"mapped", b"l") and number.isdigit() else None


def _born(options: OverlayOptions, bases: tuple[bytes, ...], scene: Scene) -> int | None:
    """Return when the overlay was mounted: it made `work` anew then (ovl_workdir_create, fs/overlayfs/super.c)."""
    if options.work is None:
        return None
    works = [work.born for work in scene.machine.directories(options.work + b"/work", bases)]
    return works[0] if len(works) == 1 else None


def places(options: OverlayOptions, mount: Mount, scene: Scene) -> Iterator[bytes]:
    """Yield directories that a relative layer may be relative to: identity decides, this only proposes."""
    for text in (options.upper, options.work, *options.lower):
        if text is not None and text.startswith(b"/"):
            yield from _ancestors(text)
    for table in (scene.host, scene.table):
        for other in table.of_device(mount.device):
            yield from _ancestors(other.mount_point)
    if any(not text.startswith(b"/") for text in options.lower):
        for path in scene.machine.mount_points(mount.device):
            yield from _ancestors(path)
    yield from STORES


def _ancestors(path: bytes) -> Iterator[bytes]:
    parts = path.split(b"/")
    for end in range(len(parts), 1, -1):
        yield b"/".join(parts[:end]) or b"/"


def _verified_upper(mount: Mount, lowers: Sequence[Layer], named: Sequence[LayerDir],
                    scene: Scene) -> LayerDir | None:
    """Return the upper directory that the overlay's own root names, None where none is named.

    By its handle (Linux 6.6). Without one, by its times and size, which the root has (ovl_getattr,
    fs/overlayfs/inode.c), and where all layers are on one filesystem by its inode number as well: whoever mounts an
    overlay in a user namespace can choose texts and inode numbers, but no time of change.
    """
    root = _root_facts(mount, scene)
    wanted = overlay_handle(root.handle) if root is not None else None
    if wanted is None:
        devices = {layer.dir.facts.st_dev if layer.dir else None for layer in lowers}
        same = [one for one in named if root and _is_shown(root, one.facts, numbered={one.facts.st_dev} == devices)]
        return same[0] if len(same) == 1 else None
    found = scene.machine.directory_by_handle(wanted) if wanted.upper else None
    if found is not None:
        return found
    same = [one for one in named if wanted.upper and same_handle(one.facts.handle, wanted.handle)]
    return same[0] if len(same) == 1 else None


def _is_shown(root: FileFacts, upper: FileFacts, *, numbered: bool) -> bool:
    """Return whether an overlay's root may be of this upper directory; *numbered*: it has that one's inode number."""
    same = (root.changed, root.size) == (upper.changed, upper.size) and is_exact(root.changed)
    return same and not (numbered and root.inode != upper.inode)


def _root_facts(mount: Mount, scene: Scene) -> FileFacts | None:
    for table, port in ((scene.table, scene.process), (scene.host, scene.machine)):
        for other in table.of_device(mount.device):
            if other.root == b"/":
                seen = port.named(other.mount_point)
                if isinstance(seen, FileFacts) and seen.mount_id == other.id:
                    return seen
    return None


def ask_in(overlay: Overlay, scene: Scene, layer: Layer, path: bytes) -> Found:
    """Return one entry of a layer, refused where the layer or its attributes cannot be seen."""
    if layer.dir is None:
        return Refused(f"the {layer.role} layer {layer.position} was not found", "CAP_DAC_READ_SEARCH")
    return scene.machine.entry(layer.dir, path, overlay.prefix)


def by_handle(wanted: OverlayHandle, overlay: Overlay) -> ByHandle:
    """Return the question for a file of the layers by its handle."""
    if any(wanted.uuid):
        return ByHandle(wanted)
    near = [layer.dir for layer in overlay.lowers()]
    # A lower layer that cannot be opened by its text is often on the upper's filesystem.
    if wanted.upper or None in near:
        near.append(overlay.upper or overlay.guess)
    return ByHandle(wanted, tuple(one for one in near if one is not None))


def layer_of(overlay: Overlay, path: bytes, scene: Scene) -> Layer | None:
    """Return the one layer below the upper whose directory holds *path*, None where none or several do."""
    found = [layer for layer in overlay.layers if layer.role != "upper" and layer.dir is not None
             and is_below(path, layer.dir.path) and _holds(layer.dir, path, overlay, scene)]
    return found[0] if len(found) == 1 else None


def _holds(directory: LayerDir, path: bytes, overlay: Overlay, scene: Scene) -> bool:
    if directory.mine:
        return True
    # The directory's text is another namespace's: what it leads to must be this very file.
    here, there = scene.machine.named(path), scene.machine.entry(directory, rest(path, directory.path), overlay.prefix)
    return isinstance(there, FileFacts) and same_file(here, there)
