"""What a walk through a directory found, and why that may not be all."""

from mapsd.light import NamedTuple


class Redirect(NamedTuple):
    """An entry of a layer, and the `redirect` attribute that it has; *changed* is its ctime, as of FileFacts."""

    path: bytes
    text: bytes
    changed: int = 0


class Paths(NamedTuple):
    """Paths below the directory; *reason* says why there may be others (empty: these are all), *needs* what would help.

    *needs* are capabilities, parted by commas.
    """

    found: tuple[bytes, ...]
    reason: str = ""
    needs: str = ""


class Redirects(NamedTuple):
    """Redirects below the directory; *newest* is the last ctime of its directories, the rest is as for Paths."""

    found: tuple[Redirect, ...]
    reason: str = ""
    needs: str = ""
    newest: int = 0
