"""Explanations: the answer to GET /v1/processes/{pid}/explain."""

from pydantic import Field

from mapsd_api.schemas.base import Model, Text, example
from mapsd_api.schemas.mapping import COPIED_UP, WHOLE, Mapping, OfMappings
from mapsd_api.schemas.words import Step

STEPS = [
    {"step": "shown", "text": "The line of maps: 7f0c1c000000-7f0c1c026000 r--p 00000000 00:30 131 "
                              "/usr/lib/libssl.so.3"},
    {"step": "candidates", "text": "The file was copied up. The mapping holds the lower file if it was made before, "
                                   "the upper copy if it was made after:"},
    {"step": "verdict", "text": "copied-up: memory holds the lower file, proven by page frames, and "
                                "/usr/lib/libssl.so.3 opens the upper copy that was made since."}]
EXPLAINED = {**COPIED_UP, "explanation": STEPS}


class ExplanationStep(Model):
    """One step of an explanation."""

    model_config = example(STEPS[0])

    step: Step = Field(description="Which step it is")
    text: Text = Field(description="Sentences; `- ` begins an item of a list. Words and punctuation may change")


class ExplainedMapping(Mapping):
    """One mapping, and how its answer was reached."""

    model_config = example(EXPLAINED)

    explanation: list[ExplanationStep] = Field(min_length=3, description="The steps, in order")


class Explanation(OfMappings):
    """Mappings of one process, each with its explanation."""

    model_config = example({**WHOLE, "mappings": [EXPLAINED]})

    mappings: list[ExplainedMapping] = Field(description="The mappings that were asked for")
