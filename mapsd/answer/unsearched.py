"""The port Search of those to whom no names are to be found out: what they do not name themselves is not looked for."""

from mapsd.model import LayerDir
from mapsd.model.searched import Paths, Redirects

_REASON = "directories are walked through only for those who see every process"


class Unsearched:
    """Walks through no directory."""

    def numbered(self, directory: LayerDir, number: int, *, mounts: bool = False) -> Paths:  # noqa: ARG002  (see Search)
        """Return nothing."""
        return Paths((), _REASON)

    def regular(self, directory: LayerDir) -> Paths:  # noqa: ARG002  (as above)
        """Return nothing."""
        return Paths((), _REASON)

    def redirects(self, directory: LayerDir, prefix: str, *, files: bool,  # noqa: ARG002  (as above)
                  again: bool = False) -> Redirects:  # noqa: ARG002  (as above)
        """Return nothing."""
        return Redirects((), _REASON)
