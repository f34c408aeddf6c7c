"""Answers and their explanations as JSON."""

from mapsd.light import Callable, Sequence
from mapsd.model import Answer, ProcessAnswer
from mapsd.views.explanation import Step, explain
from mapsd.views.render import JsonObject, as_json

Explain = Callable[[ProcessAnswer, Answer], Sequence[Step]]


def as_object(answer: ProcessAnswer, explained: Explain = explain) -> JsonObject:
    """Return the object of docs/schema/explain.json: that of a lookup, each mapping as it is *explained*."""
    whole = as_json(answer)
    mappings = whole["mappings"] if isinstance(whole["mappings"], list) else []
    for mapping, found in zip(answer.mappings, mappings, strict=True):
        found["explanation"] = [_step(step) for step in explained(answer, mapping)]
    return whole


def _step(step: Step) -> JsonObject:
    return {"step": step.name, "title": step.title, "text": step.text, "paragraphs": list(map(list, step.paragraphs))}
