"""Explanations: the answer to GET /v1/processes/{pid}/explain."""

from typing import Annotated, Any

from pydantic import Field

from mapsd_api.schemas.base import Model, Text, Word, example
from mapsd_api.schemas.mapping import COPIED_UP, WHOLE, Mapping, OfMappings
from mapsd_api.schemas.words import Step

STEPS: list[dict[str, Any]] = [
    {"step": "shown", "title": "What the kernel printed",
     "text": "The line is: - 7f0c1c000000-7f0c1c026000 r--p 00000000 00:30 131 /usr/lib/libssl.so.3",
     "paragraphs": [["The", "line", "is:"],
                    ["-", "7f0c1c000000-7f0c1c026000 r--p 00000000 00:30 131 /usr/lib/libssl.so.3"]]},
    {"step": "proof", "title": "What told which one it is", "text": "Page frames were compared.",
     "paragraphs": [["Page", "frames", "were", "compared."]]},
    {"step": "verdict", "title": "The answer",
     "text": "copied-up: memory holds the lower file, and /usr/lib/libssl.so.3 opens the upper copy.",
     "paragraphs": [["copied-up:", "memory", "holds", "the", "lower", "file,", "and", "/usr/lib/libssl.so.3", "opens",
                     "the", "upper", "copy."]]}]
EXPLAINED = {**COPIED_UP, "explanation": STEPS}


class ExplanationStep(Model):
    """One step of an explanation."""

    model_config = example(STEPS[0])

    step: Step = Field(description="Which step it is")
    title: Text = Field(description="Its heading; words may change")
    text: Text = Field(description="Sentences; `- ` begins an item of a list. Words and punctuation may change")
    paragraphs: list[Annotated[list[Word], Field(min_length=1)]] = Field(
        description="The same as words between which a line may be broken: a path is one word. Where the first is `-` "
                    "it is an item of a list")


class ExplainedMapping(Mapping):
    """One mapping, and how its answer was reached."""

    model_config = example(EXPLAINED)

    explanation: list[ExplanationStep] = Field(min_length=3, description="The steps, in order")


class Explanation(OfMappings):
    """Mappings of one process, each with its explanation."""

    model_config = example({**WHOLE, "mappings": [EXPLAINED]})

    mappings: list[ExplainedMapping] = Field(description="The mappings that were asked for")
