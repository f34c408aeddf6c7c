"""The pods of Podman's containers, which Podman keeps in a database of its own beside the store.

    libpod/bolt_state.db          ctr/ID: pod-id; id-registry: the name of each id (libpod/boltdb_state.go)
    db.sql, libpod/db.sql         ContainerConfig, PodConfig (libpod/sqlite_state_internal.go), of Podman 4.8 and later

Where there are several (a database that is being migrated) they must agree.
"""

from mapsd.engines.database import opened, pages
from mapsd.engines.documents import Unread, printable
from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING, Callable, Sequence
from mapsd.model import Absent, Refused
from mapsd.parse import sqlite

if TYPE_CHECKING:
    from mapsd.sources import Tree

    Known = Callable[[str], Sequence[str | None]]  # the pod (None: in none) of a container by its id, if it has that

_BOLT = b"libpod/bolt_state.db"
_SQLITE = (b"db.sql", b"libpod/db.sql")
_VERSION = 1  # of the schema, schemaVersion of libpod/sqlite_state.go


class Pods:
    """What a store's databases say; they are read when they are first asked, once."""

    def __init__(self, tree: "Tree") -> None:
        """Take the files of the store."""
        self._tree = tree
        self._known: Sequence[Known] | Unread | ParseError | None = None

    def of(self, identity: str) -> str | None:
        """Return the name of a container's pod, None where it is in none. Raises Unread, ParseError."""
        if self._known is None:
            try:
                self._known = _databases(self._tree)
            except (Unread, ParseError) as error:
                self._known = error
        if isinstance(self._known, Unread | ParseError):
            raise self._known
        pods = {pod for known in self._known for pod in known(identity)}
        if len(pods) != 1:
            raise Unread(b"libpod", "its databases disagree on the container's pod" if pods
                         else "no database has the container")
        (pod,) = pods
        return None if pod is None else printable(pod, b"libpod")


def _databases(tree: "Tree") -> "Sequence[Known]":
    found = [_bolt(tree, _BOLT)] if _is_there(tree, _BOLT) else []
    found += [_sqlite(tree, path) for path in _SQLITE if _is_there(tree, path)]
    if not found:
        raise Unread(_BOLT, "there is no such file: whether the container is in a pod is not known")
    return found


def _is_there(tree: "Tree", path: bytes) -> bool:
    found = tree.entry(path)
    if isinstance(found, Refused):
        raise Unread(path, found.reason, found.needs)
    return not isinstance(found, Absent)


def _bolt(tree: "Tree", path: bytes) -> "Known":
    root = opened(tree, path)

    def known(identity: str) -> Sequence[str | None]:
        itself, names = root.bucket(b"ctr", identity.encode()), root.bucket(b"id-registry")
        if itself is None:
            return ()
        pod = itself.value(b"pod-id")
        if pod is None:
            return (None,)
        name = names.value(pod) if names is not None else None
        if name is None:
            raise Unread(path, "it does not have the container's pod")
        return (name.decode("utf-8", "replace"),)
    return known


def _sqlite(tree: "Tree", path: bytes) -> "Known":
    page = pages(tree, path)
    versions = {row[1] if len(row) > 1 else None for _, row in sqlite.rows(page, "DBConfig")}
    if not versions <= {_VERSION}:
        raise Unread(path, "its tables have a form that nobody knows")
    names = {row[0]: row[1] for row in _rows(page, "PodConfig", 3, path)}
    containers = {row[0]: row[2] for row in _rows(page, "ContainerConfig", 4, path)}

    def known(identity: str) -> Sequence[str | None]:
        if identity not in containers:
            return ()
        pod = containers[identity]
        if pod is None:
            return (None,)
        name = names.get(pod)
        if not isinstance(name, str):
            raise Unread(path, "it does not have the container's pod")
        return (name,)
    return known


def _rows(page: sqlite.Page, table: str, width: int, path: bytes) -> list[tuple[sqlite.Value, ...]]:
    """Return the rows of a table, each id once. Raises Unread, ParseError."""
    found = [row for _, row in sqlite.rows(page, table)]
    if any(len(row) != width or not isinstance(row[0], str) for row in found) or (
            len({row[0] for row in found}) != len(found)):
        raise Unread(path, "its tables have a form that nobody knows")
    return found
