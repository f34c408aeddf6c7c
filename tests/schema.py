"""The published schema as an assertion, and the rule of escaped paths that a schema cannot say."""

import base64
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from jsonschema_rs import Draft202012Validator, Registry

from mapsd import lookup
from mapsd.views import render

SCHEMAS = Path(__file__).resolve().parent.parent / "docs/schema"
PATHS = {"name", "exe", "root", "path", "user_path", "host_path", "openable_path", "mount_point", "store"}


@cache
def validator(name: str = "lookup") -> Draft202012Validator:
    """Return what checks against a published schema, which may refer to those of a lookup and of a name."""
    named = [json.loads((SCHEMAS / f"{one}.json").read_text()) for one in ("lookup", "which", name)]
    return Draft202012Validator(named[-1], registry=Registry([(one["$id"], one) for one in named]))


def broken(name: str, answer: dict) -> list[str]:
    """Return every place where an answer breaks its schema."""
    return [f"{'/'.join(map(str, error.instance_path))}: {error.message}"
            for error in validator(name).iter_errors(answer)]


def breaches(name: str, answer: dict) -> list[str]:
    """Return every place where an answer breaks the contract: its schema, and the rule of escaped paths."""
    return [*broken(name, answer), *(f"{where}: {what}" for where, what in unfaithful(answer, "$"))]


def validate(answer: dict, name: str = "lookup") -> dict:
    """Return the answer of one process, or fail with every place where it breaks the contract."""
    wrong = breaches(name, answer)
    assert not wrong, "\n".join(wrong)
    return answer


def unfaithful(part: object, where: str) -> Iterator[tuple[str, str]]:
    """Yield each path whose text and exact bytes disagree."""
    if isinstance(part, list):
        for number, one in enumerate(part):
            yield from unfaithful(one, f"{where}[{number}]")
    if isinstance(part, dict):
        for name, value in part.items():
            if name in PATHS and isinstance(value, str) and (what := mistake(value, part.get(f"{name}_base64"))):
                yield f"{where}.{name}", what
            yield from unfaithful(value, f"{where}.{name}")


def mistake(text: str, encoded: str | None) -> str:
    """Return what is wrong with a path and its sibling, empty where nothing is."""
    if encoded is None:
        return "escaped without its exact bytes" if "\\" in text else ""
    if "\\" not in text:
        return "exact bytes of a path that is verbatim"
    return "" if unescaped(text) == base64.b64decode(encoded, validate=True) else "the exact bytes are another path's"


def unescaped(text: str) -> bytes:
    r"""Return the bytes that an escaped path stands for: `\\` and `\xHH` undone."""
    def unit(match: re.Match[bytes]) -> bytes:
        return b"\\" if match[0] == rb"\\" else bytes.fromhex(match[1].decode())
    return re.sub(rb"\\(?:\\|x([0-9a-f]{2}))", unit, text.encode())


def answered(pid: int, proof: str = "auto") -> dict:
    """Return the library's answer as JSON that keeps the contract."""
    return validate(json.loads(json.dumps(render.as_json(lookup(pid, proof)))))
