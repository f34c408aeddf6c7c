"""The pod of a Podman container, which Podman keeps in a database of its own beside the store."""

from mapsd.engines.database import opened
from mapsd.engines.documents import Unread, printable
from mapsd.light import TYPE_CHECKING
from mapsd.model import FileFacts

if TYPE_CHECKING:
    from mapsd.sources import Tree

_BOLT, _SQLITE = b"libpod/bolt_state.db", b"db.sql"


def pod_of(tree: "Tree", identity: str) -> str | None:
    """Return the name of a container's pod, None where it is in none. Raises Unread, ParseError.

    See libpod/boltdb_state.go; Podman 4.8 and later keep it in a SQLite database, which is not read.
    """
    if isinstance(tree.entry(_SQLITE), FileFacts):
        raise Unread(_SQLITE, "the pod is kept in a database that is not read")
    if not isinstance(tree.entry(_BOLT), FileFacts):
        raise Unread(_BOLT, "there is no such file: whether the container is in a pod is not known")
    root = opened(tree, _BOLT)
    itself = root.bucket(b"ctr", identity.encode())
    if itself is None:
        raise Unread(_BOLT, "it does not have the container")
    pod, names = itself.value(b"pod-id"), root.bucket(b"id-registry")
    name = names.value(pod) if pod is not None and names is not None else None
    return None if name is None else printable(name.decode("utf-8", "replace"), _BOLT)
