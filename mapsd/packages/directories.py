"""Where the directories that a list names lie: /lib/x is /usr/lib/x where /lib is a symbolic link."""

from mapsd.light import TYPE_CHECKING
from mapsd.model import Absent, FileFacts, Found, Refused
from mapsd.pathnames import LINKS, PATH_MAX, followed

if TYPE_CHECKING:
    from mapsd.sources import Tree

ASKED = 50000  # names that are looked at in one root


class Directories:
    """The directories of one root, each looked at once."""

    def __init__(self, tree: "Tree") -> None:
        """Keep the root."""
        self._tree = tree
        self._real: dict[bytes, bytes | Refused | None] = {}
        self._known: dict[bytes, Found] = {}

    def real(self, directory: bytes) -> bytes | Refused | None:
        """Return the name of a directory without symbolic links: b"" for the root, None where there is no such.

        Refused where it cannot be followed, or where too many others were.
        """
        if len(directory) >= PATH_MAX:
            return None
        if directory not in self._real:
            if len(self._real) >= ASKED:
                return Refused(f"more than {ASKED} directories would have to be looked at")
            self._real[directory] = self._followed(directory)
        return self._real[directory]

    def _followed(self, directory: bytes) -> bytes | Refused | None:
        way = followed(directory, self._seen, self._text)
        if isinstance(way.found, FileFacts):
            return way.path.rstrip(b"/") if way.found.kind == "directory" else None
        # Links in a circle, or to a name that is too long, lead nobody anywhere.
        nowhere = len(way.links) >= LINKS or len(way.path) >= PATH_MAX
        return None if isinstance(way.found, Absent) or nowhere else way.found

    def _seen(self, path: bytes) -> Found:
        if path not in self._known:
            if len(self._known) >= ASKED:
                return Refused(f"more than {ASKED} directories would have to be looked at")
            self._known[path] = self._tree.entry(path.lstrip(b"/"))
        return self._known[path]

    def _text(self, path: bytes, _: Found) -> bytes | Refused:
        text = self._tree.link(path.lstrip(b"/"))
        return Refused("a link went away while it was followed") if isinstance(text, Absent) else text


def lies_in(directories: Directories, directory: bytes, wanted: bytes) -> bool | Refused:
    """Return whether a *directory* that a list names is the one *wanted*, which has no symbolic link in it."""
    if directory == wanted:
        return True
    found = directories.real(directory)
    return found if isinstance(found, Refused) else found == wanted
