"""When the files of a database count as changed."""

import pytest

from mapsd.model import Absent, DeviceId, FileFacts, Found, Refused
from mapsd.packages.watched import Watched

FILE = FileFacts("file", DeviceId(0, 1), 7, 1, 9, 1, None, changed=5)
DIRECTORY = FILE._replace(kind="directory")


class Tree:
    def __init__(self, found: Found) -> None:
        self.found = found

    def entry(self, path: bytes) -> Found:
        return self.found if path == b"a" else Absent()


@pytest.mark.parametrize(("before", "after", "same"), [
    (FILE, FILE, True), (FILE, FILE._replace(changed=6), False), (FILE, FILE._replace(size=8), False),
    (FILE, FILE._replace(inode=8), False), (FILE, Absent(), False), (Absent(), Absent(), True), (Absent(), FILE, False),
    (Refused("no"), Refused("no"), True), (FILE, Refused("no"), False),
    (DIRECTORY, DIRECTORY._replace(inode=8), True), (DIRECTORY, DIRECTORY._replace(changed=6), False)])
def test_a_file_is_the_same_while_nothing_that_tells_is_another(before, after, same):
    tree = Tree(before)
    watched = Watched(tree, (b"a", b"b"))
    tree.found = after
    assert watched.same() == same
