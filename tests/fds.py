"""What `mapsd fds --json` prints, as an assertion."""

import json
from functools import cache
from pathlib import Path

from jsonschema_rs import Draft202012Validator, Registry

from mapsd import fds
from mapsd.views.openfiles import as_object
from tests import schema

SCHEMAS = Path(__file__).resolve().parent.parent / "docs/schema"


@cache
def validator() -> Draft202012Validator:
    named = [json.loads((SCHEMAS / f"{name}.json").read_text()) for name in ("lookup", "fds")]
    return Draft202012Validator(named[1], registry=Registry([(one["$id"], one) for one in named]))


def validate(answer: dict) -> dict:
    """Return the answer of one process, or fail with every place where it breaks the contract."""
    wrong = [f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in validator().iter_errors(answer)]
    wrong += [f"{where}: {what}" for where, what in schema.unfaithful(answer, "$")]
    assert not wrong, "\n".join(wrong)
    return answer


def answered(pid: int, proof: str = "auto") -> dict:
    """Return the library's answer as JSON that keeps the contract."""
    return validate(json.loads(json.dumps(as_object(fds(pid, proof)))))
