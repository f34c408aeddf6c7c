"""Every container of a store, whether it runs or not: what is left of a host that is dead."""

from mapsd.engines import containerd, docker, storage
from mapsd.engines.documents import Unread, is_name
from mapsd.engines.stores import opened, stores_of, with_docker
from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING, Iterator, NamedTuple, Sequence
from mapsd.model import Absent, FileFacts, Refused
from mapsd.model.containers import Container, Unidentified

if TYPE_CHECKING:
    from mapsd.engines.stores import Open
    from mapsd.sources import Tree

# Where engines keep their stores unless they are told otherwise; `*` is any name, `*.*` that of remapped users.
_USUAL = (b"var/lib/containers/storage", b"var/lib/docker", b"var/lib/docker/*.*", b"var/lib/docker/containerd/daemon",
          b"var/lib/containerd", b"var/lib/rancher/k3s/agent/containerd", b"root/.local/share/containers/storage",
          b"home/*/.local/share/containers/storage", b"home/*/.local/share/docker",
          b"home/*/.local/share/docker/containerd/daemon", b"home/*/.local/share/containerd")
_META = b"io.containerd.metadata.v1.bolt/meta.db"


class Kind(NamedTuple):
    """What a directory is the store of: *name* as in mapsd.engines.place.Place, and how it keeps layers."""

    name: str
    driver: str


def usual(root: "Tree") -> list[bytes]:
    """Return the stores below a machine's root (or the root itself, empty), where engines usually have them."""
    return [path for path in (b"", *(path for one in _USUAL for path in _matching(root, one))) if kinds(root, path)]


def kinds(tree: "Tree", path: bytes = b"") -> list[Kind]:
    """Return what a directory is the store of, by the files in it: of several engines, or of none."""
    found = [Kind("storage", name.removesuffix("-containers")) for name in _names(tree, path)
             if name.endswith("-containers") and is_name(name) and _is_there(tree, _below(path, name.encode()))]
    found += [Kind("docker", name) for name in _names(tree, _below(path, b"image"))
              if is_name(name) and _is_there(tree, _below(path, f"image/{name}/layerdb".encode()))]
    return found + ([Kind("containerd", "")] if _is_there(tree, _below(path, _META)) else [])


def containers(store: bytes, open_tree: "Open", others: Sequence[bytes] = ()) -> Iterator[Container | Unidentified]:
    """Yield the containers of the store in a directory, or why one of them is not known.

    *others* are further stores of containers/storage that may have its images.
    """
    try:
        tree = opened(open_tree, store)
        for kind in kinds(tree):
            yield from _of_kind(kind, store, tree, open_tree, others)
    except (Unread, ParseError) as error:
        yield Unidentified(str(error))


def stack(found: Container, open_tree: "Open") -> tuple[bytes, ...] | Unidentified:
    """Return the directories of a container's layers in the order of lookup, its own first."""
    store = found.store or b"/"
    try:
        if found.group:
            return tuple(containerd.stack(opened(open_tree, store), found))
        if found.engine == "docker":
            return tuple(docker.stack(opened(open_tree, store), found))
        return tuple(storage.stack(stores_of(store, found.others, open_tree), found))
    except (Unread, ParseError) as error:
        return Unidentified(str(error))


def _of_kind(kind: Kind, store: bytes, tree: "Tree", open_tree: "Open",
             others: Sequence[bytes]) -> Iterator[Container | Unidentified]:
    if kind.name == "storage":
        yield from storage.containers(stores_of(store, others, open_tree), kind.driver)
    elif kind.name == "docker":
        yield from docker.containers(tree, store, kind.driver)
    else:
        for one in containerd.containers(tree, store):
            yield with_docker(one, tree, open_tree) if isinstance(one, Container) and one.engine == "docker" else one


def _matching(root: "Tree", pattern: bytes) -> list[bytes]:
    found = [b""]
    for part in pattern.split(b"/"):
        if b"*" in part:
            found = [_below(one, name.encode()) for one in found for name in _names(root, one)
                     if is_name(name) and part.strip(b"*") in name.encode()]
        else:
            found = [_below(one, part) for one in found]
    return found


def _below(path: bytes, name: bytes) -> bytes:
    return path + b"/" + name if path else name


def _is_there(tree: "Tree", path: bytes) -> bool:
    return isinstance(tree.entry(path), FileFacts)


def _names(tree: "Tree", path: bytes) -> list[str]:
    found = tree.listed(path)
    return [] if isinstance(found, Absent | Refused) else [name.decode("ascii", "replace") for name in found]
