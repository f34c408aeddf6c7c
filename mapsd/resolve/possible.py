"""Whether an overlay may have a file in its layers, by their texts alone: to find out all about it costs much more."""

from mapsd.model import FileFacts, Found, Mount
from mapsd.parse import overlay_options
from mapsd.parse.overlay_xattrs import overlay_handle
from mapsd.ports import same_handle
from mapsd.resolve.overlays import OVERLAY
from mapsd.resolve.scene import Scene
from mapsd.resolve.stacks import below, place_of


class Texts:
    """What texts of layers name for the observer, each asked once for one question, whoever has it as a layer."""

    def __init__(self) -> None:
        """Know nothing."""
        self._known: dict[bytes, Found] = {}

    def named(self, text: bytes, scene: Scene) -> Found:
        """Return what a text opens for the observer."""
        if text not in self._known:
            self._known[text] = scene.machine.named(text)
        return self._known[text]


def may_hold(mount: Mount, file: FileFacts, scene: Scene, texts: Texts) -> bool:
    """Return whether a file of the observer's may lie in a layer of the overlay of a mount.

    False is only said where each of its layers is known, and neither the file's path nor a hard link can be in it.
    """
    options = overlay_options.parse(mount.options)
    layers = (*options.lower, *options.data, *(() if options.upper is None else (options.upper,)))
    return any(_may(text, file, scene, texts) for text in layers) or (
        options.upper is not None and not _is_upper(options.upper, mount, scene, texts))


def _may(text: bytes, file: FileFacts, scene: Scene, texts: Texts) -> bool:
    found = texts.named(text, scene) if text.startswith(b"/") else None
    place, of_file = place_of(found if isinstance(found, FileFacts) else None, scene), place_of(file, scene)
    if not isinstance(found, FileFacts) or place is None or of_file is None or place[0].fs_type == OVERLAY:
        return True
    if file.nlink > 1 and found.st_dev == file.st_dev:
        return True
    return place[0].device == of_file[0].device and below(of_file[1], place[1]) is not None


def _is_upper(text: bytes, mount: Mount, scene: Scene, texts: Texts) -> bool:
    """Return whether nothing speaks against the upper directory being the one that its text names."""
    root, found = scene.process.named(mount.mount_point), texts.named(text, scene)
    if not isinstance(root, FileFacts) or root.mount_id != mount.id or mount.root != b"/":
        return False
    wanted = overlay_handle(root.handle)
    return wanted is None or (isinstance(found, FileFacts) and same_handle(wanted.handle, found.handle))
