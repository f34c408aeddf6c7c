"""Which file a name opens: docs/schema/which.json.

Of a file in a layer the JSON has the kind and what its attributes say, so the other facts of it are zero here.
"""

from mapsd.model import Absent, Backing, DeviceId, FileFacts, Layer, LayerDir, Refused
from mapsd.model.layers import Descent, Link, Met, Way, Which, Winner
from mapsd.remote.decode import parts
from mapsd.remote.decode.containers import container
from mapsd.remote.decode.fields import Fields
from mapsd.remote.decode.mappings import proof

WHATS = ("opens", "metacopy", "merged", "whiteout", "blocked", "passed", "hidden", "unknown")
KINDS = ("file", "directory", "symlink", "whiteout", "device", "other")
_NOWHERE = DeviceId(0, 0)
_ABSENT = "No such file or directory"
Place = tuple[str, int, bytes]  # where something was met: its layer, and its path in it


def which(answer: Fields) -> Which:
    """Return which file a name of a process opens. Raises Malformed."""
    parts.checked(answer)
    return Which(
        parts.process(answer.part("process")), answer.part("kernel").text("release"), parts.moment(answer, "as_of"),
        answer.path("asked_path"), _way(answer), answer.maybe(parts.mount, "mount"),
        answer.maybe(Fields.path, "host_path"), answer.maybe(Fields.path, "openable_path"),
        answer.maybe(_winner, "proof"), tuple(map(_descent, answer.parts("overlays"))), parts.skipped(answer),
        container(answer, "container") if "container" in answer else None)


def _way(answer: Fields) -> Way:
    links = tuple(Link(link.path("path"), link.path("target")) for link in answer.parts("links"))
    if answer.flag("exists"):
        return Way(answer.path("user_path"), _facts(answer.word("kind", KINDS)), b"", links)
    missing, why = answer.part("missing"), answer.text("reason")
    return Way(missing.path("below"), Absent() if why == _ABSENT else Refused(why), missing.path("name"), links)


def _winner(answer: Fields, name: str) -> Winner:
    return Winner(answer.maybe(parts.backing, "backing"), proof(answer, name), parts.evidence(answer),
                  answer.maybe(Fields.text, "reason"), parts.needs(answer))


def _facts(kind: str, xattrs: tuple[tuple[str, bytes], ...] = ()) -> FileFacts:
    return FileFacts(kind, _NOWHERE, 0, 0, 0, 0, None, xattrs=xattrs)


def _descent(one: Fields) -> Descent:
    met = list(one.parts("met"))
    places = list(map(_place, met))
    return Descent(parts.mount(one, "mount"), one.path("path"), one.flag("attributes_visible"),
                   tuple(_met(each, places) for each in met))


def _place(one: Fields) -> Place:
    layer = one.part("layer")
    return layer.word("role", parts.ROLES), layer.number("index"), one.path("path")


def _met(one: Fields, places: list[Place]) -> Met:
    hider = one.maybe(Fields.part, "hidden_by")
    by = None if hider is None else _place(hider)
    if by is not None and by not in places:
        raise one.wrong("hidden_by", "not among what was met")
    place = one.part("layer")
    there = layer(place)
    return Met(there, one.path("path"), _found(one), one.word("what", WHATS), one.flag("named"),
               None if by is None else places.index(by), one.maybe(Fields.text, "reason") or "",
               ",".join(parts.needs(one)), one.maybe(_file, "file"), parts.image_layer(place, there.text))


def layer(one: Fields) -> Layer:
    """Return where something lies: a layer, and its directory where that was found."""
    role, index, path = one.word("role", parts.ROLES), one.number("index"), one.maybe(Fields.path, "path")
    where = None if path is None else LayerDir(0, path, _facts("directory"))
    return Layer(role, index, path or b"", where, one.flag("certain"))


def _found(one: Fields) -> FileFacts | Refused:
    kind = one.maybe(_kind, "kind")
    if kind is None:
        return Refused(one.maybe(Fields.text, "reason") or "")
    redirect = one.maybe(Fields.path, "redirect")
    seen = {"opaque": b"y" if one.maybe(Fields.flag, "opaque") else None, "redirect": redirect,
            "metacopy": b"" if one.maybe(Fields.flag, "metacopy") else None}
    return _facts(kind, tuple((name, value) for name, value in seen.items() if value is not None))


def _kind(one: Fields, name: str) -> str:
    return one.word(name, KINDS)


def _file(one: Fields, name: str) -> Backing:
    return parts.file(one.part(name))
