"""The names by which a path of a layer may be shown: redirects, read backwards.

A redirect gives a directory, or a metacopy, another name in the layers below: whoever looks up the first name looks for
the second one there. Which of the names that are possible really lead to the path is for the lookup itself to decide.
"""

from mapsd.light import NamedTuple, Sequence
from mapsd.model.searched import Redirect
from mapsd.parse.overlay_xattrs import is_redirect
from mapsd.resolve.mounts import join

NAMES = 200  # a directory that is redirected to one above it has a name for every depth
_LONGEST = 4096  # bytes


class Names(NamedTuple):
    """The names that are possible, the path itself first; *whole* says that these are all."""

    names: tuple[bytes, ...]
    whole: bool


def names_of(path: bytes, redirects: Sequence[Redirect]) -> Names:
    """Return every name that may lead to a path of a layer, with the redirects of the layers above it."""
    # What the kernel does not follow it refuses, with all that lies below.
    edges = [(redirect.path, _target(redirect)) for redirect in redirects if is_redirect(redirect.text)]
    found = {path: None}
    todo = [path]
    while todo:
        if len(found) > NAMES:
            return Names(tuple(found), whole=False)
        below = todo.pop()
        for above, target in edges:
            if below == target or below.startswith(target + b"/"):
                name = above + below[len(target):]
                if name not in found and len(name) < _LONGEST:
                    found[name] = None
                    todo.append(name)
    return Names(tuple(found), whole=True)


def _target(redirect: Redirect) -> bytes:
    """Return the path that takes the entry's place in the layers below, relative to their roots."""
    if redirect.text.startswith(b"/"):
        return redirect.text.strip(b"/")
    return join(redirect.path.rpartition(b"/")[0], redirect.text)
