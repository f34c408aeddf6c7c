"""The overlays that a process sees: the answer to GET /v1/processes/{pid}/layers."""

from typing import Any

from pydantic import Field

from mapsd_api.schemas.base import Base64, Device, EscapedPath, Model, Natural, Needs, Text, exact, example
from mapsd_api.schemas.parts import DIFF, DOCKER, ROOT, STEP, Contained, Kernel, Mount, OfImage, OfProcess
from mapsd_api.schemas.process import AS_OF, NGINX
from mapsd_api.schemas.words import Role

DIRECTORY = {"path": DIFF, "openable_path": None, "device": "254:0", "inode": 131072, "fs_type": "ext4"}
LAYER: dict[str, Any] = {"role": "lower", "index": 1, "text": "/var/lib/docker/overlay2/l/ABCD", "directory": DIRECTORY,
                         "certain": True, "reachable": True, "reason": None, "needs": None, "overlay": None}
OPTION = {"name": "metacopy", "value": "off", "printed": False,
          "meaning": "a change of owner or mode copies the data up as well"}
WORK = {"text": "/var/lib/docker/overlay2/ab12/work", "directory": None}
OVERLAY: dict[str, Any] = {"mount": ROOT, "covered": False, "options": [OPTION], "work": WORK, "layers": [LAYER]}
WHOLE: dict[str, Any] = {"schema": "mapsd/v1", "process": NGINX, "kernel": {"release": "6.18.44"}, "as_of": AS_OF,
                         "overlays": [OVERLAY], "unions": [], "skipped": []}


class Directory(Model):
    """A directory that the daemon can open."""

    model_config = example(DIRECTORY)

    path: EscapedPath | None = Field(description="A path of the daemon's that opens it; null where only the process's "
                                                 "root leads there")
    path_base64: Base64 = exact("path")
    openable_path: EscapedPath | None = Field(description="A path below /proc/PID/root that opens it")
    openable_path_base64: Base64 = exact("openable_path")
    device: Device = Field(description="major:minor in decimal")
    inode: Natural = Field(description="Its inode number: up to 64 bits")
    fs_type: Text | None = Field(description="The type of its filesystem; null where it is not known")


class WorkDirectory(Model):
    """The work directory of an overlay that has an upper layer."""

    model_config = example(WORK)

    text: EscapedPath = Field(description="As mounted")
    text_base64: Base64 = exact("text")
    directory: Directory | None = Field(description="What the text names now; null where nothing was found")


class MountOption(Model):
    """An option of an overlay mount, in words."""

    model_config = example(OPTION)

    name: Text = Field(description="The option")
    value: str | None = Field(description="Empty for an option without one; null for a default that cannot be read")
    printed: bool = Field(description="Whether the kernel printed it: it leaves out what is its default")
    meaning: Text | None = Field(description="What it does; null for an option that mapsd does not know")


class OverlayLayer(OfImage):
    """One layer: the text it was mounted with, and what is known of its directory."""

    model_config = example(LAYER, {**LAYER, **STEP})

    role: Role = Field(description="upper, lower or data (a data-only layer)")
    index: Natural = Field(description="0 is the upper, then the lowers from the topmost down, then data-only")
    text: EscapedPath = Field(description="As mounted")
    text_base64: Base64 = exact("text")
    directory: Directory | None = Field(description="What the text names now; null where nothing was found")
    certain: bool | None = Field(description="Whether it is the very directory that was mounted; null: none was found")
    reachable: bool = Field(description="Whether the daemon can look up files in it")
    reason: Text | None = Field(description="What stands in the way of certain or reachable")
    needs: Needs | None = Field(description="The capabilities of the daemon that would help")
    overlay: "Overlay | None" = Field(description="The overlay on which the directory lies")


class Overlay(Model):
    """One overlay mount and its layers."""

    model_config = example(OVERLAY)

    mount: Mount = Field(description="The mount, as the process's table has it")
    covered: bool | None = Field(description="Whether the mount point leads to another mount; null where it cannot be "
                                             "looked up, and for an overlay that is another one's layer")
    options: list[MountOption] = Field(description="Its options, those that are not printed included")
    work: WorkDirectory | None = Field(description="Its work directory; null without an upper layer")
    layers: list[OverlayLayer] = Field(min_length=1, description="Its layers, in the order of lookup")


class Layers(Contained, OfProcess):
    """The overlays that a process sees."""

    model_config = example(WHOLE, {**WHOLE, "container": DOCKER,
                                   "overlays": [{**OVERLAY, "layers": [{**LAYER, **STEP}]}]})

    kernel: Kernel = Field(description="The running kernel")
    overlays: list[Overlay] = Field(description="In the order of the process's mount table")
    unions: list[Mount] = Field(description="Mounts of servers that merge layers outside the kernel: those layers are "
                                            "not known")
