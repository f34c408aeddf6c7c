"""The nouns of packages: which one lists a name, and what its record says of the file.

All of it is what the root's own data says, which whoever may write there could have written.
"""

from mapsd.light import NamedTuple
from mapsd.model import Refused

SYSTEM = ("dpkg", "apk", "rpm")  # the kinds that a distribution installs


class Distribution(NamedTuple):
    """ID and VERSION_ID of os-release(5); *version* is None for one that has no releases."""

    id: str
    version: str | None

    def __str__(self) -> str:
        """Return both as package URLs have them: debian-12."""
        return self.id if self.version is None else f"{self.id}-{self.version}"


class Package(NamedTuple):
    """One package: *kind* is dpkg, apk, rpm, python or node.

    *distribution* is that of the root for the first three kinds, None where it has no os-release and for the others.
    *source* and its version are what the package was built from, None where that is not recorded: for dpkg it then has
    the package's own name, or version.
    """

    kind: str
    name: str
    version: str
    architecture: str | None = None
    distribution: Distribution | None = None
    source: str | None = None
    source_version: str | None = None

    @property
    def origin(self) -> tuple[str, str | None] | None:
        """Return the name and version of what it was built from, None where that is not known."""
        if self.kind == "dpkg":
            return self.source or self.name, self.source_version or self.version
        return None if self.source is None else (self.source, self.source_version)


class Digest(NamedTuple):
    """A digest of a whole file: the name that hashlib has for the algorithm, and the value's first bytes."""

    algorithm: str
    value: bytes


class Record(NamedTuple):
    """What a package says of one name.

    *path* is the name as its list has it, from the root. It is not *listed* where the file only lies in the package's
    directory. *size* is in bytes. *size* and *digest* are None where nothing is recorded. A *configuration* file may
    be changed by whoever administers the root.
    """

    package: Package
    path: bytes
    listed: bool = True
    size: int | None = None
    digest: Digest | None = None
    configuration: bool = False


class Owned(NamedTuple):
    """The packages that have a name, those of the distribution first; more than one where several list it.

    *unread* is what could not be read and may hold another.
    """

    records: tuple[Record, ...]
    unread: tuple[Refused, ...] = ()


class NotOwned(NamedTuple):
    """No package has the name. *searched* are the kinds of package whose databases lie in the root."""

    searched: tuple[str, ...]


Owner = Owned | NotOwned | Refused


class Same(NamedTuple):
    """A file has the digest that a record has for it."""

    digest: Digest


class Differs(NamedTuple):
    """A file is not the one that a record describes: its *what* ("size" or an algorithm) is another."""

    what: str
    recorded: str
    held: str


class Undecided(NamedTuple):
    """Whether a file is the one that a record describes is not known."""

    reason: str


Difference = Same | Differs | Undecided


class Brought(NamedTuple):
    """The package of a file's bytes.

    *state* compares them with the package's record: `same`, `differs` (*reason* says in what), `unowned` (no package
    has the name), or `unknown`: *reason* says what stood in the way, *needs* what would help. *package* is None where
    none has the name, or where it is not known which. *path* is the name that was looked up; *layer* is the index of
    the layer whose time the databases are of: those of it and the layers below it, None for the process's root now.
    """

    state: str
    package: Package | None = None
    path: bytes | None = None
    layer: int | None = None
    reason: str | None = None
    needs: tuple[str, ...] = ()
