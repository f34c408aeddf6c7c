"""By which names processes open a file: docs/schema/translate.json."""

from mapsd.model import Layer
from mapsd.model.translated import Hider, Inside, Name, Numbered, OnHost, Translation, View, Wanted
from mapsd.remote.decode import parts
from mapsd.remote.decode.containers import container
from mapsd.remote.decode.fields import Fields
from mapsd.remote.decode.mappings import proof
from mapsd.remote.decode.named import layer

WHATS = ("visible", "metadata", "hidden", "unreachable", "unknown")
HIDERS = ("copied-up", "file", "directory", "whiteout", "opaque", "redirect", "blocked", "mount")


def translation(answer: Fields) -> Translation:
    """Return by which names processes open a file. Raises Malformed."""
    parts.checked(answer)
    release, as_of = answer.part("kernel").text("release"), parts.moment(answer, "as_of")
    views = tuple(_view(one, release, as_of) for one in answer.parts("views"))
    return Translation(_wanted(answer.part("asked")), release, as_of, views)


def _wanted(one: Fields) -> Wanted:
    path, inside = one.maybe(Fields.path, "path"), one.maybe(Fields.path, "inside")
    if path is not None:
        return OnHost(path)
    return Inside(inside) if inside is not None else Numbered(one.device("device"), one.number("inode"))


def _view(one: Fields, release: str, as_of: float) -> View:
    pids = one.numbers("pids")
    if not pids:
        raise one.wrong("pids", "none")
    return View(parts.process(one.part("process")), release, as_of, pids, tuple(map(_name, one.parts("names"))),
                parts.skipped(one), container=one.maybe(container, "container"))


def _name(one: Fields) -> Name:
    return Name(
        parts.file(one.part("file")), one.maybe(_layer, "layer"), one.maybe(Fields.path, "inner_path") or b"",
        one.maybe(Fields.path, "user_path"), one.maybe(Fields.path, "openable_path"), one.maybe(parts.mount, "mount"),
        one.word("what", WHATS), one.maybe(_hider, "hidden_by"), one.maybe(parts.backing, "backing"),
        one.maybe(proof, "proof") or "", parts.evidence(one), one.maybe(Fields.text, "reason") or "", parts.needs(one))


def _layer(one: Fields, name: str) -> Layer:
    return layer(one.part(name))


def _hider(whole: Fields, name: str) -> Hider:
    one = whole.part(name)
    return Hider(one.word("what", HIDERS), one.maybe(_layer, "layer"), one.maybe(Fields.path, "path") or b"",
                 one.maybe(parts.mount, "mount"))
