"""What several answers have: the process, its mounts, files of layers, what was observed and what was skipped."""

import math
from datetime import UTC, datetime, timedelta

from mapsd.model import Backing, Evidence, Mount, ProcessFacts, Skipped
from mapsd.model.containers import ImageLayer
from mapsd.remote.decode.fields import Fields

SCHEMA = "mapsd/v1"
ROLES = ("upper", "lower", "data")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def checked(answer: Fields) -> Fields:
    """Return an answer of a version that is known."""
    answer.word("schema", (SCHEMA,))
    return answer


def process(one: Fields) -> ProcessFacts:
    """Return who a process is."""
    return ProcessFacts(one.number("pid"), one.number("start_time"), one.path("name"), one.number("uid"),
                        one.maybe(Fields.path, "exe"), one.maybe(Fields.number, "mount_namespace"),
                        one.maybe(Fields.path, "root"))


def moment(one: Fields, name: str) -> float:
    """Return a time in seconds since the epoch, of which views.render makes the same text again."""
    try:
        date = datetime.fromisoformat(one.text(name))
        milliseconds = (date - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, TypeError, OverflowError) as error:
        raise one.wrong(name, "no time") from error
    seconds = milliseconds / 1000
    return seconds if int(seconds * 1000) == milliseconds else math.nextafter(seconds, math.inf)


def skipped(answer: Fields) -> tuple[Skipped, ...]:
    """Return what could not be read."""
    return tuple(Skipped(one.text("what"), one.text("reason"), one.maybe(Fields.text, "needs") or "")
                 for one in answer.parts("skipped"))


def evidence(one: Fields) -> tuple[Evidence, ...]:
    """Return what was observed."""
    return tuple(Evidence(seen.text("kind"), seen.text("detail")) for seen in one.parts("evidence"))


def needs(one: Fields) -> tuple[str, ...]:
    """Return what would settle what is not established."""
    return one.maybe(Fields.texts, "needs") or ()


def mount(whole: Fields, name: str) -> Mount:
    """Return a mount, of which the JSON has neither parent nor root nor options."""
    return _mount(whole.part(name))


def mounts(whole: Fields, name: str) -> tuple[Mount, ...]:
    """Return a list of mounts."""
    return tuple(map(_mount, whole.parts(name)))


def _mount(one: Fields) -> Mount:
    return Mount(one.number("id"), 0, one.device("device"), b"", one.path("mount_point"), one.unescaped("fs_type"), b"")


def backing(whole: Fields, name: str) -> Backing:
    """Return the file that holds the data."""
    return _backing(whole.part(name))


def _backing(one: Fields) -> Backing:
    found = file(one)
    layer = one.part("layer") if one.maybe(Fields.part, "layer") is not None else None
    if layer is not None:
        path = layer.maybe(Fields.path, "path")
        found = found._replace(overlaid=True, layer_role=layer.maybe(_role, "role"),
                               layer_index=layer.maybe(Fields.number, "index"), layer_path=path,
                               image_layer=image_layer(layer, path))
    through = tuple(map(_backing, one.parts("through"))) if "through" in one else ()
    return found._replace(through=through, metadata=backing(one, "metadata") if "metadata" in one else None)


def file(one: Fields) -> Backing:
    """Return a file by its path, device and inode alone."""
    return Backing(one.maybe(Fields.path, "path"), one.maybe(Fields.device, "device"),
                   one.maybe(Fields.number, "inode"), one.maybe(Fields.unescaped, "fs_type"))


def image_layer(layer: Fields, directory: bytes | None) -> ImageLayer | None:
    """Return which layer of its image a layer with this *directory* is, None where that is not said."""
    if "position" not in layer:
        return None
    return ImageLayer(layer.number("position"), layer.maybe(Fields.text, "diff_id"),
                      layer.maybe(Fields.text, "digest"), directory or b"",
                      layer.maybe(Fields.text, "step"))


def _role(one: Fields, name: str) -> str:
    return one.word(name, ROLES)
