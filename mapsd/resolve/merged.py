"""The files that an overlay shows, found by asking its layers: nothing is mounted."""

from mapsd.light import Callable, Sequence
from mapsd.model import Absent, Found, Layer, Refused
from mapsd.model.layers import Met, Way
from mapsd.pathnames import followed
from mapsd.resolve.descent import descend
from mapsd.resolve.lookup import Ask

ReadLink = Callable[[Layer, bytes], bytes | Refused]
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
        """Return the entry of a layer that the overlay shows there: what it is, and in which layer."""
        met = self.descent(path)
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
