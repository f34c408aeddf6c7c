"""A file that somebody else named, sought among what one process sees: the names that open it, each asked as `which`.

Where the file lies in layers only proposes names. What a name opens is found out as for every name of a process.
"""

from mapsd.answer.name import decided, here_of, leads_alike, lies_on
from mapsd.answer.name import is_steady as is_unwritten
from mapsd.answer.reading import ATTEMPTS, Reading, facts, scene, skipped, steadily
from mapsd.answer.wanted import Found, Looking, Plain, sought
from mapsd.errors import AccessDenied, ParseError
from mapsd.light import TYPE_CHECKING, Callable, Iterator, NamedTuple
from mapsd.model import Absent, Backing, FileFacts, Mount, Refused, Skipped
from mapsd.model.layers import Descent, Way, Winner
from mapsd.model.translated import Hider, Name, Numbered, View, Wanted
from mapsd.parse.maps import parse
from mapsd.resolve.hiding import Sought, Verdict, verdict
from mapsd.resolve.layerfile import backing_of
from mapsd.resolve.opened import missing
from mapsd.resolve.overlays import OVERLAY, Overlay, build
from mapsd.resolve.possible import Texts
from mapsd.resolve.scene import Scene, same_file
from mapsd.resolve.sought import Lead, Seeker, Spot
from mapsd.resolve.stacks import user_paths, view

if TYPE_CHECKING:
    from mapsd.sources import Layers, Observed, Search, Source

_CHANGES = "the file, its name or the process's mounts changed each time they were read"
_OUTSIDE = "no mount of the process shows the part of the overlay in which it has a name"
_NAMELESS = "no name of the overlay leads to it"
_UNSTEADY = Skipped("mounts", "the process's mounts or root changed each time they were read", "")
_SEEN = frozenset({"visible", "metadata"})


class Means(NamedTuple):
    """What all processes of one question share: what walks through directories, and what the texts of layers name."""

    search: "Callable[[Layers], Search]"
    texts: Texts


def translated(pid: int, wanted: Wanted, source: "Source", means: Means) -> View:
    """Return the names by which a process opens, or would open, a file.

    Raises ProcessGone, AccessDenied, NoHost, ParseError.
    """
    seen = source(pid, None)
    try:
        return _translated(seen, wanted, means)
    finally:
        seen.close()


def _translated(seen: "Observed", wanted: Wanted, means: Means) -> View:
    found, steady = steadily(seen.process, lambda reading: _answer(seen, reading, wanted, means))
    if steady:
        return found
    names = tuple(name._replace(what="unknown", by=None, opens=None, proof="", evidence=(), reason=_CHANGES)
                  for name in found.names)
    return found._replace(names=names, skipped=(*found.skipped, _UNSTEADY))


def _answer(seen: "Observed", reading: Reading, wanted: Wanted, means: Means) -> View:
    root = seen.process.named(b"/")
    if isinstance(root, Refused):
        raise AccessDenied(f"{seen.process.pid}: root", root.needs or "CAP_SYS_PTRACE")
    attempt = seen.attempt()
    try:
        here = scene(seen, reading, attempt.machine)
        mounts = view(here)
        looking = Looking(means.search(attempt.machine), means.texts, lambda numbers: _mapped(seen, numbers))
        found = sought(wanted, mounts, here, looking)
        names = tuple(dict.fromkeys(_Names(seen, here, mounts, found.seeker).all(found)))
    finally:
        attempt.close()
    return View(facts(seen, reading), seen.release(), seen.now(), (seen.process.pid,), names,
                (*found.seeker.skipped.values(), *skipped(reading)), found.problem)


def _mapped(seen: "Observed", wanted: Numbered) -> list[bytes]:
    """Return what maps calls the mapped files with these numbers: no directory needs to be searched for them."""
    try:
        maps = seen.maps()
    except AccessDenied:
        return []
    try:
        vmas = parse(maps.read())
    except ParseError:
        # It was read while it changed. These are proposals only.
        return []
    finally:
        maps.close()
    return list(dict.fromkeys(vma.name for vma in vmas if (vma.device, vma.inode) == wanted and vma.name[:1] == b"/"))


class _Opened(NamedTuple):
    """What a name opens: where it leads, on which mount, and through which layers."""

    way: Way
    mount: Mount | None
    winner: Winner | None
    descents: tuple[Descent, ...]


