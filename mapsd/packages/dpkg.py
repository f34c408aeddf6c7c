"""Which package of dpkg has a name. See dpkg-query(1) --search and dpkg-divert(1)."""

from mapsd.light import TYPE_CHECKING, Iterator, Sequence
from mapsd.model import Absent, Refused
from mapsd.model.packages import Digest, Distribution, Package, Record
from mapsd.packages.directories import Directories, lies_in
from mapsd.packages.dpkgfiles import TEXT, WATCHED, Files, Listed, files
from mapsd.packages.joined import Joined
from mapsd.packages.reading import SHARED, TOO_MANY, read
from mapsd.packages.watched import ATTEMPTS, CHANGED, Watched
from mapsd.parse.dpkg import Diversion, conffile, recorded, source
from mapsd.parse.printable import printable

if TYPE_CHECKING:
    from mapsd.sources import Tree


def dpkg(tree: "Tree", directories: Directories, distribution: Distribution | None) -> "Dpkg | Absent | Refused":
    """Return what dpkg knows of a root, absent where there is no dpkg."""
    for _ in range(ATTEMPTS):
        watched = Watched(tree, WATCHED)
        found = files(tree)
        if watched.same():
            return Dpkg(tree, directories, distribution, found, watched) if isinstance(found, Files) else found
    return CHANGED


class Dpkg:
    """The packages of one root, as they were when they were read."""

    kind = "dpkg"

    def __init__(self, tree: "Tree", directories: Directories, distribution: Distribution | None, known: Files,
                 watched: Watched) -> None:
        """Keep the lists, and the root for the digests."""
        self._tree, self._directories, self._distribution = tree, directories, distribution
        self._watched, self._unread, self._diversions = watched, known.unread, known.diversions
        self._lists = Joined([one.names for one in known.packages], b"\n")
        self._packages = [one._replace(names=b"") for one in known.packages]
        self._diverted: dict[bytes, list[Diversion]] = {}
        for one in known.diversions.values():
            self._diverted.setdefault(one.to.rpartition(b"/")[2], []).append(one)

    def records(self, path: bytes) -> list[Record | Refused]:
        """Return what the packages say that have a name, and what could not be read of them."""
        if b"\n" in path:
            return []
        diverted = self._diverted.get(path[path.rindex(b"/") + 1:], [])
        if len(diverted) > SHARED:
            return [TOO_MANY]
        found = self._listed(path, path)
        for name in self._diverted_to(path, diverted):
            found += [name] if isinstance(name, Refused) else self._listed(name, path)
        unread = self._unread
        if unread:
            others = f", and {len(unread) - 1} more" if len(unread) > 1 else ""
            found.append(unread[0]._replace(reason=unread[0].reason + others))
        return found

    def _diverted_to(self, path: bytes, diverted: Sequence[Diversion]) -> Iterator[bytes | Refused]:
        """Yield the names that some packages have here instead."""
        for one in diverted:
            here = lies_in(self._directories, one.to.rpartition(b"/")[0], path.rpartition(b"/")[0])
            if isinstance(here, Refused):
                yield here
            elif here:
                yield one.name

    def _listed(self, name: bytes, path: bytes) -> list[Record | Refused]:
        """Return the packages whose list has a *name*, or another that leads there, and that have it at *path*."""
        base = name[name.rindex(b"/"):]
        places = self._lists.places(base + b"\n")
        if isinstance(places, Refused):
            return [places]
        unknown: list[Record | Refused] = []
        there: list[tuple[Listed, bytes]] = []
        text = self._lists.text
        for number, at in places:
            listed = text[text.rfind(b"\n", 0, at) + 1:at] + base
            package = self._packages[number]
            leads = self._leads(package, listed, name, path)
            if isinstance(leads, Refused):
                unknown.append(leads)
            elif leads:
                there.append((package, listed))
        return [TOO_MANY] if len(there) > SHARED else [*(self._record(*one) for one in there), *unknown]

    def _leads(self, package: Listed, listed: bytes, name: bytes, path: bytes) -> bool | Refused:
        """Return whether a package has what it lists at *path*: dpkg compares the names of diversions as texts."""
        diversion = self._diversions.get(listed)
        away = diversion is not None and diversion.by != package.stanza.name
        if name != path:
            return away and listed == name
        return not away and lies_in(self._directories, listed.rpartition(b"/")[0], path.rpartition(b"/")[0])

    def _record(self, package: Listed, name: bytes) -> Record | Refused:
        described = self._package(package)
        if described is None:
            return Refused("a package of dpkg has a name or a version that cannot be shown")
        if not package.whole:
            return Refused(f"dpkg has not finished installing {described.name}")
        sums = read(self._tree, package.sums, TEXT)
        if not self._watched.same():
            return CHANGED
        if isinstance(sums, Refused):
            return sums
        is_conffile, shipped = conffile(package.stanza.conffiles, name)
        digest: Digest | None = None if isinstance(sums, Absent) else recorded(sums, name)
        return Record(described, name, digest=digest or shipped, configuration=is_conffile)

    def _package(self, package: Listed) -> Package | None:
        stanza = package.stanza
        name, version = printable(stanza.name), printable(stanza.version)
        if name is None or version is None:
            return None
        origin, of = map(printable, source(stanza.source))
        return Package("dpkg", name, version, printable(stanza.architecture), self._distribution, origin, of)
