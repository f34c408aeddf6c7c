"""What this machine lets the caller establish, as a JSON object. No raw control byte leaves here."""

from mapsd.model.diagnosis import Diagnosis, Finding
from mapsd.views.render import JsonObject, escaped


def as_json(found: Diagnosis) -> JsonObject:
    """Return the object that docs/schema/doctor.json describes."""
    held = found.capabilities
    return {
        "schema": "mapsd/v1",
        "kernel": {"release": _text(found.release), "shows": found.shows},
        "capabilities": {"held": list(held.held), "missing": list(held.missing),
                         "initial_user_namespace": held.initial},
        "proofs": [_finding(one) for one in found.proofs],
        "findings": [_finding(one) for one in found.findings],
    }


def _finding(one: Finding) -> JsonObject:
    return {"name": _text(one.name), "works": one.works, "detail": _text(one.detail),
            "needs": list(one.needs) or None, "advice": _text(one.advice) or None}


def _text(words: str) -> str:
    return escaped(words.encode("utf-8", "surrogateescape"))
