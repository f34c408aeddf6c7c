"""How an engine stacks the layers of a container: the directories from the top, who merges them, by which attributes.

Records say which layers there are; what containers/storage and Docker mount is the text of the file `lower` beside a
layer, which has the texts of the files `link` beside those below it. Where the two disagree nothing is known.
See drivers/overlay/overlay.go of containers/storage and daemon/graphdriver/overlay2/overlay.go of moby.
"""

from mapsd.engines.documents import SHORT, Unread, content, optional
from mapsd.engines.listing import stack
from mapsd.engines.place import places
from mapsd.engines.stores import opened
from mapsd.light import TYPE_CHECKING, Callable
from mapsd.model import Absent, Refused
from mapsd.model.containers import Container, Unidentified
from mapsd.model.disks import Stack

if TYPE_CHECKING:
    from mapsd.engines.stores import Open
    from mapsd.sources import Tree

Owner = Callable[[bytes], int | Absent | Refused]
_OVERLAYFS = "io.containerd.snapshotter.v1.overlayfs"
_COPIES = ("vfs", "io.containerd.snapshotter.v1.native")
_OTHER_FORM = "a layer is in a form that is not read: "
_ODD = (b"composefs-data", b"diff1")  # beside a layer's directory


def stacked(found: Container, open_tree: "Open", owner: Owner) -> Stack | Refused:
    """Return the stack of a container; *owner* says which user a directory is."""
    if found.driver in _COPIES:
        directories = stack(found, open_tree)
        return Refused(directories.reason) if isinstance(directories, Unidentified) else (
            Stack(directories[:1], "plain"))
    try:
        return _overlaid(found, open_tree, owner)
    except Unread as error:
        return Refused(str(error), error.needs)


def _overlaid(found: Container, open_tree: "Open", owner: Owner) -> Stack:
    directories = stack(found, open_tree)
    if isinstance(directories, Unidentified):
        raise Unread((found.id or "?").encode(), directories.reason)
    form = _form(found, open_tree, owner)
    if not found.group:
        _agreeing(directories, open_tree)
    alone = len(directories) == 1 and (found.group or found.engine == "docker")
    # Both then bind the one directory: see Get() of overlay2 and mounts() of the snapshotter.
    return Stack(directories, "plain" if alone else form)


def _form(found: Container, open_tree: "Open", owner: Owner) -> str:
    store = found.store or b"/"
    user = owner(store)
    if not isinstance(user, int):
        raise Unread(store, "whose it is is not known")
    is_root = user == 0
    if found.group:
        if found.driver != _OVERLAYFS:
            raise Unread(found.driver.encode(), "how this snapshotter merges layers is not known")
    elif found.engine == "docker":
        if found.driver not in {"overlay2", "fuse-overlayfs"}:
            raise Unread(found.driver.encode(), "how this driver merges layers is not known")
        # A directory UID.GID is of a server of root's that remaps users.
        first, _, second = store.rpartition(b"/")[2].partition(b".")
        is_root = is_root or (first.isdigit() and second.isdigit())
        if found.driver == "fuse-overlayfs":
            return "fuse-trusted" if is_root else "fuse-user"
    elif _has_program(opened(open_tree, store), is_root=is_root):
        return "fuse-trusted" if is_root else "fuse-user"
    return "trusted" if is_root else "user"


def _has_program(tree: "Tree", *, is_root: bool) -> bool:
    """Return whether a store of containers/storage was used with a mount program, which the store itself notes."""
    path = b"overlay/.has-mount-program"
    text = optional(tree, path, SHORT)
    if text is None and is_root:
        return False  # before it was noted: root needs none
    if text not in {b"true", b"false"}:
        raise Unread(path, "whether a program (fuse-overlayfs) merged the layers is not noted")
    return text == b"true"


def _agreeing(directories: tuple[bytes, ...], open_tree: "Open") -> None:
    """Raise Unread where the engine would mount other layers than its records name."""
    for directory in directories:
        for name in _ODD:
            if not isinstance(_tree(directory, open_tree).entry(_beside(directory, name)), Absent):
                raise Unread(directory, _OTHER_FORM + name.decode())
    own, *below = directories
    text = optional(_tree(own, open_tree), _beside(own, b"lower"), SHORT)
    links = [b"l/" + content(_tree(one, open_tree), _beside(one, b"link"), SHORT).strip() for one in below]
    if (text.strip().split(b":") if text else []) != links:
        raise Unread(own, "the layers that the engine mounts (the file lower beside it) are not those of its records")


def _tree(directory: bytes, open_tree: "Open") -> "Tree":
    return opened(open_tree, _place(directory)[0])


def _beside(directory: bytes, name: bytes) -> bytes:
    return _place(directory)[1] + b"/" + name


def _place(directory: bytes) -> tuple[bytes, bytes]:
    """Return the store of a layer's directory, and the path below it of what has the directory."""
    for place in places(directory):
        return place.store, f"{place.driver}/{place.key}".encode()
    raise Unread(directory, "it is no layer's")
