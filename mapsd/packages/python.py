"""Which Python package has a name: the one whose RECORD, beside it in a directory of packages, lists it."""

from mapsd.light import TYPE_CHECKING, NamedTuple
from mapsd.model import Absent, FileFacts, Refused
from mapsd.model.packages import Package, Record
from mapsd.packages.joined import Joined
from mapsd.packages.reading import SHARED, TOO_MANY, Bounded, read, refused
from mapsd.parse.printable import printable
from mapsd.parse.pythonpackage import metadata, needles, recorded

if TYPE_CHECKING:
    from mapsd.sources import Tree

LIST, LISTS, METADATA, PACKAGES = 16 << 20, 128 << 20, 4 << 20, 5000  # bytes; packages in one directory
_DIST, _EGG_INFO, _EGG = b".dist-info", b".egg-info", b".egg"
_SITES = (b"site-packages", b"dist-packages")
_CONDA = b"conda-meta"
_DEEPEST, _VERSIONS = 64, 20


class _Site(NamedTuple):
    """A directory of packages: their own directories in it, and what each of them lists."""

    packages: tuple[bytes, ...]
    lists: Joined
    unread: tuple[Refused, ...]


class Python:
    """The Python packages of one root."""

    kind = "python"

    def __init__(self, tree: "Tree") -> None:
        """Keep the root."""
        self._tree, self._lists = tree, Bounded(tree, LISTS)
        self._sites: dict[bytes, _Site | Refused | None] = {}

    def records(self, path: bytes) -> list[Record | Refused]:
        """Return what the packages say that have a name, and what could not be read of them."""
        names = path.split(b"/")[1:]
        found: list[Record | Refused] = []
        for depth in range(len(names) - 1, max(0, len(names) - _DEEPEST), -1):
            found += self._inside(b"/".join(names[:depth]), b"/".join(names[depth:]))
        if names[-2:-1] == [b"bin"]:
            for library in (b"lib", b"lib64"):
                found += self._beside(b"/".join([*names[:-2], library]), names[-1])
        return found or self._egg(path)

    def _inside(self, directory: bytes, name: bytes) -> list[Record | Refused]:
        """Return what the packages in a directory say of a name below it."""
        if directory not in self._sites:
            self._sites[directory] = self._site(directory)
        site = self._sites[directory]
        if isinstance(site, Refused):
            return [site]
        return [] if site is None else [*self._listed(site, name), *site.unread]

    def _beside(self, library: bytes, program: bytes) -> list[Record | Refused]:
        """Return what the packages of each Python of a prefix say of a program in its `bin`."""
        entry = self._tree.entry(library)
        if isinstance(entry, FileFacts) and entry.kind == "symlink":
            # lib64 is lib in an environment.
            return []
        inside = self._tree.listed(library)
        if isinstance(inside, Refused):
            return [refused(library, inside)]
        versions = [] if isinstance(inside, Absent) else [name for name in inside if name.startswith(b"python3")]
        if len(versions) > _VERSIONS:
            return [refused(library, Refused(f"more than {_VERSIONS} versions of Python"))]
        return [one for version in versions for site in _SITES
                for one in self._inside(b"/".join([library, version, site]), b"../../../bin/" + program)]

    def _site(self, directory: bytes) -> _Site | Refused | None:
        names = self._tree.listed(directory)
        if isinstance(names, Refused):
            return refused(directory, names)
        if isinstance(names, Absent):
            return None
        packages = [directory + b"/" + name for name in names if name.endswith((_DIST, _EGG_INFO))]
        if len(packages) > PACKAGES:
            return refused(directory, Refused(f"more than {PACKAGES} Python packages"))
        lists = [self._list(package) for package in packages]
        unread = [one for one in lists if isinstance(one, Refused)]
        if _CONDA in names:
            unread.append(refused(directory, Refused("the packages of Conda are not read")))
        texts = [b"" if isinstance(one, Refused) else one for one in lists]
        return _Site(tuple(packages), Joined(texts, b"\n"), tuple(unread[:1])) if packages or unread else None

    def _list(self, package: bytes) -> bytes | Refused:
        """Return the whole lines of what a package lists, none where it has no list: others install it then."""
        name = package + (b"/RECORD" if package.endswith(_DIST) else b"/installed-files.txt")
        inside = self._tree.entry(package)
        if not isinstance(inside, Refused | Absent) and inside.kind == "file":
            return b""
        text = self._lists.read(name, LIST)
        return text[:text.rfind(b"\n") + 1] if isinstance(text, bytes) else text if isinstance(text, Refused) else b""

    def _listed(self, site: _Site, name: bytes) -> list[Record | Refused]:
        found: list[Record | Refused] = []
        for needle in (*needles(name), b"\n../" + name + b"\n"):
            places = site.lists.places(needle)
            if isinstance(places, Refused):
                return [places]
            if len(places) > SHARED:
                return [TOO_MANY]
            for number, at in places:
                package = site.packages[number]
                end = at + len(needle)
                if package.endswith(_DIST) == needle.endswith(b","):
                    line = site.lists.text[end:site.lists.text.find(b"\n", end)] if needle.endswith(b",") else b""
                    found.append(self._record(package, name, line))
        return found

    def _record(self, directory: bytes, name: bytes, line: bytes) -> Record | Refused:
        package = self._package(directory + (b"/METADATA" if directory.endswith(_DIST) else b"/PKG-INFO"))
        digest, size = recorded(line)
        path = b"/" + directory.rpartition(b"/")[0] + b"/" + name
        return package if isinstance(package, Refused) else Record(package, path, size=size, digest=digest)

    def _package(self, path: bytes) -> Package | Refused:
        text = read(self._tree, path, METADATA)
        if not isinstance(text, bytes):
            return text if isinstance(text, Refused) else refused(path, Refused("No such file or directory"))
        name, version = map(printable, metadata(text))
        if name is None or version is None:
            return refused(path, Refused("a name or a version that cannot be shown"))
        return Package("python", name, version)

    def _egg(self, path: bytes) -> list[Record | Refused]:
        """Return the package in whose own directory a path lies, which is how setuptools once installed."""
        names = path.split(b"/")[1:]
        for depth in range(len(names) - 1, 0, -1):
            if names[depth - 1].endswith(_EGG):
                package = self._package(b"/".join(names[:depth]) + b"/EGG-INFO/PKG-INFO")
                return [package if isinstance(package, Refused) else Record(package, path, listed=False)]
        return []
