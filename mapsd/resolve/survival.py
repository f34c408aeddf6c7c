"""Whether a copy of a store still has the attributes of its overlays: many ways to copy a tree leave them out.

Whatever was copied up has one (`origin`, since Linux 4.12), and what it was copied into (`impure`, since 4.13), so that
the upper layer of nearly every container that ran has some. Where there is one, they were kept.
"""

from mapsd.light import Callable, Sequence
from mapsd.model import FileFacts, Layer
from mapsd.resolve.lookup import Ask

Names = Callable[[Layer, bytes], Sequence[bytes]]
_ENTRIES = 2000  # that are asked, of all layers


def survived(layers: Sequence[Layer], ask: Ask, names: Names, prefixes: Sequence[str], *, inside: bool) -> bool:
    """Return whether some entry of the layers has an attribute whose name begins so, the topmost layer asked first.

    *ask* gives attributes by their whole names, *names* lists a directory of a layer. Without *inside* only the layers'
    roots are asked: further down there may be another store, with attributes of its own.
    """
    left = _ENTRIES
    for layer in layers:
        todo = [b""]
        while todo and left > 0:
            path = todo.pop(0)
            left -= 1
            found = ask(layer, path)
            if not isinstance(found, FileFacts):
                continue
            if any(name.startswith(prefix) for name, _ in found.xattrs for prefix in prefixes):
                return True
            if inside and found.kind == "directory":
                todo += (path + b"/" + name if path else name for name in names(layer, path))
    return False
