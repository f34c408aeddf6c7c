"""Failures that were met while recording, spelled as answers: a replay fails in the same way."""

from typing import Any

from mapsd.errors import AccessDenied, KernelLacks, MapsdError, NoHost, ParseError, ProcessGone
from mapsd.recording.codec import FLAG, NUMBER, PATH, TEXT, WORDS, Codec, either, row

Failure = MapsdError | OSError


def _fields(*names: str) -> Codec[Any]:
    codecs: dict[str, Codec[Any]] = {
        "pid": NUMBER, "seen": FLAG, "what": WORDS, "needs": TEXT, "source": TEXT, "line": PATH, "reason": WORDS,
        "feature": TEXT, "path": PATH, "errno": NUMBER, "strerror": WORDS}
    return row(lambda *fields: fields, *[codecs[name] for name in names])


def _of(kind: type[Any], *names: str) -> Codec[Any]:
    fields = _fields(*names)

    def made(*values: Any) -> Failure:  # noqa: ANN401  (fields of any failure)
        if kind is ProcessGone:
            return ProcessGone(values[0], seen=values[1])
        failure: Failure = kind(*values)
        return failure
    return Codec(lambda value, pen: fields.spell(tuple(getattr(value, name) for name in names), pen),
                 lambda value, book: made(*fields.read(value, book)))


FAILURE: Codec[Failure] = either(
    ("gone", ProcessGone, _of(ProcessGone, "pid", "seen")),
    ("denied", AccessDenied, _of(AccessDenied, "what", "needs")),
    ("form", ParseError, _of(ParseError, "source", "line", "reason")),
    ("lacks", KernelLacks, _of(KernelLacks, "feature")), ("host", NoHost, _of(NoHost, "path", "reason")),
    ("errno", OSError, _of(OSError, "errno", "strerror")))
