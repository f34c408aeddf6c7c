"""The overlays that a process sees: docs/schema/layers.json."""

from mapsd.model.layers import Directory, LayerView, OverlayView, ProcessLayers, Switch
from mapsd.remote.decode import parts
from mapsd.remote.decode.containers import container
from mapsd.remote.decode.fields import Fields


def process_layers(answer: Fields) -> ProcessLayers:
    """Return what is known of a process's overlays. Raises Malformed."""
    parts.checked(answer)
    return ProcessLayers(parts.process(answer.part("process")), answer.part("kernel").text("release"),
                         parts.moment(answer, "as_of"), tuple(map(_overlay, answer.parts("overlays"))),
                         parts.mounts(answer, "unions"), parts.skipped(answer),
                         container(answer, "container") if "container" in answer else None)


def _overlay(one: Fields) -> OverlayView:
    work = one.maybe(Fields.part, "work")
    return OverlayView(
        parts.mount(one, "mount"), one.maybe(Fields.flag, "covered"), tuple(map(_switch, one.parts("options"))),
        None if work is None else work.path("text"), None if work is None else work.maybe(_directory, "directory"),
        tuple(map(_layer, one.parts("layers"))))


def _switch(one: Fields) -> Switch:
    return Switch(_word(one, "name"), one.maybe(_word, "value"), one.flag("printed"), one.maybe(Fields.text, "meaning"))


def _word(one: Fields, name: str) -> str:
    try:
        return one.unescaped(name).decode()
    except UnicodeDecodeError as error:
        raise one.wrong(name, "no text") from error


def _layer(one: Fields) -> LayerView:
    directory = one.maybe(_directory, "directory")
    return LayerView(
        one.word("role", parts.ROLES), one.number("index"), one.path("text"), directory,
        one.maybe(Fields.flag, "certain"), one.flag("reachable"), one.maybe(Fields.text, "reason") or "",
        ",".join(parts.needs(one)), one.maybe(_inner, "overlay"),
        parts.image_layer(one, None if directory is None else directory.path))


def _inner(one: Fields, name: str) -> OverlayView:
    return _overlay(one.part(name))


def _directory(whole: Fields, name: str) -> Directory:
    one = whole.part(name)
    return Directory(one.maybe(Fields.path, "path"), one.maybe(Fields.path, "openable_path"), one.device("device"),
                     one.number("inode"), one.maybe(Fields.unescaped, "fs_type"))
