"""The files that an overlay shows, found by asking its layers: nothing is mounted."""

from mapsd.light import Callable, Sequence
from mapsd.model import Absent, Found, Layer, Refused
from mapsd.model.layers import Met, Way
from mapsd.pathnames import followed
from mapsd.resolve.descent import ABOVE, UNSEEN, descend
from mapsd.resolve.lookup import Ask

ReadLink = Callable[[Layer, bytes], bytes | Refused]
_DOUBTS = {UNSEEN, ABOVE}  # of what lies below something else, for which another entry stands
_SEEN = {"opens", "metacopy", "merged"}


class Merged:
    """An overlay of layers that can be asked for entries, and for the texts of links.

    *visible* says that the overlay's attributes are seen; without it whatever hangs on them is Refused.
    """

    def __init__(self, layers: Sequence[Layer], ask: Ask, link: ReadLink, *, visible: bool = True) -> None:
        """Take the layers in the overlay's order."""
        self._layers, self._ask, self._link, self._visible = layers, ask, link, visible

    def way(self, path: bytes) -> Way:
        """Return where an absolute path leads: links are followed as in a root directory, never out of it."""
        return followed(path, self.entry, self._text)

    def entry(self, path: bytes) -> Found:
        """Return what the overlay shows at an absolute path without links on the way."""
        top = self.top(path)
        if isinstance(top, Met):
            return top.found
        return top

    def top(self, path: bytes) -> Met | Absent | Refused:
        """Return the entry of a layer that the overlay shows there: what it is, and in which layer.

        Refused where a layer on the way could not be asked, which ends the kernel's lookup as well, and where nothing
        is found but a redirect that is not seen may lead on.
        """
        met = self.descent(path)
        failed = [one for one in met if one.what == "unknown" and one.by is None and one.reason not in _DOUBTS]
        if failed:
            return Refused(failed[0].reason, failed[0].needs)
        found = self.shown(met)
        # A mounted overlay says itself that there is nothing; its layers cannot, unless it is hidden in the first.
        hidden = any(one.what in {"whiteout", "blocked"} and one.layer == self._layers[0] for one in met)
        unsure = isinstance(found, Absent) and not self._visible and not hidden
        return Refused(UNSEEN, "CAP_SYS_ADMIN") if unsure else found

    def shown(self, met: Sequence[Met]) -> Met | Absent | Refused:
        """Return what is shown of a name, of all that was met."""
        shown = next((one for one in met if one.named and one.what != "hidden"), None)
        unsure = next((one for one in met if one.what == "unknown"), None)
        if shown is None:
            return Absent() if unsure is None else Refused(unsure.reason, unsure.needs)
        if shown.what == "unknown":
            return Refused(shown.reason, shown.needs)
        return shown if shown.what in _SEEN else Absent()

    def descent(self, path: bytes) -> tuple[Met, ...]:
        """Return what lies in each layer at an absolute path without links on the way."""
        return descend(self._layers, path.strip(b"/"), self._ask, visible=self._visible)

    def _text(self, path: bytes, _: Found) -> bytes | Refused:
        top = self.top(path)
        return self._link(top.layer, top.path) if isinstance(top, Met) else Refused("the link went away")
