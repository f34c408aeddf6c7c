"""Where the stores of a dead host are: in the usual places, in its users' homes, and where its own settings say."""

from mapsd.engines.documents import Unread, document, optional
from mapsd.engines.listing import kinds, usual
from mapsd.light import TYPE_CHECKING, Iterator

if TYPE_CHECKING:
    from mapsd.sources import Tree

# Where the disk is no whole root: /var/lib, or what is in it.
_PARTS = (b"storage", b"docker", b"containerd", b"containers/storage")
_OF_USERS = (b".local/share/containers/storage", b".local/share/docker", b".local/share/docker/containerd/daemon",
             b".local/share/containerd")
_SHARED = (b"usr/lib/containers/storage", b"var/lib/shared")
_SETTINGS = (b"etc/containers/storage.conf", b"usr/share/containers/storage.conf")
_LIMIT = 1 << 20  # bytes of a file of settings
_USERS = 10_000


def shelves(tree: "Tree") -> list[bytes]:
    """Return the paths of a disk's stores below its root, empty for the root itself."""
    places = dict.fromkeys((*_PARTS, *_homes(tree), *_told(tree)))
    return list(dict.fromkeys((*usual(tree), *(path for path in places if kinds(tree, path)))))


def shared(tree: "Tree") -> list[bytes]:
    """Return the stores of containers/storage that may have images for others. See containers-storage.conf(5)."""
    return [path for path in dict.fromkeys((*_SHARED, *_additional(tree)))
            if any(one.name == "storage" for one in kinds(tree, path))]


def _homes(tree: "Tree") -> Iterator[bytes]:
    for line in (_settings(tree, b"etc/passwd") or b"").split(b"\n")[:_USERS]:
        home = line.split(b":")[5:6]
        if home and home[0].startswith(b"/") and home[0].strip(b"/"):
            yield from (home[0].strip(b"/") + b"/" + one for one in _OF_USERS)


def _told(tree: "Tree") -> Iterator[bytes]:
    """Yield the places that the engines' settings name; what is not plain there is passed over."""
    for path in _SETTINGS:
        yield from _absolute(_table(tree, path).get("graphroot"))
    for root in _of_docker(tree):
        yield from (root, root + b"/containerd/daemon")
        names = tree.listed(root)
        # With users remapped.
        yield from (root + b"/" + one for one in names if b"." in one) if isinstance(names, list) else ()
    yield from _absolute(_toml(tree, b"etc/containerd/config.toml").get("root"))


def _of_docker(tree: "Tree") -> Iterator[bytes]:
    path = b"etc/docker/daemon.json"
    text = _settings(tree, path)
    try:
        fields = document(text, path) if text else None
    except Unread:
        return
    for name in ("data-root", "graph") if fields is not None else ():
        yield from _absolute(fields.raw(name) if fields is not None else None)


def _additional(tree: "Tree") -> Iterator[bytes]:
    for path in _SETTINGS:
        table = _table(tree, path)
        yield from _absolute(table.get("imagestore"))
        options = table.get("options")
        listed = options.get("additionalimagestores") if isinstance(options, dict) else None
        for one in listed if isinstance(listed, list) else ():
            yield from _absolute(one)


def _table(tree: "Tree", path: bytes) -> dict[str, object]:
    found = _toml(tree, path).get("storage")
    return found if isinstance(found, dict) else {}


def _toml(tree: "Tree", path: bytes) -> dict[str, object]:
    text = _settings(tree, path)
    if not text:
        return {}
    import tomllib  # noqa: PLC0415  (most disks have no such file)
    try:
        return tomllib.loads(text.decode("utf-8", "replace"))
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _settings(tree: "Tree", path: bytes) -> bytes | None:
    try:
        return optional(tree, path, _LIMIT)
    except Unread:
        return None


def _absolute(text: object) -> Iterator[bytes]:
    if isinstance(text, str) and text.startswith("/") and text.strip("/") and not {"$", "\0", "\ufffd"} & set(text):
        yield text.encode("utf-8", "surrogatepass").strip(b"/")
