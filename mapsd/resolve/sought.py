"""Where a file that is asked about lies in the layers of overlays, and the names that it may have there."""

from mapsd.light import TYPE_CHECKING, Iterator, NamedTuple
from mapsd.model import DeviceId, FileFacts, Layer, Mount, Skipped
from mapsd.model.searched import Redirect
from mapsd.resolve.layerfile import filesystem_of
from mapsd.resolve.overlays import OVERLAY, Overlay, ask_in
from mapsd.resolve.rewrites import Names, names_of
from mapsd.resolve.scene import Scene, same_file
from mapsd.resolve.stacks import Stack, below, place_of

if TYPE_CHECKING:
    from mapsd.sources import Search

_LISTED_OTHERWISE = "it is an overlay itself, whose directories may list other inode numbers than its files have"
_LOST = "no directory was found that it may be"
UNSEEN = "a redirect may give it another name, and redirects are attributes that cannot be seen"


class Spot(NamedTuple):
    """A regular file of a layer of an overlay."""

    stack: Stack
    layer: Layer
    path: bytes
    facts: FileFacts


class Lead(NamedTuple):
    """A name of a mounted overlay, and the places in layers to which it may lead: an overlay's device, index, path."""

    overlay: Overlay
    name: bytes
    marks: frozenset[tuple[object, ...]]


