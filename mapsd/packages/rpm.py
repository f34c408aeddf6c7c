"""Which package of rpm has a name. See rpm(8), --file."""

from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING
from mapsd.model import Absent, Refused
from mapsd.model.packages import Distribution, Package, Record
from mapsd.packages.directories import Directories, lies_in
from mapsd.packages.joined import Joined
from mapsd.packages.reading import SHARED, TOO_MANY
from mapsd.packages.rpmfiles import WATCHED, headers
from mapsd.packages.watched import ATTEMPTS, CHANGED, Watched
from mapsd.parse.printable import printable
from mapsd.parse.rpmheader import CONFIGURATION, Header, header

if TYPE_CHECKING:
    from mapsd.sources import Tree

PACKAGES = 50000
_SOURCE = (b".src.rpm", b".nosrc.rpm")


def rpm(tree: "Tree", directories: Directories, distribution: Distribution | None) -> "Rpm | Absent | Refused":
    """Return what rpm knows of a root, absent where there is no rpm."""
    for _ in range(ATTEMPTS):
        watched = Watched(tree, WATCHED)
        found = _headers(tree, directories)
        if watched.same():
            return Rpm(found, directories, distribution) if isinstance(found, list) else found
    return CHANGED


def _headers(tree: "Tree", directories: Directories) -> list[Header] | Absent | Refused:
    blobs = headers(tree, directories)
    if isinstance(blobs, Absent | Refused):
        return blobs
    found: list[Header] = []
    try:
        for blob in blobs:
            found.append(header(blob))
            if len(found) > PACKAGES:
                return Refused(f"rpm has more than {PACKAGES} packages here")
    except ParseError as error:
        return Refused(f"{error.source}: {error.reason}")
    return found


class Rpm:
    """The packages of one root, as they were when they were read."""

    kind = "rpm"

    def __init__(self, packages: list[Header], directories: Directories, distribution: Distribution | None) -> None:
        """Keep the headers."""
        self._directories, self._distribution = directories, distribution
        self._names = Joined([one.names for one in packages], b"\0")
        self._packages = [one._replace(names=b"") for one in packages]

    def records(self, path: bytes) -> list[Record | Refused]:
        """Return what the packages say that have a name, and what could not be read of them."""
        directory, _, name = path.rpartition(b"/")
        places = self._names.places(b"\0" + name + b"\0")
        if isinstance(places, Refused):
            return [places]
        found: list[tuple[Header, int] | Refused] = []
        package, file, counted = -1, 0, 0
        for number, at in places:
            if number != package:
                package, file, counted = number, 0, self._names.start(number)
            # In steps, so that no name is counted twice.
            file += self._names.text.count(b"\0", counted, at + 1)
            counted = at + 1
            leads = lies_in(self._directories, self._packages[number].directory(file).rstrip(b"/"), directory)
            if isinstance(leads, Refused):
                found.append(leads)
            elif leads and self._packages[number].there(file):
                found.append((self._packages[number], file))
        if len(found) > SHARED:
            return [TOO_MANY]
        return [one if isinstance(one, Refused) else self._record(*one, name) for one in found]

    def _record(self, package: Header, file: int, name: bytes) -> Record | Refused:
        described = self._package(package)
        if described is None:
            return Refused("a package of rpm has a name or a version that cannot be shown")
        return Record(described, package.directory(file) + name, size=package.size(file), digest=package.digest(file),
                      configuration=package.is_a(CONFIGURATION, file))

    def _package(self, package: Header) -> Package | None:
        epoch = b"" if package.epoch is None else b"%d:" % package.epoch
        name, version = printable(package.name), printable(epoch + package.version + b"-" + package.release)
        if name is None or version is None or not package.version or not package.release:
            return None
        origin, of = map(printable, _source(package.source))
        return Package("rpm", name, version, printable(package.architecture), self._distribution, origin, of)


def _source(file: bytes) -> tuple[bytes, bytes]:
    """Return name and version of the package whose file `name-version-release.src.rpm` is; empty for another name."""
    for end in _SOURCE:
        parts = file.removesuffix(end).rsplit(b"-", 2)
        if file.endswith(end) and len(parts) == 3:
            return parts[0], parts[1] + b"-" + parts[2]
    return b"", b""
