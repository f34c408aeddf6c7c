"""LXC: PATH/NAME/config says in `lxc.rootfs.path` what the container NAME has as its root.

See lxc.container.conf(5).
"""

from mapsd.engines.documents import Unread, content, is_name
from mapsd.light import TYPE_CHECKING, Callable
from mapsd.model import Absent, FileFacts, Refused
from mapsd.model.containers import Container

if TYPE_CHECKING:
    from mapsd.sources import Tree

_LIMIT = 1 << 20  # bytes of a configuration
_KEYS = (b"lxc.rootfs.path", b"lxc.rootfs")  # the second before LXC 2.1


def container(directory: bytes, open_tree: "Callable[[bytes], Tree | Absent | Refused]") -> Container | None:
    """Return the container whose root, or whose upper layer, is a directory; None where it is none of LXC's.

    Raises Unread.
    """
    home = directory.rpartition(b"/")[0]
    tree = open_tree(home) if home else Absent()
    if isinstance(tree, Absent | Refused) or not isinstance(tree.entry(b"config"), FileFacts):
        return None
    if directory not in _roots(content(tree, b"config", _LIMIT)):
        return None
    name = home.rpartition(b"/")[2].decode("utf-8", "replace")
    if not is_name(name):
        raise Unread(home, "the container's name has a form that nobody knows")
    return Container("lxc", name, name, store=home.rpartition(b"/")[0] or b"/", key=name)


def _roots(config: bytes) -> set[bytes]:
    """Return the directories that a configuration names as parts of the root: `overlay:LOWER:UPPER`, `dir:PATH`."""
    found: set[bytes] = set()
    for line in config.split(b"\n"):
        key, equals, value = line.partition(b"=")
        if equals and key.strip() in _KEYS:
            found.update(value.strip().split(b":"))
    return {one for one in found if one.startswith(b"/")}
