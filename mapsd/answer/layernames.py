"""The names that overlays have for a file of one of their layers, each asked as `which`.

Where the file lies only proposes names. What a name opens is found out as for every name of a process.
"""

from mapsd.answer.opened import Opened, Opening, opens
from mapsd.answer.reading import ATTEMPTS
from mapsd.light import Iterator
from mapsd.model import FileFacts, Mount, Refused, Skipped
from mapsd.model.translated import Hider, Name
from mapsd.resolve.hiding import Sought, Verdict, verdict
from mapsd.resolve.layerfile import backing_of
from mapsd.resolve.sought import Lead, Seeker, Spot
from mapsd.resolve.stacks import user_paths

CHANGES = "the file, its name or the process's mounts changed each time they were read"
_OUTSIDE = "no mount of the process shows the part of the overlay in which it has a name"
_NAMELESS = "no name of the overlay leads to it"
_SEEN = frozenset({"visible", "metadata"})


class LayerNames:
    """The names of files of layers in one process."""

    def __init__(self, opening: Opening, mounts: tuple[Mount, ...], seeker: Seeker) -> None:
        """Follow names by *opening*, on the *mounts* that the process sees; *seeker* proposes them."""
        self._opening, self._mounts, self._seeker = opening, mounts, seeker

    def of(self, spot: Spot) -> list[Name]:
        """Return the names of a file of a layer, asked again where something was renamed meanwhile."""
        for _ in range(ATTEMPTS):
            names = list(self._of_spot(spot))
            if all(name.reason != CHANGES for name in names):
                break
            self._opening.forget()
        return names

    def _of_spot(self, spot: Spot) -> Iterator[Name]:
        leads, why = self._seeker.leads(spot)
        if why is not None:
            self._seeker.skip(*why)
        file = backing_of(spot.facts, spot.layer, self._opening.scene)
        blank = Name(file, spot.layer, spot.path, None, None, None, "hidden")
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
            yield from (name._replace(what="unknown", by=None, reason=CHANGES, needs=()) for name in found or [blank])
        elif found or why is not None:
            yield from (_unless_known(name, why) for name in found or [blank])
        elif not all(shown.values()):
            yield blank._replace(what="unreachable", reason=_OUTSIDE)
        else:
            yield blank._replace(reason=_NAMELESS)

    def _is_settled(self, spot: Spot, leads: list[Lead], paths: list[bytes]) -> bool:
        """Return whether no name became another one, while they were asked one after the other."""
        overlays = [spot.stack.overlay, *(lead.overlay for lead in leads[:1])]
        return all(map(self._seeker.is_settled, dict.fromkeys(overlays))) and all(map(self._opening.is_still, paths))

    def _led(self, name: Name, mount: Mount, lead: Lead, file: FileFacts) -> Iterator[Name]:
        """Yield what a name is to a file of a layer, nothing where it does not lead to it."""
        opened = self._opening.of(name.user_path or b"/")
        if opened is None:
            yield name._replace(what="unknown", reason=CHANGES)
            return
        if opened.is_at(name.user_path, file):
            # The file itself is mounted there.
            yield self._opening.visible(name._replace(what="visible", mount=opened.mount), opened)
            return
        found = self._judged(Sought(file, name.file, lead.marks), name, mount, lead, opened)
        if found is not None and found.what in _SEEN:
            yield self._opening.visible(name._replace(what=found.what, mount=opened.mount or mount), opened)
        elif opened.mount is not None and opened.mount.id != mount.id:
            yield opens(name._replace(by=Hider("mount", mount=opened.mount)), opened)
        elif found is not None:
            yield opens(name._replace(what=found.what, by=found.by, reason=found.reason, needs=found.needs), opened)

    def _judged(self, sought: Sought, name: Name, mount: Mount, lead: Lead, opened: Opened) -> Verdict | None:
        seen = opened.way.found
        if opened.way.path == name.user_path and isinstance(seen, FileFacts):
            return verdict(sought, opened.descents, opened.winner)
        # Nothing is there, it may not be followed, or a symbolic link is on the way.
        around = self._opening.nothing(mount, lead.name)
        found = verdict(sought, (around,), None, opens_nothing=not isinstance(seen, Refused))
        if found is None or found.what != "unknown" or not isinstance(seen, Refused):
            return found
        return found._replace(reason=seen.reason, needs=(seen.needs,) if seen.needs else found.needs)


def _unless_known(name: Name, why: Skipped | None) -> Name:
    """Return what a name is, unknown where the file may have other names and this one hides it."""
    if why is None or name.what != "hidden":
        return name
    needs = tuple(why.needs.split(",")) if why.needs else ()
    return name._replace(what="unknown", by=None, reason=f"it may have another name: {why.what}: {why.reason}",
                         needs=needs)