class Seeker:
    """Looks into the layers that one process sees; *skipped* says what it could not look through."""

    def __init__(self, scene: Scene, search: "Search") -> None:
        """Look by *search*."""
        self._scene, self._search = scene, search
        self.skipped: dict[tuple[str, str], Skipped] = {}

    def skip(self, what: str, reason: str, needs: str) -> None:
        """Note what could not be looked through."""
        self.skipped[what, reason] = Skipped(what, reason, needs)

    def at(self, facts: FileFacts, stacks: tuple[Stack, ...]) -> Iterator[Spot]:
        """Yield where a file lies: at its own path, and at its other hard links."""
        place = place_of(facts, self._scene)
        for stack, layer in self._layers(stacks):
            paths = [*self._beneath(place, layer)]
            if facts.nlink > 1 and layer.dir is not None and layer.dir.facts.st_dev == facts.st_dev:
                paths += self._paths(stack, layer, facts.inode)
            for path in dict.fromkeys(paths):
                found = ask_in(stack.overlay, self._scene, layer, path)
                if isinstance(found, FileFacts) and same_file(found, facts) and found.handle == facts.handle:
                    yield Spot(stack, layer, path, found)

    def inside(self, path: bytes, stacks: tuple[Stack, ...]) -> Iterator[Spot]:
        """Yield every regular file of a layer that a path may mean which begins at its directory, or above it."""
        parts = [part for part in path.split(b"/") if part]
        for stack, layer in self._layers(stacks):
            ends = _directories(layer, self._scene)
            for count in range(len(parts)):
                if not count or any(one[-count:] == parts[:count] for one in ends):
                    found = ask_in(stack.overlay, self._scene, layer, b"/".join(parts[count:]))
                    if isinstance(found, FileFacts) and found.kind == "file":
                        yield Spot(stack, layer, b"/".join(parts[count:]), found)

    def numbered(self, number: int, stacks: tuple[Stack, ...], on: DeviceId | None = None) -> Iterator[Spot]:
        """Yield the regular files of layers whose inode numbers end in the same 32 bits, of those *on* a device."""
        for stack, layer in self._layers(stacks):
            if on is not None and not _is_on(layer, on, self._scene):
                continue
            for path in self._paths(stack, layer, number):
                found = ask_in(stack.overlay, self._scene, layer, path)
                if isinstance(found, FileFacts) and found.kind == "file":
                    yield Spot(stack, layer, path, found)

    def _layers(self, stacks: tuple[Stack, ...]) -> Iterator[tuple[Stack, Layer]]:
        for stack in stacks:
            for layer in stack.overlay.guessed():
                if layer.dir is not None:
                    yield stack, layer
            lost = sum(layer.dir is None for layer in stack.overlay.guessed())
            if lost:
                self.skip(f"{lost} layer{'s' * (lost > 1)} of the overlay {stack.overlay.mount.device}", _LOST,
                          "CAP_DAC_READ_SEARCH")

    def _beneath(self, place: tuple[Mount, bytes] | None, layer: Layer) -> Iterator[bytes]:
        there = place_of(layer.dir, self._scene)
        if place is not None and there is not None and place[0].device == there[0].device:
            path = below(place[1], there[1])
            yield from () if path is None else (path,)

    def _paths(self, stack: Stack, layer: Layer, number: int) -> tuple[bytes, ...]:
        if layer.dir is None:
            return ()
        found = self._search.numbered(layer.dir, number)
        place = place_of(layer.dir, self._scene)
        if found.reason:
            self.skip(_called(stack.overlay, layer), found.reason, found.needs)
        elif place is not None and place[0].fs_type == OVERLAY:
            self.skip(_called(stack.overlay, layer), _LISTED_OTHERWISE, "")
        return found.found

    def leads(self, spot: Spot) -> tuple[tuple[Lead, ...], Skipped | None]:
        """Return every name of a mounted overlay that may lead to a file of a layer, and why there may be others."""
        overlay = spot.stack.overlay
        marks = frozenset([(overlay.mount.device, spot.layer.position, spot.path)])
        names, why = self._names(overlay, spot.layer, spot.path)
        found = [Lead(overlay, name, marks) for name in names.names] if spot.stack.mounted else []
        for outer in spot.stack.outer:
            for name in names.names:
                path = below(name, outer.path)
                if path is not None:
                    more, other = self._names(outer.overlay, outer.layer, path)
                    both = marks | {(outer.overlay.mount.device, outer.layer.position, path)}
                    found += [Lead(outer.overlay, one, both) for one in more.names]
                    why = why or other
        return tuple(found), why

    def is_settled(self, overlay: Overlay) -> bool:
        """Return whether nothing was renamed in an overlay since its redirects were read.

        A rename changes the ctime of what is renamed, also where it comes back to its name, and that of the directory,
        whose listing may have had neither name.
        """
        upper = next((layer.dir for layer in overlay.guessed() if layer.role == "upper"), None)
        files = bool(overlay.options.data) or overlay.maybe("metacopy", self._scene)
        if upper is None:
            return True
        before = self._search.redirects(upper, overlay.prefix, files=files)
        now = self._search.redirects(upper, overlay.prefix, files=files, again=True)
        return (sorted(before.found), before.newest) == (sorted(now.found), now.newest)

    def _names(self, overlay: Overlay, layer: Layer, path: bytes) -> tuple[Names, Skipped | None]:
        above = [one for one in overlay.guessed() if one.role != "data" and one.position < layer.position]
        files = bool(overlay.options.data) or overlay.maybe("metacopy", self._scene)
        redirects: list[Redirect] = []
        why = None
        if above and not (overlay.options.userxattr or self._scene.machine.reads_trusted()):
            why = Skipped(_called(overlay, above[0]), UNSEEN, "CAP_SYS_ADMIN")
        for one in above:
            if one.dir is None:
                why = Skipped(_called(overlay, one), _LOST, "CAP_DAC_READ_SEARCH")
                continue
            found = self._search.redirects(one.dir, overlay.prefix, files=files)
            redirects += found.found
            if found.reason:
                why = Skipped(_called(overlay, one), found.reason, found.needs)
        names = names_of(path, redirects)
        if not names.whole:
            why = Skipped(_called(overlay, layer), "redirects give it more names than are followed", "")
        return names, why


def _is_on(layer: Layer, device: DeviceId, scene: Scene) -> bool:
    # btrfs has one superblock, and a device a subvolume.
    return layer.dir is not None and device in {layer.dir.facts.st_dev, filesystem_of(layer.dir.facts, scene)[0]}


def _called(overlay: Overlay, layer: Layer) -> str:
    return f"{layer.role}:{layer.position} of the overlay {overlay.mount.device}"


def _directories(layer: Layer, scene: Scene) -> list[list[bytes]]:
    """Return the names of a layer's directory and of those above it, as the observer and its filesystem have them."""
    place = place_of(layer.dir, scene)
    paths = [layer.dir.path if layer.dir is not None else b"", b"" if place is None else place[1]]
    return [[part for part in path.split(b"/") if part] for path in paths]
