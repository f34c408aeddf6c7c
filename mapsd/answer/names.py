"""The names of what was found: of files of layers, of files on the mounts of their own filesystem, of an overlay's."""

from mapsd.answer.layernames import CHANGES, LayerNames
from mapsd.answer.name import here_of
from mapsd.answer.opened import Opening, opens
from mapsd.answer.wanted import Found, Plain
from mapsd.light import TYPE_CHECKING, Iterator
from mapsd.model import Backing, FileFacts, Mount, Refused
from mapsd.model.translated import Hider, Name
from mapsd.resolve.scene import Scene
from mapsd.resolve.stacks import user_paths

if TYPE_CHECKING:
    from mapsd.sources import Observed


class Names:
    """The names of one process, each asked once."""

    def __init__(self, observed: "Observed", scene: Scene, mounts: tuple[Mount, ...]) -> None:
        """Ask for those on the *mounts* that a process sees."""
        self._scene, self._mounts, self._opening = scene, mounts, Opening(observed, scene)

    def all(self, found: Found) -> Iterator[Name]:
        """Yield what the names of everything that was found are to it."""
        of_layers = LayerNames(self._opening, self._mounts, found.seeker)
        for spot in found.spots:
            yield from of_layers.of(spot)
        for plain in found.plain:
            yield from self._of_plain(plain)
        for path in found.own:
            yield from self._own(path)

    def _own(self, path: bytes) -> Iterator[Name]:
        """Yield the name of a file that the overlay itself calls as was asked."""
        opened = self._opening.of(path)
        if opened is None or not isinstance(opened.way.found, FileFacts):
            return
        mount, found = opened.mount, opened.way.found
        file = Backing(None, found.st_dev if mount is None else mount.device, found.inode,
                       None if mount is None else mount.fs_type)
        yield self._opening.visible(Name(file, None, b"", path, None, mount, "visible"), opened)

    def _of_plain(self, plain: Plain) -> Iterator[Name]:
        """Yield the names of a file on the mounts of its own filesystem: where some show it, only these."""
        found = plain.facts
        file = Backing(None, plain.device, found.inode, plain.fs_type)
        names: list[Name] = []
        for mount, path in user_paths(plain.inner, plain.device, self._mounts):
            if file.path is None:
                file = file._replace(path=here_of(path, found, mount, plain.inner, self._scene))
            names += self._on_mount(Name(file, None, plain.inner, path, None, mount, "hidden"), path, mount, found)
        yield from [name for name in names if name.what == "visible"] or names

    def _on_mount(self, name: Name, path: bytes, mount: Mount, found: FileFacts) -> Iterator[Name]:
        opened = self._opening.of(path)
        if opened is None:
            yield name._replace(what="unknown", reason=CHANGES)
        elif isinstance(opened.way.found, Refused):
            yield _refused(name, opened.way.found)
        elif opened.is_at(path, found):
            yield self._opening.visible(name._replace(what="visible", mount=opened.mount), opened)
        elif opened.mount is not None and opened.mount.id != mount.id:
            yield opens(name._replace(by=Hider("mount", mount=opened.mount)), opened)


def _refused(name: Name, refused: Refused) -> Name:
    return name._replace(what="unknown", reason=refused.reason, needs=(refused.needs,) if refused.needs else ())
