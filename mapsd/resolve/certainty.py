"""Whether the directory that a layer's text names is the one that was mounted.

A text names something else as soon as a directory is moved, a mount covers it, or another mount namespace reads it.
What tells is a file that the overlay takes from this layer alone: the overlay's own handle of it names filesystem,
inode and generation, and the directory either has that very file at this name or it is another one. That makes it a
layer of the overlay. Its place among them is that of its text, where no part of the texts was renamed since the mount.
A filesystem may have no UUID (that of many virtual machines), and the option uuid=off leaves it out of handles: then
the file must be the only one on the filesystems of the layers, and none of the texts renamed.
"""

from mapsd.light import Callable, NamedTuple, Sequence
from mapsd.model import Absent, FileFacts, Found, Layer, LayerDir, Mount
from mapsd.parse.overlay_xattrs import overlay_handle
from mapsd.ports import Machine, Process, same_handle
from mapsd.resolve.mounts import join
from mapsd.resolve.moved import mounted_later
from mapsd.resolve.overlays import Overlay, by_handle
from mapsd.resolve.scene import Scene, same_file

PROBES = 200  # files of a layer that are compared
_NO_HANDLES = "this overlay names no file of its layers by handle (Linux 6.6; not in a user namespace or on overlays)"
_UNPLACED = "it is a layer of the overlay, but may have changed places with another one since the mount"
_UNFOLLOWED = "the overlay has a file of this handle, but where it is cannot be told: "
_NO_UUID = ("the overlay's handles do not say on which filesystem a file is, and the layers' texts may lead elsewhere "
            "than when they were mounted")
_SHADOWED = "nothing that was compared shows through the overlay: its text may name another directory by now"

Listing = Callable[[LayerDir, bytes], Sequence[tuple[bytes, bool]]]  # names in a directory, and which are directories


class Certainty(NamedTuple):
    """Whether a layer's directory is the mounted one; *reason* and *needs* where that is not known."""

    yes: bool
    reason: str = ""
    needs: str = ""


class _View(NamedTuple):
    """Where the whole overlay can be looked at."""

    mount: Mount
    port: Process | Machine

    def shows(self, path: bytes) -> Found:
        return self.port.named(b"/" + join(self.mount.mount_point, path))


def certainty(layer: Layer, overlay: Overlay, listed: Listing, scene: Scene) -> Certainty:
    """Return whether the directory of a layer (which has one) is known to be the mounted one."""
    if layer.role == "upper":
        return Certainty(overlay.upper is not None, "" if overlay.upper else "the overlay's root does not name it")
    if layer.dir is None or layer.role == "data":
        return Certainty(False, "the overlay names no file of a data-only layer")
    view = _view(overlay, scene)
    if view is None:
        return Certainty(False, "the overlay's root cannot be looked at", "CAP_SYS_PTRACE")
    top = view.shows(b"")
    if not isinstance(top, FileFacts) or overlay_handle(top.handle) is None:
        return Certainty(False, _NO_HANDLES)
    asked = _Asked(layer.dir, overlay, view, listed, scene)
    if asked.is_ours(b""):
        # The root of an overlay without an upper layer is that of its topmost one.
        return Certainty(True)
    member = asked.searched()
    return member if not member.yes or _is_placed(layer, overlay) else Certainty(False, _UNPLACED)


def _is_placed(layer: Layer, overlay: Overlay) -> bool:
    return len(overlay.lowers()) == 1 or (overlay.settled and layer in overlay.layers)


class _Asked:
    """One layer that is compared with the overlay, file by file."""

    def __init__(self, directory: LayerDir, overlay: Overlay, view: _View, listed: Listing, scene: Scene) -> None:
        self._directory, self._overlay, self._view = directory, overlay, view
        self._listed, self._scene, self._left = listed, scene, PROBES
        self._doubt = Certainty(False, _SHADOWED)

    def searched(self) -> Certainty:
        """Return whether there is a file that the overlay takes from here."""
        todo = [b""]
        while todo and self._left > 0:
            above = todo.pop()
            for name, is_directory in self._listed(self._directory, above):
                path = join(above, name)
                self._left -= 1
                if self.is_ours(path):
                    return Certainty(True)
                if is_directory:
                    todo.append(path)
        return self._doubt

    def is_ours(self, path: bytes) -> bool:
        """Return whether the overlay names the file at *path* in this directory."""
        seen = self._view.shows(path)
        wanted = overlay_handle(seen.handle) if isinstance(seen, FileFacts) else None
        if wanted is None or wanted.upper:
            return False
        here = self._scene.machine.entry(self._directory, path, self._overlay.prefix)
        if not isinstance(here, FileFacts) or not same_handle(here.handle, wanted.handle):
            return False
        found = self._scene.machine.by_handle(by_handle(wanted, self._overlay), self._overlay.prefix)
        if not isinstance(found, FileFacts):
            # Two filesystems may number their files alike: equal handles alone say nothing.
            why, needs = ("it is gone", "") if isinstance(found, Absent) else found
            self._doubt = Certainty(False, _UNFOLLOWED + why, needs)
            return False
        if not any(wanted.uuid) and not self._overlay.settled:
            self._doubt = Certainty(False, _NO_UUID)
            return False
        return same_file(found, here) and not mounted_later(here, self._overlay.mount, self._scene)


def _view(overlay: Overlay, scene: Scene) -> _View | None:
    """Return where the overlay's own root can be looked at, None where it is covered or out of reach."""
    for table, port in ((scene.table, scene.process), (scene.host, scene.machine)):
        for mount in table.of_device(overlay.mount.device):
            if mount.root == b"/":
                seen = port.named(mount.mount_point)
                if isinstance(seen, FileFacts) and seen.mount_id == mount.id:
                    return _View(mount, port)
    return None
