"""The containers that run."""

from typing import Literal

from pydantic import Field

from mapsd_api.schemas.base import Base64, Digest, EscapedPath, Model, Moment, Natural, Positive, Text, exact, example
from mapsd_api.schemas.parts import DIFF, DOCKER, SKIPPED, STEP, Container, Skipped
from mapsd_api.schemas.process import AS_OF

LAYER = {**STEP, "path": DIFF}
RUNNING = {**DOCKER, "pids": [4242, 4243], "layers": [LAYER], "layers_reason": None}


class ImageLayer(Model):
    """One layer of an image; what is not established is null."""

    model_config = example(LAYER)

    digest: Digest | None = Field(description="The digest that a registry has it by")
    diff_id: Digest | None = Field(description="The digest of its files")
    position: Positive = Field(description="Its place in the image, counted from the base, 1")
    step: Text | None = Field(description="The step of the image's build that made it")
    path: EscapedPath = Field(description="The directory of its files, as the daemon names it")
    path_base64: Base64 = exact("path")


class RunningContainer(Container):
    """A container that runs."""

    model_config = example(RUNNING)

    pids: list[Positive] = Field(min_length=1, description="Its processes that you may see, by their start")
    layers: list[ImageLayer] = Field(description="The layers of its image, the base first")
    layers_reason: Text | None = Field(description="What is missing of the layers, and why")


class Containers(Model):
    """The containers of the processes that the asker may see."""

    model_config = example({"schema": "mapsd/v1", "as_of": AS_OF, "containers": [RUNNING],
                            "skipped": [{**SKIPPED, "what": "4244"}], "gone": 0, "denied": 0})

    schema_: Literal["mapsd/v1"] = Field(alias="schema", description="The version of the contract")
    as_of: Moment = Field(description="When the answer was made, UTC")
    containers: list[RunningContainer] = Field(description="The containers")
    skipped: list[Skipped] = Field(description="Processes of which it is not established whether they are in one")
    gone: Natural = Field(description="How many processes exited meanwhile")
    denied: Natural = Field(description="How many processes the daemon itself may not read")
