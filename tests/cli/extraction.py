"""What `mapsd extract --json` prints, as an assertion."""

from tests import schema


def validate(found: dict) -> dict:
    """Return an extraction, or fail with every place where it breaks the contract."""
    wrong = schema.breaches("extract", found)
    if what := schema.mistake(found["output"] or "", found.get("output_base64")):
        wrong.append(f"output: {what}")
    assert not wrong, "\n".join(wrong)
    return found
