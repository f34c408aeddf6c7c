"""What several answers have: mounts, layer files, evidence, what was skipped."""

from typing import Literal

from pydantic import Field

from mapsd_api.schemas.base import (
    Base64,
    Device,
    Digest,
    EscapedPath,
    Model,
    Moment,
    Natural,
    Positive,
    Text,
    absent,
    exact,
    example,
)
from mapsd_api.schemas.process import Process
from mapsd_api.schemas.words import Role, Shows

ROOT = {"id": 612, "device": "0:48", "fs_type": "overlay", "mount_point": "/"}
DIFF = "/var/lib/docker/overlay2/9f3ed0c2/diff"
LOWER = {"role": "lower", "index": 2, "path": DIFF, "digest": None}
LIBSSL = {"path": f"{DIFF}/usr/lib/libssl.so.3", "device": "254:0", "inode": 131, "fs_type": "ext4", "layer": LOWER}
FRAME = {"kind": "page-frame", "detail": "page 3 is frame 0x1c6fb3 in both"}
KERNEL = {"release": "6.18.44", "shows": "overlay-inode"}
SKIPPED = {"what": "mountinfo", "reason": "Permission denied", "needs": "CAP_SYS_PTRACE"}
IMAGE = "sha256:0f8e4b9d1c2a3e5f6789abcdef0123456789abcdef0123456789abcdef012345"
DOCKER = {"engine": "docker", "id": "3f0c9a51d2e4", "name": "web", "image": "nginx:1.27", "image_id": IMAGE,
          "image_digest": None, "pod": None, "namespace": None, "reason": "the image has no digest of one registry"}
STEP = {"digest": None, "diff_id": IMAGE, "position": 3, "step": "RUN apt-get install -y libssl3"}


class Mount(Model):
    """A mount of the process's mount namespace. See proc_pid_mountinfo(5)."""

    model_config = example(ROOT)

    id: Natural = Field(description="The mount's id")
    device: Device = Field(description="major:minor of its superblock, in decimal")
    fs_type: Text = Field(description="The type of the filesystem")
    mount_point: EscapedPath | None = Field(description="Where it is mounted, below the process's root")
    mount_point_base64: Base64 = exact("mount_point")


class OfImage(Model):
    """Which layer of its image a layer is, only where that was asked for and is known."""

    model_config = example(STEP)

    digest: Digest | None = absent("The digest that a registry has the image's layer by")
    diff_id: Digest | None = absent("The digest of the layer's files")
    position: Positive = absent("Which layer of the image it is, counted from the base, 1")
    step: Text | None = absent("The step of the image's build that made it")


class Layer(Model):
    """The layer of an overlay that a file lies in; what is not established is null."""

    model_config = example(LOWER)

    role: Role | None = Field(description="upper, lower or data (a data-only layer)")
    index: Natural | None = Field(description="0 is the upper, then the lowers from the topmost down, then data-only")
    path: EscapedPath | None = Field(description="The layer's directory, as the daemon opens it")
    path_base64: Base64 = exact("path")
    digest: Digest | None = Field(description="The digest that a registry has the image's layer by")
    diff_id: Digest | None = absent("The digest of the layer's files, only where it is known to be an image's layer")
    position: Positive = absent("Which layer of the image that is, counted from the base, 1")
    step: Text | None = absent("The step of the image's build that made it")


class LayerFile(Model):
    """A file on its own filesystem; what is not established is null."""

    model_config = example(LIBSSL)

    path: EscapedPath | None = Field(description="A path that opens it for the daemon now; null where it has none")
    path_base64: Base64 = exact("path")
    device: Device | None = Field(description="major:minor of its filesystem, in decimal")
    inode: Natural | None = Field(description="Its inode number: up to 64 bits, more than a JavaScript number keeps")
    fs_type: Text | None = Field(description="The type of its filesystem")
    layer: Layer | None = Field(description="The layer that it lies in; null for a file on no overlay")


class Backing(LayerFile):
    """The file that holds the data."""

    model_config = example(LIBSSL, {
        **LIBSSL, "metadata": {**LIBSSL, "path": "/var/lib/docker/overlay2/ab12/diff/usr/lib/libssl.so.3", "inode": 907,
                               "layer": {**LOWER, "role": "upper", "index": 0}}})

    through: "list[Backing]" = absent("Under a nested overlay, the file of each overlay crossed, outermost first",
                                      min_length=1)
    metadata: LayerFile = absent("The file that holds the metadata, where that is another one (metacopy)")


class Evidence(Model):
    """One observation that was made for an answer."""

    model_config = example(FRAME)

    kind: Text = Field(description="What was observed")
    detail: Text = Field(description="What was seen; words and punctuation may change")


class Skipped(Model):
    """A part of the process that could not be read."""

    model_config = example(SKIPPED)

    what: Text = Field(description="The part")
    reason: Text = Field(description="Why it could not be read")
    needs: Text | None = Field(description="The capability that the daemon lacks; null where none would help")


class Kernel(Model):
    """The running kernel."""

    model_config = example({"release": "6.18.44"})

    release: Text = Field(description="Its release, as uname(2) has it")


class ShowingKernel(Kernel):
    """The running kernel, and what it prints of a file on an overlay."""

    model_config = example(KERNEL)

    shows: Shows | None = Field(description="Whose device and inode maps shows; null: not established from this answer")


class Container(Model):
    """The container that a process runs in."""

    model_config = example(DOCKER)

    engine: Text | None = Field(description="The container engine; null: none is known to have made it")
    id: Text | None = Field(description="The engine's id of the container")
    name: Text | None = Field(description="Its name")
    image: Text | None = Field(description="The image's name that it was made from")
    image_id: Digest | None = Field(description="The digest of the image's configuration")
    image_digest: Digest | None = Field(description="The digest of the image's manifest or index")
    pod: Text | None = Field(description="Its pod, Kubernetes' or the engine's own")
    namespace: Text | None = Field(description="The pod's Kubernetes namespace")
    reason: Text | None = Field(description="Why something of it is null")


class Contained(Model):
    """What an answer about overlays has of the container."""

    model_config = example({"container": DOCKER})

    container: Container = absent("The engine's container that the process is known to be in, only where it was asked "
                                  "for (container=true)")


class OfProcess(Model):
    """What every answer about one process begins with."""

    schema_: Literal["mapsd/v1"] = Field(alias="schema", description="The version of the contract")
    process: Process = Field(description="The process that was asked about")
    as_of: Moment = Field(description="When the answer was made, UTC: every answer is asked fresh of the kernel")
    skipped: list[Skipped] = Field(description="What of the process could not be read")
