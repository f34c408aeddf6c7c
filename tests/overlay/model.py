"""A shadow of one overlay: what a reader of the overlay's rules would say, without any of mapsd's code."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(eq=False)
class Data:
    """A real file that holds bytes: of a lower or data-only layer (index 1…), or of the upper (0)."""

    index: int
    device_inode: tuple[int, int] | None = None
    role: str = ""

    def __post_init__(self) -> None:
        self.role = self.role or ("lower" if self.index else "upper")


@dataclass(eq=False)
class File:
    """An overlay inode: the data that opens through it read now."""

    data: Data


@dataclass(eq=False)
class Node:
    """A dentry: it keeps its name and parent when it dies."""

    name: str
    parent: "Node | None"
    file: File | None = None
    children: dict[str, "Node"] = field(default_factory=dict)
    dead: bool = False
    cover: bool = False

    def path(self) -> str:
        return "" if self.parent is None else f"{self.parent.path()}/{self.name}"

    def covered(self) -> bool:
        return self.cover or (self.parent is not None and self.parent.covered())

    def walk(self) -> "list[Node]":
        """Return this node and every live one below."""
        return [self] + [deeper for child in self.children.values() for deeper in child.walk()]


@dataclass(eq=False)
class Mapping:
    """One mapping: the dentry it came through and the data it holds."""

    address: int
    node: Node
    data: Data
    mode: str
    page: int


class Shadow:
    """The tree as the overlay shows it."""

    def __init__(self) -> None:
        self.root = Node("", None)

    def find(self, path: str) -> Node | None:
        node = self.root
        for name in path.strip("/").split("/"):
            found = node.children.get(name)
            if found is None:
                return None
            node = found
        return node

    def add(self, parent: Node, name: str, data: Data | None = None) -> Node:
        node = Node(name, parent, File(data) if data else None)
        parent.children[name] = node
        return node

    def remove(self, node: Node) -> None:
        assert node.parent is not None
        del node.parent.children[node.name]
        node.dead = True

    def move(self, node: Node, parent: Node, name: str) -> None:
        assert node.parent is not None
        del node.parent.children[node.name]
        over = parent.children.get(name)
        if over is not None:
            over.dead = True
        node.parent, node.name = parent, name
        parent.children[name] = node

    def state(self, mapping: Mapping) -> str:
        """Return the contract's state of a mapping while its mount is in the namespace."""
        node = mapping.node
        there = self.find(node.path())
        if node.covered() or (there is not None and there.covered()):
            return "covered"
        if node.dead:
            return "replaced" if there else "deleted"
        assert node.file is not None
        return "current" if node.file.data is mapping.data else "copied-up"


def identity(path: Path) -> tuple[int, int]:
    """Return the device and inode of a real file of a layer."""
    seen = path.stat()
    return seen.st_dev, seen.st_ino
