"""The directory of the topmost layer of a process's root: what an engine's store knows a container by."""

from mapsd.light import TYPE_CHECKING, Iterator
from mapsd.model import Absent, FileFacts, LayerDir, Refused
from mapsd.model.containers import Unidentified
from mapsd.parse.overlay_xattrs import overlay_handle
from mapsd.ports import same_handle
from mapsd.resolve.certainty import certainty
from mapsd.resolve.overlays import Overlay
from mapsd.resolve.scene import Scene, same_file

if TYPE_CHECKING:
    from mapsd.sources import Beside, ContainedAttempt

SEES_ALL = "CAP_SYS_PTRACE"


def is_proven(overlay: Overlay, around: Scene) -> bool:
    """Return whether the overlay itself names its layer by a handle, which nobody can make up.

    It does not in a user namespace. There times and inode numbers are compared, and whoever mounted the overlay may
    have chosen them, with the texts.
    """
    top = around.process.named(b"/")
    return overlay.mount.root == b"/" and isinstance(top, FileFacts) and overlay_handle(top.handle) is not None


def top_directory(overlay: Overlay, around: Scene, attempt: "ContainedAttempt") -> bytes | Unidentified:
    """Return the directory of the topmost layer, which must be the very one that was mounted."""
    top = next(iter(overlay.layers))
    if overlay.has_upper():
        found = overlay.upper
    else:
        sure = top.dir is not None and certainty(top, overlay, attempt.machine.listed, around).yes
        found = top.dir if sure else None
    if found is not None and _is_named(found):
        return _as_mounted(found, overlay, around).path
    return _elsewhere(overlay, around, attempt.beside()) or Unidentified(
        f"which directory the {top.role} layer of its root is cannot be established",
        ("CAP_DAC_READ_SEARCH", SEES_ALL))


def _is_named(found: LayerDir) -> bool:
    return found.mine and bool(found.path)


def _as_mounted(own: LayerDir, overlay: Overlay, around: Scene) -> LayerDir:
    """Return the topmost layer by the name that its text leads to: so are the other layers named."""
    named = around.machine.directories(overlay.layers[0].text, overlay.bases)
    return next((one for one in named if _is_named(one) and same_file(one.facts, own.facts)), own)


def _elsewhere(overlay: Overlay, around: Scene, beside: "Beside") -> bytes | None:
    """Return the topmost layer's directory through the root of a process that has the overlay mounted, too.

    The overlay's own root names it by its handle, which no other directory has.
    """
    top = around.process.named(b"/")
    wanted = overlay_handle(top.handle) if isinstance(top, FileFacts) and overlay.mount.root == b"/" else None
    for path in _names_elsewhere(overlay, around, beside) if wanted is not None else ():
        tree = beside.tree(path)
        found = Absent() if isinstance(tree, Absent | Refused) else tree.entry(b"")
        if wanted is not None and isinstance(found, FileFacts) and same_handle(found.handle, wanted.handle):
            return path
    return None


def _names_elsewhere(overlay: Overlay, around: Scene, beside: "Beside") -> Iterator[bytes]:
    text = overlay.layers[0].text
    names = [text] if text.startswith(b"/") else [base.rstrip(b"/") + b"/" + text for base in overlay.bases]
    for one in beside.mounted(overlay.mount.device):
        yield from (b"%s/%d/root%s" % (around.proc.rpartition(b"/")[0], one.runner.pid, name) for name in names)
