"""What went wrong, as application/problem+json. See RFC 9457."""

from typing import Literal

from pydantic import Field

from mapsd_api.schemas.base import Model, Needs, Text, absent, example

Status = Literal[400, 401, 403, 404, 405, 410, 413, 421, 500, 501, 503]
INVALID = {"where": "query.proof", "what": "Input should be 'auto', 'lookup', 'page-frame', 'build-id' or 'bpf'"}


class InvalidPart(Model):
    """A part of a question that was not understood."""

    model_config = example(INVALID)

    where: Text = Field(description="The part: path, query or body, and its name in it")
    what: Text = Field(description="What is wrong with it")


class Problem(Model):
    """A question that was not answered. A process that may not be seen is absent, in every byte."""

    model_config = example(
        {"type": "urn:mapsd:problem:absent", "title": "There is no such process, or none that you may see",
         "status": 404, "detail": "4242: no such process"},
        {"type": "urn:mapsd:problem:invalid", "title": "The question was not understood", "status": 400,
         "detail": "query.proof was not understood", "errors": [INVALID]})

    type: str = Field(pattern="^urn:mapsd:problem:[a-z-]+$", description="The kind of the problem, for programs")
    title: Text = Field(description="The same in words, for readers")
    status: Status = Field(description="The response's status")
    detail: Text = Field(description="One sentence about this very case")
    errors: list[InvalidPart] = absent("The parts of the question that were not understood", min_length=1)
    needs: Needs = absent("The capabilities that the daemon lacks")
