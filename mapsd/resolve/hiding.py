"""What a name has to do with a file of a layer: it opens it, shows only its metadata, or something hides it."""

from mapsd.light import NamedTuple
from mapsd.model import Backing, FileFacts, Found
from mapsd.model.layers import Descent, Met, Winner
from mapsd.model.translated import Hider
from mapsd.parse.overlay_xattrs import origin
from mapsd.ports import same_handle
from mapsd.resolve.labels import OTHER
from mapsd.resolve.lookup import is_whiteout
from mapsd.resolve.scene import same_file
from mapsd.resolve.source import SUBVOLUMES


class Sought(NamedTuple):
    """A file of a layer, and the places (an overlay's device, a layer's index, a path) at which a name may meet it."""

    facts: FileFacts
    file: Backing
    marks: frozenset[tuple[object, ...]]


class Verdict(NamedTuple):
    """What a name is to a file: see mapsd.model.translated.Name."""

    what: str
    by: Hider | None = None
    reason: str = ""
    needs: tuple[str, ...] = ()


def verdict(sought: Sought, descents: tuple[Descent, ...], winner: Winner | None, *, opens_nothing: bool = False) -> (
        Verdict | None):
    """Return what a name is to a file, None where it does not lead to it.

    *winner* is the file that the name opens, None where it opens none; then *opens_nothing* says that the kernel has
    said so.
    """
    met = [(descent, one) for descent in descents for one in descent.met if one.named]
    same = [one for _, one in met if _is(one.found, sought.facts)]
    known = winner is not None and winner.backing is not None
    if known and (_wins(winner, sought) or any(one.what == "opens" for one in same)):
        return Verdict("visible")
    if known and any(one.what == "metacopy" for one in same):
        return Verdict("metadata")
    # The outer overlay comes first: what it hides no inner one shows.
    for descent, one in met:
        if (descent.mount.device, one.layer.position, one.path) in sought.marks:
            found = _marked(one, descent, sought.facts, winner)
            if found is not None:
                return found
    if known or opens_nothing:
        return None
    open_questions = [one for descent in descents for one in descent.met if one.what == "unknown"]
    if winner is not None or open_questions:
        return _unknown(winner) if winner is not None else _open(open_questions[0])
    return None


def _wins(winner: Winner | None, sought: Sought) -> bool:
    """Return whether the very file that wins, at the bottom or on the way to it, is the one that is sought."""
    if winner is None or winner.backing is None:
        return False
    file = sought.file
    return any(None not in {one.device, one.inode} and (one.device, one.inode) == (file.device, file.inode)
               and (one.fs_type not in SUBVOLUMES or (one.path is not None and one.path == file.path))
               for one in (winner.backing, *winner.backing.through))


def _is(found: Found, file: FileFacts) -> bool:
    return isinstance(found, FileFacts) and same_file(found, file) and found.handle == file.handle


def _marked(one: Met, descent: Descent, file: FileFacts, winner: Winner | None) -> Verdict | None:
    by = None if one.by is None else descent.met[one.by]
    if one.what == "hidden" and by is not None:
        return _open(by) if by.what == "unknown" else Verdict("hidden", Hider(_kind(by, file), by.layer, by.path))
    if one.what == "unknown":
        return _open(one)
    if one.what == "whiteout":
        return Verdict("hidden", None, "it is a whiteout itself: an overlay never shows it")
    # A layer that is an overlay: what is inside it comes later.
    return _unknown(winner) if _is(one.found, file) else None


def _open(one: Met) -> Verdict:
    return Verdict("unknown", None, one.reason, tuple(one.needs.split(",")) if one.needs else ())


def _unknown(winner: Winner | None) -> Verdict:
    if winner is None or winner.reason is None:
        return Verdict("unknown", None, OTHER)
    return Verdict("unknown", None, winner.reason, winner.needs)


def _kind(by: Met, file: FileFacts) -> str:
    if not isinstance(by.found, FileFacts) or is_whiteout(by.found):
        return "whiteout"
    if not by.named:
        return "blocked" if by.what == "blocked" else "opaque" if by.opaque else "redirect"
    if by.found.kind == "directory":
        return "directory"
    copied = origin(dict(by.found.xattrs).get("origin", b""))
    copy = by.layer.role == "upper" and copied is not None and same_handle(copied.handle, file.handle)
    return "copied-up" if copy else "file"
