"""Which package of Node a file lies in: the innermost `node_modules/NAME` that has a package.json."""

from mapsd.light import TYPE_CHECKING, Iterator
from mapsd.model import Absent, Refused
from mapsd.model.packages import Package, Record
from mapsd.packages.reading import read, refused
from mapsd.parse.printable import printable

if TYPE_CHECKING:
    from mapsd.sources import Tree

MODULES = b"node_modules"
TEXT = 1 << 20  # bytes


def records(tree: "Tree", path: bytes) -> list[Record | Refused]:
    """Return the package whose directory has a path; none of them lists its files."""
    for directory in _directories(path):
        file = directory + b"/package.json"
        text = read(tree, file, TEXT)
        if isinstance(text, Absent):
            continue
        package = text if isinstance(text, Refused) else _package(text)
        if package is None:
            package = refused(file, Refused("no name and version that can be shown"))
        return [package if isinstance(package, Refused) else Record(package, path, listed=False)]
    return []


def _directories(path: bytes) -> Iterator[bytes]:
    """Yield the directories of packages that a path lies in, the innermost first."""
    names = path.split(b"/")[1:]
    for at in range(len(names) - 2, -1, -1):
        if names[at] != MODULES:
            continue
        end = at + (3 if names[at + 1].startswith(b"@") else 2)
        if end < len(names) and not names[at + 1].startswith(b"."):
            yield b"/".join(names[:end])


def _package(text: bytes) -> Package | None:
    import json  # noqa: PLC0415 (only where a file lies in a package of Node)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    fields = (found.get("name"), found.get("version")) if isinstance(found, dict) else (None, None)
    name, version = (printable(one.encode("utf-8", "surrogatepass")) if isinstance(one, str) else None
                     for one in fields)
    return None if name is None or version is None else Package("node", name, version)
