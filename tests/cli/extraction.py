"""What `mapsd extract --json` prints, as an assertion."""

import json
from functools import cache

from jsonschema_rs import Draft202012Validator, Registry

from tests import schema
from tests.cli.command import CHECKOUT


@cache
def validator() -> Draft202012Validator:
    named = [json.loads((CHECKOUT / f"docs/schema/{name}.json").read_text()) for name in ("lookup", "extract")]
    return Draft202012Validator(named[1], registry=Registry([(one["$id"], one) for one in named]))


def validate(found: dict) -> dict:
    """Return an extraction, or fail with every place where it breaks the contract."""
    wrong = [f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in validator().iter_errors(found)]
    wrong += [f"{where}: {what}" for where, what in schema.unfaithful(found, "$")]
    if what := schema.mistake(found["output"] or "", found.get("output_base64")):
        wrong.append(f"output: {what}")
    assert not wrong, "\n".join(wrong)
    return found