class _Names:
    """The names of one process, each asked once."""

    def __init__(self, observed: "Observed", scene: Scene, mounts: tuple[Mount, ...], seeker: Seeker) -> None:
        self._observed, self._scene, self._mounts, self._seeker = observed, scene, mounts, seeker
        self._overlays: dict[tuple[object, ...], Overlay] = {}
        self._opened: dict[bytes, _Opened | None] = {}

    def all(self, found: Found) -> Iterator[Name]:
        """Yield what the names of everything that was found are to it."""
        for spot in found.spots:
            yield from self._settled(spot)
        for plain in found.plain:
            yield from self._of_plain(plain)
        for path in found.own:
            opened = self._open(path)
            if opened is not None and isinstance(opened.way.found, FileFacts):
                device = opened.mount.device if opened.mount is not None else opened.way.found.st_dev
                file = Backing(None, device, opened.way.found.inode, opened.mount.fs_type if opened.mount else None)
                yield self._visible(Name(file, None, b"", path, None, opened.mount, "visible"), opened)

    def _settled(self, spot: Spot) -> list[Name]:
        """Return the names of a file of a layer, asked again where something was renamed meanwhile."""
        for _ in range(ATTEMPTS):
            names = list(self._of_spot(spot))
            if all(name.reason != _CHANGES for name in names):
                break
            self._opened.clear()
        return names

    def _of_spot(self, spot: Spot) -> Iterator[Name]:
        leads, why = self._seeker.leads(spot)
        if why is not None:
            self._seeker.skip(*why)
        blank = Name(backing_of(spot.facts, spot.layer, self._scene), spot.layer, spot.path, None, None, None, "hidden")
        for overlay in dict.fromkeys(lead.overlay.mount for lead in leads):
            of_one = [lead for lead in leads if lead.overlay.mount == overlay]
            yield from self._of_overlay(spot, blank._replace(mount=overlay), of_one, why)

    def _of_overlay(self, spot: Spot, blank: Name, leads: list[Lead], why: Skipped | None) -> Iterator[Name]:
        """Yield the names that an overlay has for a file: where some show it, no name that does not."""
        shown = {lead: list(user_paths(lead.name, lead.overlay.mount.device, self._mounts)) for lead in leads}
        found = [name for lead, paths in shown.items() for mount, path in paths
                 for name in self._led(blank._replace(user_path=path, mount=mount), mount, lead, spot.facts)]
        seen = [name for name in found if name.what in _SEEN]
        if seen:
            yield from (name for name in found if name.what in {*_SEEN, "unknown"})
        elif not self._is_settled(spot, leads, [path for paths in shown.values() for _, path in paths]):
            yield from (name._replace(what="unknown", by=None, reason=_CHANGES, needs=()) for name in found or [blank])
        elif found or why is not None:
            yield from (_unless_known(name, why) for name in found or [blank])
        elif not all(shown.values()):
            yield blank._replace(what="unreachable", reason=_OUTSIDE)
        else:
            yield blank._replace(reason=_NAMELESS)

    def _is_settled(self, spot: Spot, leads: list[Lead], paths: list[bytes]) -> bool:
        """Return whether no name became another one, while they were asked one after the other."""
        overlays = [spot.stack.overlay, *(lead.overlay for lead in leads[:1])]
        if not all(map(self._seeker.is_settled, dict.fromkeys(overlays))):
            return False
        found = [(self._opened[path], self._observed.walk(path)) for path in paths]
        return all(opened is not None and leads_alike(opened.way, again) for opened, again in found)

    def _led(self, name: Name, mount: Mount, lead: Lead, file: FileFacts) -> Iterator[Name]:
        """Yield what a name is to a file of a layer, nothing where it does not lead to it."""
        opened = self._open(name.user_path or b"/")
        if opened is None:
            yield name._replace(what="unknown", reason=_CHANGES)
            return
        if _is(opened.way, file, name):
            # The file itself is mounted there.
            yield self._visible(name._replace(what="visible", mount=opened.mount), opened)
            return
        found = self._judged(Sought(file, name.file, lead.marks), name, mount, lead, opened)
        if found is not None and found.what in _SEEN:
            yield self._visible(name._replace(what=found.what, mount=opened.mount or mount), opened)
        elif opened.mount is not None and opened.mount.id != mount.id:
            yield self._opens(name._replace(by=Hider("mount", mount=opened.mount)), opened)
        elif found is not None:
            yield self._opens(name._replace(what=found.what, by=found.by, reason=found.reason, needs=found.needs),
                              opened)

    def _judged(self, sought: Sought, name: Name, mount: Mount, lead: Lead, opened: _Opened) -> Verdict | None:
        seen = opened.way.found
        if opened.way.path == name.user_path and isinstance(seen, FileFacts):
            return verdict(sought, opened.descents, opened.winner)
        # Nothing is there, it may not be followed, or a symbolic link is on the way.
        around = missing(mount, lead.name, self._scene, self._overlay)
        found = verdict(sought, (around,), None, opens_nothing=not isinstance(seen, Refused))
        if found is None or found.what != "unknown" or not isinstance(seen, Refused):
            return found
        return found._replace(reason=seen.reason, needs=(seen.needs,) if seen.needs else found.needs)

    def _of_plain(self, plain: Plain) -> Iterator[Name]:
        """Yield the names of a file on the mounts of its own filesystem."""
        found, names = plain.facts, []
        file = Backing(None, plain.device, found.inode, plain.fs_type)
        for mount, path in user_paths(plain.inner, plain.device, self._mounts):
            if file.path is None:
                file = file._replace(path=here_of(path, found, mount, plain.inner, self._scene))
            name = Name(file, None, plain.inner, path, None, mount, "hidden")
            opened = self._open(path)
            if opened is None:
                names.append(name._replace(what="unknown", reason=_CHANGES))
            elif isinstance(opened.way.found, Refused):
                names.append(_refused(name, opened.way.found))
            elif _is(opened.way, found, name):
                names.append(self._visible(name._replace(what="visible", mount=opened.mount), opened))
            elif opened.mount is not None and opened.mount.id != mount.id:
                names.append(self._opens(name._replace(by=Hider("mount", mount=opened.mount)), opened))
        seen = [name for name in names if name.what == "visible"]
        yield from seen or names

    def _visible(self, name: Name, opened: _Opened) -> Name:
        return self._opens(name, opened)._replace(openable_path=self._scene.proc + b"/root" + (name.user_path or b""))

    def _opens(self, name: Name, opened: _Opened) -> Name:
        winner = opened.winner
        if winner is None:
            return name
        said = name._replace(opens=winner.backing, proof=winner.proof, evidence=winner.evidence)
        return said._replace(reason=said.reason or winner.reason or "", needs=said.needs or winner.needs)

    def _open(self, path: bytes) -> _Opened | None:
        """Return what a name opens, None where it changes each time."""
        if path not in self._opened:
            self._opened[path] = self._steadily(path)
        return self._opened[path]

    def _steadily(self, path: bytes) -> _Opened | None:
        way = self._observed.walk(path)
        for _ in range(ATTEMPTS):
            mount, inner = lies_on(way, self._scene)
            found, here = way.found, None
            if isinstance(found, FileFacts) and mount is not None and mount.fs_type != OVERLAY:
                here = here_of(path, found, mount, inner, self._scene)
            winner, descents = decided(way, mount, inner, here, self._scene, self._overlay)
            again = self._observed.walk(path)
            if leads_alike(way, again) and is_unwritten(way, again, winner):
                return _Opened(way, mount, winner, descents)
            way = again
        return None

    def _overlay(self, mount: Mount) -> Overlay:
        key = mount.device, mount.options
        if key not in self._overlays:
            self._overlays[key] = build(mount, self._scene)
        return self._overlays[key]


def _is(way: Way, file: FileFacts, name: Name) -> bool:
    """Return whether a name leads, without a symbolic link on the way, to this very file."""
    return way.path == name.user_path and not isinstance(way.found, Absent | Refused) and (
        same_file(way.found, file) and way.found.handle == file.handle)


def _refused(name: Name, refused: Refused) -> Name:
    return name._replace(what="unknown", reason=refused.reason, needs=(refused.needs,) if refused.needs else ())


def _unless_known(name: Name, why: Skipped | None) -> Name:
    """Return what a name is, unknown where the file may have other names and this one hides it."""
    if why is None or name.what != "hidden":
        return name
    needs = tuple(why.needs.split(",")) if why.needs else ()
    return name._replace(what="unknown", by=None, reason=f"it may have another name: {why.what}: {why.reason}",
                         needs=needs)
