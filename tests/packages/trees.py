"""Trees to ask: one of a dictionary, one of a real directory. Each counts what it is asked."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mapsd.model import Absent, DeviceId, FileFacts, Found, Refused

MANY = 100000


class Link(NamedTuple):
    """A symbolic link."""

    text: bytes


class Folder:
    """A directory and the names in it."""

    def __init__(self, names: tuple[bytes, ...]) -> None:
        self.within = dict.fromkeys(names)

    @property
    def names(self) -> tuple[bytes, ...]:
        return tuple(self.within)


class Denied(NamedTuple):
    """What may not be read."""

    reason: str = "Permission denied"


Node = bytes | Link | Folder | Denied | None


class _Walked:
    """A tree whose subclass knows what each name is that has no links in it."""

    def __init__(self) -> None:
        self.asked = 0

    def node(self, path: bytes) -> Node:
        raise NotImplementedError

    def _found(self, path: bytes, *, follow: bool) -> tuple[bytes, Node]:
        self.asked += 1
        assert not path.startswith(b"/")
        todo, done = [name for name in path.split(b"/") if name not in {b"", b"."}], b""
        node, links = self.node(b""), 0
        while todo:
            name = todo.pop(0)
            if name == b"..":
                done = done.rpartition(b"/")[0]
                continue
            at = f"{done.decode('latin-1')}/{name.decode('latin-1')}".encode("latin-1").lstrip(b"/")
            node = self.node(at)
            if isinstance(node, Link) and (todo or follow):
                links += 1
                if links > 40:
                    return at, Denied("Too many levels of symbolic links")
                parts = [part for part in node.text.split(b"/") if part not in {b"", b"."}]
                todo, done = parts + todo, b"" if node.text.startswith(b"/") else done
                continue
            if todo and not isinstance(node, Folder):
                return at, node if isinstance(node, Denied) else None
            done = at
        return done, self.node(done)

    def read(self, path: bytes, limit: int) -> bytes | Absent | Refused:
        found, node = self._found(path, follow=True)
        if node is None:
            return Absent()
        if not isinstance(node, bytes):
            return Refused(node.reason if isinstance(node, Denied) else "no regular file")
        data = self.content(found)
        return data if len(data) <= limit else Refused(f"more than {limit} bytes")

    def content(self, path: bytes) -> bytes:
        """Return the bytes of a file that are not in its node."""
        found = self.node(path)
        return found if isinstance(found, bytes) else b""

    def head(self, path: bytes, size: int) -> bytes | Absent | Refused:
        found = self.read(path, 1 << 40)
        return found[:size] if isinstance(found, bytes) else found

    def listed(self, path: bytes) -> Sequence[bytes] | Absent | Refused:
        _, node = self._found(path, follow=True)
        if isinstance(node, Denied):
            return Refused(node.reason)
        if not isinstance(node, Folder):
            return Absent() if node is None else Refused("Not a directory")
        return sorted(node.names) if len(node.names) <= MANY else Refused("too many names")

    def entry(self, path: bytes) -> Found:
        found, node = self._found(path, follow=False)
        if isinstance(node, Denied):
            return Refused(node.reason)
        return Absent() if node is None else self.facts(found, node)

    def facts(self, path: bytes, node: bytes | Link | Folder) -> FileFacts:
        kind = "symlink" if isinstance(node, Link) else "directory" if isinstance(node, Folder) else "file"
        held = node.names if isinstance(node, Folder) else node
        return FileFacts(kind, DeviceId(0, 1), hash(path), 1, len(held), 1, None, changed=hash(held))

    def link(self, path: bytes) -> bytes | Absent | Refused:
        _, node = self._found(path, follow=False)
        return node.text if isinstance(node, Link) else Absent() if node is None else Refused("no link")


class Files(_Walked):
    """The files of a dictionary, by path; a text is a file, a directory is where something lies in it."""

    def __init__(self, files: dict[str, "str | bytes | Link | Denied"]) -> None:
        super().__init__()
        self.nodes: dict[bytes, Node] = {b"": Folder(())}
        for path, node in files.items():
            self.put(path.encode(), node.encode() if isinstance(node, str) else node)

    def put(self, path: bytes, node: Node) -> None:
        self.nodes[path] = node
        while path:
            above, _, name = path.rpartition(b"/")
            folder = self.nodes.get(above)
            if not isinstance(folder, Folder):
                folder = self.nodes[above] = Folder(())
            if name in folder.within:
                return
            folder.within[name] = None
            path = above

    def node(self, path: bytes) -> Node:
        return self.nodes.get(path)


class Directory(_Walked):
    """The files below a real directory."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = os.fsencode(root)

    def _at(self, path: bytes) -> bytes:
        return self.root + b"/" + path

    def node(self, path: bytes) -> Node:
        try:
            mode = os.lstat(self._at(path)).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        if stat.S_ISLNK(mode):
            return Link(os.readlink(self._at(path)))
        if stat.S_ISDIR(mode):
            return _Lazy(self._at(path))
        return b"" if stat.S_ISREG(mode) else Denied("no regular file")

    def content(self, path: bytes) -> bytes:
        return Path(os.fsdecode(self._at(path))).read_bytes()

    def facts(self, path: bytes, node: bytes | Link | Folder) -> FileFacts:
        found = os.lstat(self._at(path))
        kind = "symlink" if isinstance(node, Link) else "directory" if isinstance(node, Folder) else "file"
        device = DeviceId(os.major(found.st_dev), os.minor(found.st_dev))
        return FileFacts(kind, device, found.st_ino, found.st_nlink, found.st_size, 1, None, changed=found.st_ctime_ns)


class _Lazy(Folder):
    """A real directory, listed when it is asked for."""

    def __init__(self, path: bytes) -> None:
        self._path = path

    @property
    def names(self) -> tuple[bytes, ...]:
        return tuple(os.listdir(self._path))
