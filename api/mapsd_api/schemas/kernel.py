"""What the machine lets the daemon establish: the answer to GET /v1/kernel."""

from typing import Annotated, Literal

from pydantic import Field

from mapsd_api.schemas.base import Model, Text, example
from mapsd_api.schemas.parts import KERNEL, ShowingKernel

Capability = Literal["CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_PERFMON", "CAP_BPF",
                     "CAP_CHECKPOINT_RESTORE"]
HELD = {"held": ["CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE", "CAP_CHECKPOINT_RESTORE"],
        "missing": ["CAP_SYS_ADMIN", "CAP_PERFMON", "CAP_BPF"], "initial_user_namespace": True}
FRAMES = {"name": "page-frame", "works": False, "detail": "pagemap shows no frame numbers", "needs": ["CAP_SYS_ADMIN"],
          "advice": "run as root, or give CAP_SYS_ADMIN"}
LINKS = {"name": "map-files", "works": True, "detail": "map_files links can be followed", "needs": None, "advice": None}


class Capabilities(Model):
    """The capabilities that mapsd can use. See capabilities(7)."""

    model_config = example(HELD)

    held: list[Capability] = Field(description="Those that the daemon has")
    missing: list[Capability] = Field(description="Those that it lacks")
    initial_user_namespace: bool = Field(
        description="Whether the daemon is in the initial user namespace: elsewhere no capability counts")


class Tried(Model):
    """What came of a trial."""

    works: bool | None = Field(description="Whether it works; null: not established, detail says why")
    detail: Text = Field(description="What was seen")
    needs: Annotated[list[Capability], Field(min_length=1)] | None = Field(
        description="The capabilities that are missing; null where none is or none would help")
    advice: Text | None = Field(description="What to do about it")


class ProofFinding(Tried):
    """Whether one means of proof works."""

    model_config = example(FRAMES)

    name: Literal["kernel-inode", "bpf", "page-frame", "build-id", "lookup"] = Field(description="The means of proof")


class MachineFinding(Tried):
    """Whether something else that answers hang on works."""

    model_config = example(LINKS)

    name: Literal["shows", "processes", "hidepid", "memory", "map-files", "layers", "file-handles", "host"] = Field(
        description="What was tried")


class Diagnosis(Model):
    """What the kernel and the daemon's capabilities let the daemon establish, as it found when it started."""

    model_config = example({"schema": "mapsd/v1", "kernel": KERNEL, "capabilities": HELD, "proofs": [FRAMES],
                            "findings": [LINKS]})

    schema_: Literal["mapsd/v1"] = Field(alias="schema", description="The version of the contract")
    kernel: ShowingKernel = Field(description="The running kernel")
    capabilities: Capabilities = Field(description="The daemon's capabilities")
    proofs: list[ProofFinding] = Field(description="The means of proof")
    findings: list[MachineFinding] = Field(description="What else answers hang on")
