"""The directory of the topmost layer of a process's root: what an engine's store knows a container by."""

from mapsd.light import TYPE_CHECKING, Iterator, NamedTuple, Sequence
from mapsd.model import Absent, FileFacts, LayerDir, Mount, Refused
from mapsd.model.containers import Unidentified
from mapsd.parse import overlay_options
from mapsd.parse.overlay_xattrs import overlay_handle
from mapsd.ports import same_handle
from mapsd.resolve.certainty import certainty
from mapsd.resolve.overlays import Overlay, build, places
from mapsd.resolve.scene import Scene, same_file

if TYPE_CHECKING:
    from mapsd.model import OverlayHandle
    from mapsd.sources import Beside, ContainedAttempt

SEES_ALL = "CAP_SYS_PTRACE"


class Top(NamedTuple):
    """A directory that is the topmost layer of a root, by its *role*.

    *proven*: the overlay itself names it by a handle, which nobody can make up. It does not in a user namespace: there
    times and inode numbers are compared, and whoever mounted the overlay may have chosen them, with the texts.
    """

    directory: bytes
    role: str
    proven: bool


def top_layer(root: Mount, around: Scene, attempt: "ContainedAttempt") -> Top | Unidentified:
    """Return the directory of the topmost layer, which must be the very one that was mounted."""
    options, named = overlay_options.parse(root.options), _handle(root, around)
    if named is not None and named.upper and options.upper is not None:
        found = around.machine.directory_by_handle(named)
        if found is not None and _is_named(found):
            return Top(_as_mounted(found, options.upper, places(options, root, around), around), "upper", proven=True)
    return _looked_for(build(root, around), named, around, attempt)


def lower_directories(root: Mount, store: bytes, around: Scene) -> list[bytes]:
    """Return the directories of a root's lower layers, none where their texts say that all are below *store*."""
    texts = overlay_options.parse(root.options).lower
    if all(not text.startswith(b"/") or text.startswith(store.rstrip(b"/") + b"/") for text in texts):
        return []
    return [layer.dir.path for layer in build(root, around).lowers() if layer.dir is not None and _is_named(layer.dir)]


def _handle(root: Mount, around: Scene) -> "OverlayHandle | None":
    """Return what the overlay's own root says of its topmost layer."""
    top = around.process.named(b"/")
    return overlay_handle(top.handle) if isinstance(top, FileFacts) and root.root == b"/" else None


def _looked_for(overlay: Overlay, named: "OverlayHandle | None", around: Scene,
                attempt: "ContainedAttempt") -> Top | Unidentified:
    top = overlay.layers[0]
    if overlay.has_upper():
        found = overlay.upper
    else:
        sure = top.dir is not None and certainty(top, overlay, attempt.machine.listed, around).yes
        found = top.dir if sure else None
    if found is not None and _is_named(found):
        return Top(_as_mounted(found, top.text, iter(overlay.bases), around), top.role, proven=named is not None)
    elsewhere = _elsewhere(overlay, named, around, attempt.beside())
    return Top(elsewhere, top.role, proven=True) if elsewhere is not None else Unidentified(
        f"which directory the {top.role} layer of its root is cannot be established",
        ("CAP_DAC_READ_SEARCH", SEES_ALL))


def _is_named(found: LayerDir) -> bool:
    return found.mine and bool(found.path)


def _as_mounted(own: LayerDir, text: bytes, bases: Iterator[bytes], around: Scene) -> bytes:
    """Return the topmost layer by the name that its text leads to: so are the other layers named."""
    for base in bases if not text.startswith(b"/") else iter([b"/"]):
        for one in around.machine.directories(text, (base,)):
            if _is_named(one) and same_file(one.facts, own.facts):
                return one.path
    return own.path


def _elsewhere(overlay: Overlay, named: "OverlayHandle | None", around: Scene, beside: "Beside") -> bytes | None:
    """Return the directory that the topmost layer's text names for us, or through the root of another process.

    That one has the overlay mounted, too. The overlay's handle must name it.
    """
    for path in _names_elsewhere(overlay, around, beside) if named is not None else ():
        tree = beside.tree(path)
        found = Absent() if isinstance(tree, Absent | Refused) else tree.entry(b"")
        if named is not None and isinstance(found, FileFacts) and same_handle(found.handle, named.handle):
            return path
    return None


def _names_elsewhere(overlay: Overlay, around: Scene, beside: "Beside") -> Iterator[bytes]:
    text = overlay.layers[0].text
    names: Sequence[bytes] = [text] if text.startswith(b"/") else [
        base.rstrip(b"/") + b"/" + text for base in overlay.bases]
    yield from names
    for one in beside.mounted(overlay.mount.device):
        yield from (b"%s/%d/root%s" % (around.proc.rpartition(b"/")[0], one.runner.pid, name) for name in names)
