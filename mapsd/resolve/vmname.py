"""The name of a mapping where maps and map_files leave it open: the kernel's own mount and dentries."""

from mapsd.light import TYPE_CHECKING
from mapsd.model import Absent, FileFacts, Found, Refused, Vma
from mapsd.model.held import Held
from mapsd.parse.escape import DELETED, readings
from mapsd.resolve.mounts import inside, strip_root
from mapsd.resolve.scene import Place, Scene

if TYPE_CHECKING:
    from mapsd.resolve.vma import Resolver

_FIRST = 0xEFFFFFF8  # MNT_NS_INIT_INO, include/uapi/linux/nsfs.h: what is less is no namespace of a process
_DETAIL = "the kernel's own dentries and mount name it"
_OUTSIDE = "the kernel's own dentries lead to the file from outside the process's root"


def named(vma: Vma, place: Place, resolver: "Resolver") -> Place:
    """Return where a mapping's file is, asked of the kernel's structures where names did not establish it."""
    scene, vm_files = resolver.scene, resolver.means.vm_files
    if vm_files is None or scene.namespace is None or not _open(place):
        return place
    held = vm_files.of(vma)
    if isinstance(held, Refused) or held.user.cut or 0 < held.namespace < _FIRST:
        # The clone that an outer overlay made of its layer, or a tree that is mounted nowhere yet.
        return place
    if held.namespace == scene.namespace:
        return _here(vma, held, place, scene) or place
    facts = None if place.claimed else place.facts
    verdict, where = ("unreachable", "another") if held.namespace else ("detached", "no")
    return Place(verdict, None, facts, None, dentries=True,
                 detail=f"the kernel's own mount of the file is in {where} mount namespace")


def _open(place: Place) -> bool:
    """Return whether a place is not established: unknown, known by a path alone, or covered and without its name."""
    return place.verdict == "unknown" or place.claimed or (place.verdict == "covered" and place.path is None)


def _here(vma: Vma, held: Held, place: Place, scene: Scene) -> Place | None:
    mount = scene.table.by_id(held.mount_id) or place.mount
    mapped = None if place.claimed else place.facts
    if not held.user.whole:
        return Place("unreachable", None, mapped, mount, detail=_OUTSIDE, inner=place.inner, dentries=True)
    path = held.user.path
    if scene.root_mount is None or not _is_shown(held, vma, scene):
        return None
    found = scene.process.named(path)
    verdict = _verdict(held, path, found, scene)
    if verdict is None:
        return None
    facts = found if verdict == "live" and mapped is None and isinstance(found, FileFacts) else mapped
    below = inside(mount, path) if verdict == "live" and mount is not None else place.inner
    over = scene.table.by_id(scene.table.leads_to(path, scene.root_mount)) if verdict == "covered" else None
    return Place(verdict, path, facts, mount, detail=_DETAIL, inner=below, opened=found, over=over, dentries=True)


def _verdict(held: Held, path: bytes, found: Found, scene: Scene) -> str | None:
    if scene.root_mount is None:
        return None
    same = isinstance(found, FileFacts) and (found.mount_id, found.inode) == (held.mount_id, held.user_inode)
    if not held.user.gone and same:
        return "live"
    if scene.table.leads_to(path, scene.root_mount) != held.mount_id:
        return "covered"
    if not held.user.gone or same or isinstance(found, Refused):
        # A live name that opens another file was renamed meanwhile; a dead one that opens the same is a hard link's.
        return None
    return "deleted" if isinstance(found, Absent) else "replaced"


def _is_shown(held: Held, vma: Vma, scene: Scene) -> bool:
    """Return whether maps shows this very path: dentries are read without a lock, and a rename may tear them."""
    mark = DELETED if held.user.gone else b""
    return any(text.endswith(mark) and strip_root(text[:len(text) - len(mark)], scene.root) == held.user.path
               for text in readings(vma.name))
