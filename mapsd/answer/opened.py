"""What the names of one process open, each followed once, and again where it changed meanwhile."""

from mapsd.answer.name import decided, here_of, leads_alike, lies_on
from mapsd.answer.name import is_steady as is_unwritten
from mapsd.answer.reading import ATTEMPTS
from mapsd.light import TYPE_CHECKING, NamedTuple
from mapsd.model import Absent, FileFacts, Mount, Refused
from mapsd.model.layers import Descent, Way, Winner
from mapsd.model.translated import Name
from mapsd.resolve.opened import missing
from mapsd.resolve.overlays import OVERLAY, Overlay, build
from mapsd.resolve.scene import Scene, same_file

if TYPE_CHECKING:
    from mapsd.sources import Observed


class Opened(NamedTuple):
    """What a name opens: where it leads, on which mount, and through which layers."""

    way: Way
    mount: Mount | None
    winner: Winner | None
    descents: tuple[Descent, ...]

    def is_at(self, path: bytes | None, file: FileFacts) -> bool:
        """Return whether a name leads, without a symbolic link on the way, to this very file."""
        found = self.way.found
        return self.way.path == path and not isinstance(found, Absent | Refused) and (
            same_file(found, file) and found.handle == file.handle)


class Opening:
    """Follows the names of one process."""

    def __init__(self, observed: "Observed", scene: Scene) -> None:
        """Follow them as *observed* does, in a *scene* that was read of it."""
        self._observed, self.scene = observed, scene
        self._overlays: dict[tuple[object, ...], Overlay] = {}
        self._known: dict[bytes, Opened | None] = {}

    def forget(self) -> None:
        """Follow every name anew from now on."""
        self._known.clear()

    def of(self, path: bytes) -> Opened | None:
        """Return what a name opens, None where it changes each time."""
        if path not in self._known:
            self._known[path] = self._steadily(path)
        return self._known[path]

    def is_still(self, path: bytes) -> bool:
        """Return whether a name leads where it led when it was followed."""
        opened, again = self.of(path), self._observed.walk(path)
        return opened is not None and leads_alike(opened.way, again)

    def nothing(self, mount: Mount, name: bytes) -> Descent:
        """Return what of an overlay's layers is met at the *name* of one, which is followed no further."""
        return missing(mount, name, self.scene, self._overlay)

    def visible(self, name: Name, opened: Opened) -> Name:
        """Return a name by which the file can be opened, with what it opens."""
        return opens(name, opened)._replace(openable_path=self.scene.proc + b"/root" + (name.user_path or b""))

    def _steadily(self, path: bytes) -> Opened | None:
        way = self._observed.walk(path)
        for _ in range(ATTEMPTS):
            mount, inner = lies_on(way, self.scene)
            found, here = way.found, None
            if isinstance(found, FileFacts) and mount is not None and mount.fs_type != OVERLAY:
                here = here_of(path, found, mount, inner, self.scene)
            winner, descents = decided(way, mount, inner, here, self.scene, self._overlay)
            again = self._observed.walk(path)
            if leads_alike(way, again) and is_unwritten(way, again, winner):
                return Opened(way, mount, winner, descents)
            way = again
        return None

    def _overlay(self, mount: Mount) -> Overlay:
        key = mount.device, mount.options
        if key not in self._overlays:
            self._overlays[key] = build(mount, self.scene)
        return self._overlays[key]


def opens(name: Name, opened: Opened) -> Name:
    """Return a name with what it opens."""
    winner = opened.winner
    if winner is None:
        return name
    said = name._replace(opens=winner.backing, proof=winner.proof, evidence=winner.evidence)
    return said._replace(reason=said.reason or winner.reason or "", needs=said.needs or winner.needs)
