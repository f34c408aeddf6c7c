"""What a machine lets a daemon establish: docs/schema/doctor.json."""

from mapsd.model.diagnosis import Capabilities, Diagnosis, Finding
from mapsd.remote.decode import parts
from mapsd.remote.decode.fields import Fields


def diagnosis(answer: Fields) -> Diagnosis:
    """Return what was found. Raises Malformed."""
    parts.checked(answer)
    kernel, held = answer.part("kernel"), answer.part("capabilities")
    return Diagnosis(_text(kernel, "release"), kernel.maybe(Fields.text, "shows"),
                     Capabilities(held.texts("held"), held.flag("initial_user_namespace")),
                     tuple(map(_finding, answer.parts("proofs"))), tuple(map(_finding, answer.parts("findings"))))


def _finding(one: Fields) -> Finding:
    return Finding(_text(one, "name"), one.maybe(Fields.flag, "works"), _text(one, "detail"), parts.needs(one),
                   one.maybe(_text, "advice") or "")


def _text(one: Fields, name: str) -> str:
    return one.unescaped(name).decode("utf-8", "surrogateescape")
