"""Which package of apk has a name."""

from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING
from mapsd.model import Absent, Refused
from mapsd.model.packages import Distribution, Package, Record
from mapsd.packages.directories import Directories, lies_in
from mapsd.packages.joined import MANY
from mapsd.packages.reading import SHARED, TOO_MANY, read, refused
from mapsd.packages.watched import ATTEMPTS, CHANGED, Watched
from mapsd.parse.apk import Listing, digest, installed, listings
from mapsd.parse.printable import printable

if TYPE_CHECKING:
    from mapsd.sources import Tree

DATABASES = (b"lib/apk/db/installed", b"usr/lib/apk/db/installed")  # the second where apk was built for a merged /usr
TEXT = 64 << 20  # bytes


def apk(tree: "Tree", directories: Directories, distribution: Distribution | None) -> "Apk | Absent | Refused":
    """Return what apk knows of a root, absent where there is no apk."""
    for _ in range(ATTEMPTS):
        watched = Watched(tree, DATABASES)
        texts: dict[object, bytes] = {}
        for path in DATABASES:
            text = read(tree, path, TEXT)
            if isinstance(text, Refused):
                return text
            home = directories.real(path.rpartition(b"/")[0])
            if isinstance(home, Refused):
                return refused(path, home)
            if isinstance(text, bytes):
                texts.setdefault(home, text)
        if watched.same():
            return Apk(tuple(texts.values()), directories, distribution) if texts else Absent()
    return CHANGED


class Apk:
    """The packages of one root, as they were when they were read."""

    kind = "apk"

    def __init__(self, texts: tuple[bytes, ...], directories: Directories, distribution: Distribution | None) -> None:
        """Keep the databases."""
        self._texts, self._directories, self._distribution = texts, directories, distribution

    def records(self, path: bytes) -> list[Record | Refused]:
        """Return what the packages say that have a name, and what could not be read of them."""
        if b"\n" in path:
            return []
        found: list[Record | Refused] = []
        for text in self._texts:
            try:
                found += self._records(text, path)
            except ParseError as error:
                found.append(Refused(f"{error.source}: {error.reason}"))
        return found

    def _records(self, text: bytes, path: bytes) -> list[Record | Refused]:
        directory, _, name = path.rpartition(b"/")
        unknown: list[Record | Refused] = []
        there: list[Listing] = []
        for number, one in enumerate(listings(text, name)):
            if number == MANY:
                return [Refused(f"more than {MANY} files have that name")]
            leads = lies_in(self._directories, _from_root(one.directory), directory)
            if isinstance(leads, Refused):
                unknown.append(leads)
            elif leads:
                there.append(one)
        return [TOO_MANY] if len(there) > SHARED else [*(self._record(text, one, name) for one in there), *unknown]

    def _record(self, text: bytes, listing: Listing, file: bytes) -> Record | Refused:
        one = installed(text, listing.package)
        name, version = printable(one.name), printable(one.version)
        if name is None or version is None:
            return Refused("a package of apk has a name or a version that cannot be shown")
        package = Package("apk", name, version, printable(one.architecture), self._distribution, printable(one.origin))
        path = _from_root(listing.directory) + b"/" + file
        return Record(package, path, digest=digest(listing.digest, one.flags))


def _from_root(directory: bytes) -> bytes:
    return b"/" + directory if directory else b""
