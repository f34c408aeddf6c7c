"""Whose file a name is: every database of a root is asked."""

from mapsd.light import TYPE_CHECKING, Callable
from mapsd.model import Absent, Refused
from mapsd.model.packages import Distribution, NotOwned, Owned, Owner, Record
from mapsd.packages import apk, dpkgfiles, node, rpmfiles
from mapsd.packages.directories import Directories
from mapsd.packages.dpkg import dpkg
from mapsd.packages.python import Python
from mapsd.packages.reading import Database
from mapsd.packages.rpm import rpm
from mapsd.packages.watched import Watched
from mapsd.parse.osrelease import distribution

if TYPE_CHECKING:
    from mapsd.sources import Tree

_OS_RELEASE, _TEXT = (b"etc/os-release", b"usr/lib/os-release"), 1 << 16  # bytes
# Databases that nobody reads here: what no other lists may be theirs.
_OTHERS = ((b"var/lib/pacman/local", "pacman"), (b"var/db/pkg", "Portage"), (b"usr/lib/opkg/status", "opkg"),
           (b"var/db/xbps", "XBPS"), (b"nix/store", "Nix"), (b"var/lib/chisel/manifest.wall", "Chisel"),
           (b"lib/apk/db-uvol/installed", "apk in volumes"))
_WATCHED = (*dpkgfiles.WATCHED, *apk.DATABASES, *rpmfiles.WATCHED, *_OS_RELEASE)
_BY_PLACE = (b"/site-packages/", b"/dist-packages/", b"/node_modules/")

_NAMES, _SHORT = 10_000, 200  # of which it is remembered whose they are, of at most so many bytes

_Opener = Callable[["Tree", Directories, Distribution | None], Database | Absent | Refused]


class Databases:
    """The package databases of one root, each read when it is first needed.

    What is answered is a snapshot: make a new one when it is no longer the `same()`.
    """

    def __init__(self, tree: "Tree") -> None:
        """Keep the root: a container's own, or the layers below some point of it."""
        self._tree = tree
        self._opened: tuple[Database | Refused, ...] | None = None
        self._watched: Watched | None = None
        # What was answered before: only of databases that were seen to be the same since.
        self._known: dict[bytes, list[Record | Refused]] | None = None
        self._python = Python(tree)

    def owner(self, path: bytes) -> Owner:
        """Return which packages have a name in the root, an absolute one that is free of symbolic links.

        This is about the name. Whether some bytes are those that were recorded says mapsd.packages.difference.
        """
        if not path.startswith(b"/") or path.endswith(b"/") or b"\0" in path:
            return Refused("no absolute name of a file")
        found = self._installed(path)
        if not any(isinstance(one, Record) for one in found) or any(place in path for place in _BY_PLACE):
            found += [*self._python.records(path), *node.records(self._tree, path)]
        records = tuple(one for one in found if isinstance(one, Record))
        unread = tuple(dict.fromkeys(one for one in found if isinstance(one, Refused)))
        if records:
            return Owned(records, unread)
        unread += self._unknown()
        if unread:
            needs = next((one.needs for one in unread if one.needs), "")
            return Refused("; ".join(one.reason for one in unread), needs)
        return NotOwned(tuple(one.kind for one in self._databases() if not isinstance(one, Refused)))

    def _installed(self, path: bytes) -> list[Record | Refused]:
        """Return what the packages of the distribution say that have a name."""
        if self._known is not None and path in self._known:
            return list(self._known[path])
        found = [one for database in self._databases()
                 for one in ([database] if isinstance(database, Refused) else database.records(path))]
        if self._known is not None and len(self._known) < _NAMES and len(path) <= _SHORT:
            self._known[path] = list(found)
        return found

    def again(self) -> "Databases":
        """Return the databases of the same root for a later time: what is not the same() is read anew.

        Whoever asks them finds out in the end that they are still the same(): answers of before are not made again.
        """
        made = Databases(self._tree)
        if self._opened is not None and self.same():
            made._opened, made._watched, made._known = self._opened, self._watched, self._known or {}
        return made

    @property
    def are_read(self) -> bool:
        """Return whether those of the distribution are read already."""
        return self._opened is not None

    def same(self) -> bool:
        """Return whether the databases of the distribution are still what they were when they were read."""
        return self._watched is None or self._watched.same()

    def _databases(self) -> tuple[Database | Refused, ...]:
        if self._opened is None:
            self._watched = Watched(self._tree, _WATCHED)
            directories, found = Directories(self._tree), self._distribution()
            openers: tuple[_Opener, ...] = (dpkg, apk.apk, rpm)
            opened = (opener(self._tree, directories, found) for opener in openers)
            self._opened = tuple(one for one in opened if not isinstance(one, Absent))
        return self._opened

    def _distribution(self) -> Distribution | None:
        for path in _OS_RELEASE:
            text = self._tree.read(path, _TEXT)
            if not isinstance(text, Absent):
                return distribution(text) if isinstance(text, bytes) else None
        return None

    def _unknown(self) -> tuple[Refused, ...]:
        return tuple(Refused(f"the packages of {name} are not read") for path, name in _OTHERS
                     if not isinstance(self._tree.entry(path), Absent))
