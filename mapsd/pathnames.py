"""How the kernel takes a path apart and follows it. See path_resolution(7) and <linux/limits.h>."""

from mapsd.light import Callable
from mapsd.model import Absent, Found, Refused
from mapsd.model.layers import Link, Way

LINKS = 40  # MAXSYMLINKS, include/linux/namei.h
PATH_MAX = 4096  # bytes, with the NUL at the end
_TOO_LONG = "without links the path is longer than the kernel resolves"
_TOO_MANY = "Too many levels of symbolic links"
Seen = Callable[[bytes], Found]
Text = Callable[[bytes, Found], bytes | Refused]


def names(path: bytes) -> list[bytes]:
    """Return the names of a path, without those that stay where they are."""
    return [name for name in path.split(b"/") if name not in {b"", b"."}]


def followed(path: bytes, seen: Seen, text: Text) -> Way:
    """Return where an absolute name leads, link by link, or where it ends.

    *seen* says what a path without links on the way is, a link for itself; *text* reads a link.
    """
    todo, done, links = names(path), b"", list[Link]()
    while todo:
        name = todo.pop(0)
        if name == b"..":
            # No part of *done* is a link, so that its text says where it lies.
            done = done.rpartition(b"/")[0]
            continue
        at = done + b"/" + name
        if len(at) >= PATH_MAX:
            return Way(at, Refused(_TOO_LONG), b"", tuple(links))
        found = seen(at)
        if isinstance(found, Absent):
            rest = [name, *todo]
            return Way(done or b"/", found, b"/".join(rest[:_upwards(rest)]), tuple(links))
        if isinstance(found, Refused):
            return Way(at, found, b"", tuple(links))
        if found.kind != "symlink":
            done = at
            continue
        target = text(at, found) if len(links) < LINKS else Refused(_TOO_MANY)
        if isinstance(target, Refused):
            return Way(at, target, b"", tuple(links))
        links.append(Link(at, target))
        todo, done = names(target) + todo, b"" if target.startswith(b"/") else done
    return Way(done or b"/", seen(done or b"/"), b"", tuple(links))


def _upwards(rest: list[bytes]) -> int:
    """Return how many names come before the first `..`: below what is missing nothing leads upwards."""
    return rest.index(b"..") if b".." in rest else len(rest)
