"""How the tests ask."""

import hashlib

from mapsd.model import Refused
from mapsd.model.packages import Difference, Differs, Owned, Record, Same
from mapsd.packages.databases import Databases
from mapsd.packages.difference import difference
from mapsd.sources import Tree


def records(tree: Tree, path: str) -> tuple[Record, ...]:
    """Return the records of a name that is somebody's."""
    found = Databases(tree).owner(path.encode())
    assert isinstance(found, Owned), found
    assert found.unread == ()
    return found.records


def names(tree: Tree, path: str) -> list[str]:
    return [one.package.name for one in records(tree, path)]


def record(tree: Tree, path: str) -> Record:
    one, = records(tree, path)
    return one


def refused(tree: Tree, path: str) -> str:
    found = Databases(tree).owner(path.encode())
    assert isinstance(found, Refused), found
    return found.reason


def compared(one: Record, data: bytes) -> Difference:
    return difference(one, len(data), lambda algorithm: hashlib.new(algorithm, data).digest())


def is_same(one: Record, data: bytes) -> bool:
    found = compared(one, data)
    assert isinstance(found, Same | Differs), found
    return isinstance(found, Same)
