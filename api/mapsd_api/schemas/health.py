"""Whether the daemon lives, and whether it answers."""

from typing import Literal

from pydantic import Field

from mapsd_api.schemas.base import Model, Text, example


class Health(Model):
    """The daemon lives."""

    model_config = example({"status": "alive", "version": "0.1.0"})

    status: Literal["alive"] = Field(description="Always alive: a daemon that is not does not answer")
    version: Text = Field(description="The daemon's version")


class Readiness(Model):
    """The daemon answers questions; while it does not, it answers 503."""

    model_config = example({"status": "ready"})

    status: Literal["ready"] = Field(description="Always ready: while it is not, the answer is a problem")
