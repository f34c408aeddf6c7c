"""The published schemas of `mapsd layers` and `mapsd which` as assertions, with the rule of escaped paths."""

import json
from collections.abc import Iterator

from mapsd import layers, which
from mapsd.views import overlayjson
from tests.schema import broken, mistake


def valid(name: str, answer: dict) -> dict:
    """Return an answer, or fail with every place where it breaks its schema."""
    wrong = [*broken(name, answer), *unfaithful(answer, "$")]
    assert not wrong, "\n".join(wrong)
    return answer


def unfaithful(part: object, where: str) -> Iterator[str]:
    """Yield each path whose text and exact bytes disagree."""
    if isinstance(part, list):
        for number, one in enumerate(part):
            yield from unfaithful(one, f"{where}[{number}]")
    if isinstance(part, dict):
        for name, value in part.items():
            if f"{name}_base64" in part and (what := mistake(value, part[f"{name}_base64"])):
                yield f"{where}.{name}: {what}"
            yield from unfaithful(value, f"{where}.{name}")


def of_layers(pid: int) -> dict:
    """Return the library's answer as JSON that keeps the schema."""
    return valid("layers", json.loads(json.dumps(overlayjson.layers_object(layers(pid)))))


def of_which(pid: int, path: bytes) -> dict:
    """Return the library's answer as JSON that keeps the schema."""
    return valid("which", json.loads(json.dumps(overlayjson.which_object(which(pid, path)))))
