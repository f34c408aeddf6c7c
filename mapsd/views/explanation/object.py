"""Answers and their explanations as JSON."""

from mapsd.model import ProcessAnswer
from mapsd.views.explanation import explain
from mapsd.views.render import JsonObject, as_json


def as_object(answer: ProcessAnswer) -> JsonObject:
    """Return the object of docs/schema/explain.json: that of a lookup, each mapping with its explanation."""
    whole = as_json(answer)
    mappings = whole["mappings"] if isinstance(whole["mappings"], list) else []
    for mapping, found in zip(answer.mappings, mappings, strict=True):
        found["explanation"] = [{"step": step.name, "text": step.text} for step in explain(answer, mapping)]
    return whole
