"""The names of a file that was named otherwise, as docs/schema/translate.json has them."""

from typing import Literal

from pydantic import Field

from mapsd_api.schemas.base import (
    Base64,
    Device,
    EscapedPath,
    Model,
    Moment,
    Natural,
    Needs,
    Positive,
    Text,
    exact,
    example,
)
from mapsd_api.schemas.parts import (
    DIFF,
    DOCKER,
    LIBSSL,
    LOWER,
    ROOT,
    Backing,
    Container,
    Evidence,
    Kernel,
    Mount,
    Skipped,
)
from mapsd_api.schemas.process import AS_OF, NGINX, Process
from mapsd_api.schemas.which import FILE, HANDLE, PLACE, EntryFile, LayerPlace
from mapsd_api.schemas.words import Confidence, HiderWhat, NameProof, NameWhat

UPPER = {"role": "upper", "index": 0, "path": "/var/lib/docker/overlay2/ab12/diff", "certain": True}
ASKED = {"path": f"{DIFF}/usr/lib/libssl.so.3", "inside": None, "device": None, "inode": None}
HIDER = {"what": "copied-up", "layer": UPPER, "path": "usr/lib/libssl.so.3", "mount": None}
VISIBLE = {"what": "visible", "user_path": "/usr/lib/libssl.so.3",
           "openable_path": "/proc/4242/root/usr/lib/libssl.so.3", "mount": ROOT, "file": FILE, "layer": PLACE,
           "inner_path": "usr/lib/libssl.so.3", "hidden_by": None, "backing": {**LIBSSL, "layer": LOWER},
           "proof": "sole-candidate", "confidence": "proven", "evidence": [HANDLE], "reason": None, "needs": None}
HIDDEN = {**VISIBLE, "what": "hidden", "openable_path": None, "hidden_by": HIDER, "backing": None, "proof": None,
          "confidence": None, "evidence": []}
VIEW = {"process": NGINX, "container": DOCKER, "pids": [4242, 4243], "names": [VISIBLE], "skipped": []}


class AskedFile(Model):
    """The file that was asked about: by one of three."""

    model_config = example(ASKED)

    path: EscapedPath | None = Field(description="A path on the daemon's host")
    path_base64: Base64 = exact("path")
    inside: EscapedPath | None = Field(description="A path inside a layer")
    inside_base64: Base64 = exact("inside")
    device: Device | None = Field(description="major:minor, in decimal")
    inode: Natural | None = Field(description="An inode number: up to 64 bits")


class NameHider(Model):
    """What keeps a name from opening a file."""

    model_config = example(HIDER)

    what: HiderWhat = Field(
        description="copied-up (the upper copy of the file), file, directory, whiteout, opaque, redirect (of a "
                    "directory on the way), blocked (no directory, on the way), mount (it covers the name)")
    layer: LayerPlace | None = Field(description="The layer that it lies in")
    path: EscapedPath | None = Field(description="Where it lies in the layer")
    path_base64: Base64 = exact("path")
    mount: Mount | None = Field(description="The mount that covers the name")


class FileName(Model):
    """A name, and what it has to do with the file."""

    model_config = example(VISIBLE, HIDDEN)

    what: NameWhat = Field(
        description="visible (the name opens this very file), metadata (it has the file's owner, mode and times), "
                    "hidden (it opens something else or nothing), unreachable (no mount of the process shows it), "
                    "unknown")
    user_path: EscapedPath | None = Field(description="What the process calls it; null where no name is known")
    user_path_base64: Base64 = exact("user_path")
    openable_path: EscapedPath | None = Field(description="The same below /proc/PID/root, where it opens the file")
    openable_path_base64: Base64 = exact("openable_path")
    mount: Mount | None = Field(description="The mount that the name lies on")
    file: EntryFile = Field(description="The file that is asked about")
    layer: LayerPlace | None = Field(description="The layer that it lies in; null for a file on no overlay, and for an "
                                                 "overlay's own")
    inner_path: EscapedPath | None = Field(description="Where it lies in its layer or filesystem")
    inner_path_base64: Base64 = exact("inner_path")
    hidden_by: NameHider | None = Field(description="What keeps the name from opening it; null where no name leads to "
                                                    "it")
    backing: Backing | None = Field(description="What the name opens now; null where that is nothing or not known")
    proof: NameProof | None = Field(description="The strongest observation behind what the name opens")
    confidence: Confidence | None = Field(description="How sure it is what the name opens, from its proof")
    evidence: list[Evidence] = Field(description="What was observed")
    reason: Text | None = Field(description="What is not established, or why there is no name")
    needs: Needs | None = Field(description="The capabilities of the daemon that would settle it")


class ProcessView(Model):
    """What the processes of one mount namespace and root call the file."""

    model_config = example(VIEW)

    process: Process = Field(description="The process that was asked")
    container: Container | None = Field(description="The container it runs in; null where none is known, where there "
                                                    "are no names, and where it was not asked for")
    pids: list[Positive] = Field(min_length=1, description="All that have its mount namespace and root and may be "
                                                           "seen, itself included")
    names: list[FileName] = Field(description="Its names, and those that would be its")
    skipped: list[Skipped] = Field(description="What was not looked through, so that names may be missing")


class Translation(Model):
    """By which names processes open a file."""

    model_config = example({"schema": "mapsd/v1", "kernel": {"release": "6.18.44"}, "as_of": AS_OF,
                            "asked": ASKED, "views": [VIEW]})

    schema_: Literal["mapsd/v1"] = Field(alias="schema", description="The version of the contract")
    kernel: Kernel = Field(description="The running kernel")
    as_of: Moment = Field(description="When it was asked, UTC")
    asked: AskedFile = Field(description="The file that was asked about")
    views: list[ProcessView] = Field(description="One for each mount namespace and root")
