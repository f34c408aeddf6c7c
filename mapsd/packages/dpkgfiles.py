"""The packages that dpkg knows in a root, with their lists of files.

The lists are the truth about which package has a name: dpkg takes a file out of the old one's when another package
replaces it. Images that were made without dpkg (`status.d`) have the digests only.
"""

from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING, Iterator, NamedTuple, Sequence
from mapsd.model import Absent, Refused
from mapsd.packages.reading import Bounded, read, refused
from mapsd.parse.dpkg import Diversion, Stanza, diversions, stanzas

if TYPE_CHECKING:
    from mapsd.sources import Tree

_HOME = b"var/lib/dpkg/"
_STATUS, _UPDATES, _INFO = _HOME + b"status", _HOME + b"updates", _HOME + b"info"
_SINGLE, _DIVERSIONS = _HOME + b"status.d", _HOME + b"diversions"
WATCHED = (_STATUS, _UPDATES, _INFO, _SINGLE, _DIVERSIONS)
TEXT, LISTS, PACKAGES = 16 << 20, 64 << 20, 20000  # bytes of one file, bytes of all lists, packages
DIVERSIONS = 20000
_SUMS, _NAME_AT = b".md5sums", 34  # where the name begins in a line of digests


class Listed(NamedTuple):
    """A package, its list of names (each ended by a newline), and the place of its digests in the root.

    It is *whole* unless dpkg was stopped while it put the files there.
    """

    stanza: Stanza
    names: bytes
    sums: bytes
    whole: bool = True


class Files(NamedTuple):
    """All packages, the diversions by name, and what could not be read of some packages."""

    packages: tuple[Listed, ...]
    diversions: dict[bytes, Diversion]
    unread: tuple[Refused, ...]


def files(tree: "Tree") -> Files | Absent | Refused:
    """Return what dpkg knows, absent where there is nothing of it."""
    status, single, diverted = _status(tree), tree.listed(_SINGLE), _diversions(tree)
    if isinstance(status, Absent) and isinstance(single, Absent):
        return status
    if isinstance(status, Refused):
        return status
    if isinstance(diverted, Refused):
        return diverted
    if isinstance(single, Refused):
        return refused(_SINGLE, single)
    names = [] if isinstance(single, Absent) else [name for name in single if not name.endswith(_SUMS)]
    if len(names) > PACKAGES:
        return refused(_SINGLE, Refused(f"more than {PACKAGES} packages"))
    lists = Bounded(tree, LISTS)
    found = [*_installed(lists, () if isinstance(status, Absent) else status),
             *(_alone(lists, _SINGLE + b"/" + name) for name in names)]
    return lists.exceeded or Files(tuple(one for one in found if isinstance(one, Listed)), diverted,
                                   tuple(one for one in found if isinstance(one, Refused)))


def _status(tree: "Tree") -> tuple[Stanza, ...] | Absent | Refused:
    """Return the packages of `status`, with the changes that dpkg has not written there yet."""
    newer = tree.listed(_UPDATES)
    if isinstance(newer, Refused):
        return refused(_UPDATES, newer)
    names = () if isinstance(newer, Absent) else sorted(name for name in newer if name.isdigit())
    known: dict[tuple[bytes, bytes], Stanza] = {}
    for path in (_STATUS, *(_UPDATES + b"/" + name for name in names)):
        text = read(tree, path, TEXT)
        if not isinstance(text, bytes):
            return text
        try:
            known.update(((one.name, one.architecture), one) for one in stanzas(text))
        except ParseError as error:
            return refused(path, error)
        if len(known) > PACKAGES:
            return refused(path, Refused(f"more than {PACKAGES} packages"))
    return tuple(known.values())


def _diversions(tree: "Tree") -> dict[bytes, Diversion] | Refused:
    text = read(tree, _DIVERSIONS, TEXT)
    if isinstance(text, Refused):
        return text
    if isinstance(text, bytes) and text.count(b"\n") > 3 * DIVERSIONS:
        return refused(_DIVERSIONS, Refused(f"more than {DIVERSIONS} diversions"))
    try:
        return {one.name: one for one in diversions(b"" if isinstance(text, Absent) else text)}
    except ParseError as error:
        return refused(_DIVERSIONS, error)


def _installed(lists: Bounded, status: Sequence[Stanza]) -> Iterator[Listed | Refused]:
    for stanza in status:
        words = stanza.status.split()
        if words[2:] != [b"not-installed"]:
            whole = len(words) == 3 and words[1] == b"ok" and words[2] != b"half-installed"
            yield _listed(lists, stanza, whole=whole)


def _listed(lists: Bounded, stanza: Stanza, *, whole: bool) -> Listed | Refused:
    """Return a package with its list, which has the architecture in its name where several may be installed."""
    name = stanza.name
    if b"/" in name + stanza.architecture:
        return Refused("a package of dpkg has a slash in its name")
    qualified = [name + b":" + stanza.architecture] if stanza.multi_arch == b"same" else []
    for stem in (*qualified, name):
        path = _INFO + b"/" + stem
        names = lists.read(path + b".list", TEXT)
        if isinstance(names, Absent):
            continue
        return _complete(stanza, names, path, whole=whole)
    return refused(_INFO + b"/" + name, Refused("the package has no list of files"))


def _complete(stanza: Stanza, names: bytes | Refused, path: bytes, *, whole: bool) -> Listed | Refused:
    if isinstance(names, Refused):
        return names
    if names and not names.endswith(b"\n"):
        return refused(path + b".list", Refused("ends in the middle of a line"))
    return Listed(stanza, names, path + _SUMS, whole)


def _alone(lists: Bounded, path: bytes) -> Listed | Refused:
    """Return a package of `status.d`, whose names are those that have a digest."""
    text, sums = lists.read(path, TEXT), lists.read(path + _SUMS, TEXT)
    if isinstance(text, Refused):
        return text
    if isinstance(sums, Refused):
        return sums
    if isinstance(text, Absent) or isinstance(sums, Absent):
        return refused(path, Refused("the package has no list of files"))
    try:
        found = tuple(stanzas(text))
    except ParseError as error:
        return refused(path, error)
    if len(found) != 1:
        return refused(path, Refused("not one package"))
    lines = (line[_NAME_AT:] for line in sums.split(b"\n")[:-1])
    names = b"".join(b"/" + name.removeprefix(b"./").lstrip(b"/") + b"\n" for name in lines)
    return Listed(found[0], names, path + _SUMS)
