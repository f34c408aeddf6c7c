"""Containers: docs/schema/containers.json."""

from mapsd.model.containers import Container, Containers, ImageLayer, ImageLayers, Running, Unidentified
from mapsd.remote.decode import parts
from mapsd.remote.decode.fields import Fields


def containers(answer: Fields) -> Containers:
    """Return the containers that run. Raises Malformed."""
    parts.checked(answer)
    return Containers(tuple(map(_running, answer.parts("containers"))),
                      tuple(map(_unidentified, answer.parts("skipped"))), answer.number("gone"),
                      answer.number("denied"), parts.moment(answer, "as_of"))


def container(whole: Fields, name: str) -> Container:
    """Return the container of a process."""
    return _container(whole.part(name))


def _container(one: Fields) -> Container:
    def word(name: str) -> str | None:
        return one.maybe(Fields.text, name)
    return Container(word("engine"), word("id"), word("name"), word("image"), word("image_id"), word("image_digest"),
                     word("pod"), word("namespace"), reason=word("reason"))


def _running(one: Fields) -> Running:
    pids = one.numbers("pids")
    if not pids:
        raise one.wrong("pids", "none")
    layers = ImageLayers(tuple(map(_layer, one.parts("layers"))), one.maybe(Fields.text, "layers_reason"))
    return Running(_container(one), pids, layers)


def _layer(one: Fields) -> ImageLayer:
    return ImageLayer(one.number("position"), one.maybe(Fields.text, "diff_id"), one.maybe(Fields.text, "digest"),
                      one.path("path"), one.maybe(Fields.text, "step"))


def _unidentified(one: Fields) -> tuple[int, Unidentified]:
    what = one.text("what")
    if not (what.isascii() and what.isdigit() and len(what) < 11):
        raise one.wrong("what", "no PID")
    needs = one.maybe(Fields.text, "needs")
    return int(what), Unidentified(one.text("reason"), () if needs is None else (needs,))
