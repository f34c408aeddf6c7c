"""Where a layer's directory lies in which kind of store, told by the names on its path; and doubts, gathered."""

from mapsd.engines.documents import Unread
from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING, Callable, Iterator, NamedTuple

if TYPE_CHECKING:
    from typing import ParamSpec, TypeVar

    _Asked = ParamSpec("_Asked")
    _Found = TypeVar("_Found")

_SNAPSHOTTER = b"io.containerd.snapshotter.v1."


class Place(NamedTuple):
    """A layer of a store: *kind* is storage (containers/storage), docker or containerd, *key* its name there."""

    kind: str
    store: bytes
    driver: str
    key: str


def places(directory: bytes) -> Iterator[Place]:
    """Yield what a layer's directory may be, by its path: the files of the store decide.

    The layouts are those of drivers/overlay and drivers/vfs of containers/storage, of daemon/graphdriver of moby, and
    of plugins/snapshots of containerd.
    """
    parts = directory.split(b"/")
    if not _is_text(parts[-4:]):
        return
    *above, first, second, third = parts if len(parts) > 3 else [b"", b"", b"", b""]
    store, driver, key = b"/".join(above) or b"/", first.decode(), second.decode()
    if third == b"diff" and driver == "overlay":
        yield Place("storage", store, driver, key)
    if third == b"diff" and driver in {"overlay2", "fuse-overlayfs"}:
        yield Place("docker", store, driver, key)
    if (first, second) == (b"vfs", b"dir"):
        yield Place("storage", store, "vfs", third.decode())
        yield Place("docker", store, "vfs", third.decode())
    if first == b"snapshots" and third == b"fs":
        yield from _snapshot(above, key)
    if second == b"snapshots":
        yield from _snapshot([*above, first], third.decode())


def directory_of(store: bytes, driver: str, key: str) -> bytes:
    """Return where a store keeps the files of a layer: what places() takes apart."""
    name, base = key.encode(), store.rstrip(b"/") + b"/" + driver.encode()
    if driver == "vfs":
        return b"%s/dir/%s" % (base, name)
    if driver.startswith(_SNAPSHOTTER.decode()):
        return b"%s/snapshots/%s%s" % (base, name, b"" if driver.endswith(".native") else b"/fs")
    return b"%s/%s/diff" % (base, name)


def _snapshot(above: list[bytes], key: str) -> Iterator[Place]:
    names = [name for name in above if name.startswith(_SNAPSHOTTER)]
    if names and key.isdecimal():
        end = len(above) - 1 - above[::-1].index(names[-1])
        yield Place("containerd", b"/".join(above[:end]) or b"/", b"/".join(above[end:]).decode(), key)


def _is_text(parts: list[bytes]) -> bool:
    return all(part.isascii() for part in parts)


class Doubts:
    """Why something of an answer is not established."""

    def __init__(self) -> None:
        """Have none."""
        self._reasons: dict[str, None] = {}

    def add(self, reason: str | None) -> None:
        """Keep a reason, each once."""
        if reason is not None:
            self._reasons[reason] = None

    def tried(self, ask: "Callable[_Asked, _Found]", *about: "_Asked.args", **more: "_Asked.kwargs") -> "_Found | None":
        """Return what is asked, None where it cannot be read: then the reason is kept."""
        try:
            return ask(*about, **more)
        except (Unread, ParseError) as error:
            self.add(str(error))
            return None

    @property
    def reason(self) -> str | None:
        """Return all of them, None where there are none."""
        return "; ".join(list(self._reasons)[:4]) or None
