"""Which file a path opens: the answer to GET /v1/processes/{pid}/which."""

from typing import Any

from pydantic import Field

from mapsd_api.schemas.base import Base64, Device, EscapedPath, Model, Natural, Needs, Text, exact, example
from mapsd_api.schemas.parts import (
    DIFF,
    DOCKER,
    LIBSSL,
    LOWER,
    ROOT,
    STEP,
    Backing,
    Contained,
    Evidence,
    Kernel,
    Mount,
    OfImage,
    OfProcess,
)
from mapsd_api.schemas.process import AS_OF, NGINX
from mapsd_api.schemas.words import Confidence, EntryKind, NameProof, Role, What

LINK = {"path": "/lib", "target": "usr/lib"}
PLACE = {"role": "lower", "index": 2, "path": DIFF, "certain": True}
FILE = {name: LIBSSL[name] for name in ("path", "device", "inode", "fs_type")}
HIDER = {"layer": {**PLACE, "role": "upper", "index": 0}, "path": "/usr/lib"}
MET: dict[str, Any] = {"what": "opens", "layer": PLACE, "path": "/usr/lib/libssl.so.3", "named": True, "kind": "file",
                       "file": FILE, "opaque": False, "redirect": None, "metacopy": False, "hidden_by": None,
                       "reason": None, "needs": None}
DESCENT = {"mount": ROOT, "path": "/usr/lib/libssl.so.3", "attributes_visible": True, "met": [MET]}
HANDLE = {"kind": "overlay-handle", "detail": "the overlay's handle names this file"}
MISSING = {"below": "/usr/lib", "name": "libgone.so.1"}
IN_IMAGE = {**LIBSSL, "layer": {**LOWER, **STEP}}
OPENED: dict[str, Any] = {
    "schema": "mapsd/v1", "process": NGINX, "kernel": {"release": "6.18.44"}, "as_of": AS_OF,
    "asked_path": "/lib/libssl.so.3", "exists": True, "kind": "file", "user_path": "/usr/lib/libssl.so.3",
    "host_path": None, "openable_path": "/proc/4242/root/usr/lib/libssl.so.3", "links": [LINK], "missing": None,
    "mount": ROOT, "backing": {**LIBSSL, "layer": LOWER}, "proof": "sole-candidate", "confidence": "proven",
    "evidence": [HANDLE], "reason": None, "needs": None, "overlays": [DESCENT], "skipped": []}


class SymbolicLink(Model):
    """A symbolic link that was followed."""

    model_config = example(LINK)

    path: EscapedPath = Field(description="The link")
    path_base64: Base64 = exact("path")
    target: EscapedPath = Field(description="Its text")
    target_base64: Base64 = exact("target")


class MissingName(Model):
    """Where a path that opens nothing ends."""

    model_config = example(MISSING)

    below: EscapedPath = Field(description="The longest part of the path that exists")
    below_base64: Base64 = exact("below")
    name: EscapedPath = Field(description="The name that is missing below it")
    name_base64: Base64 = exact("name")


class LayerPlace(OfImage):
    """The layer that an entry lies in."""

    model_config = example(PLACE, {**PLACE, **STEP})

    role: Role = Field(description="upper, lower or data (a data-only layer)")
    index: Natural = Field(description="0 is the upper, then the lowers from the topmost down, then data-only")
    path: EscapedPath | None = Field(description="The layer's directory; null where it was not found")
    path_base64: Base64 = exact("path")
    certain: bool = Field(description="Whether nothing speaks against the directory being the one that was mounted")


class EntryFile(Model):
    """The file of an entry, on its own filesystem; what is not established is null."""

    model_config = example(FILE)

    path: EscapedPath | None = Field(description="A path that opens it for the daemon now")
    path_base64: Base64 = exact("path")
    device: Device | None = Field(description="major:minor of its filesystem, in decimal")
    inode: Natural | None = Field(description="Its inode number: up to 64 bits")
    fs_type: Text | None = Field(description="The type of its filesystem")


class Hider(Model):
    """What hides an entry."""

    model_config = example(HIDER)

    layer: LayerPlace = Field(description="The layer that it lies in")
    path: EscapedPath = Field(description="Where it lies in the layer")
    path_base64: Base64 = exact("path")


class Entry(Model):
    """What lies in one layer at the name, or on the way to it."""

    model_config = example(MET)

    what: What = Field(
        description="What it is to the overlay: opens (its bytes are what the path opens), metacopy (the path has its "
                    "owner, mode and times), merged (a directory that takes part), whiteout (it hides the name below), "
                    "passed (a directory on the way whose attributes matter), blocked (no directory, on the way), "
                    "hidden (not seen), unknown")
    layer: LayerPlace = Field(description="The layer that it lies in")
    path: EscapedPath = Field(description="Where it lies in the layer")
    path_base64: Base64 = exact("path")
    named: bool = Field(description="Whether it lies at the name itself, and not on the way to it")
    kind: EntryKind | None = Field(description="What it is; null where the layer could not be asked")
    file: EntryFile | None = Field(description="The file itself")
    opaque: bool | None = Field(description="Whether it hides the layers below; null: attributes not known")
    redirect: EscapedPath | None = Field(description="Its name in the layers below, where that is another one")
    redirect_base64: Base64 = exact("redirect")
    metacopy: bool | None = Field(description="Whether it holds metadata only; null: attributes not known")
    hidden_by: Hider | None = Field(description="What hides it")
    reason: Text | None = Field(description="Why it is unknown")
    needs: Needs | None = Field(description="The capabilities of the daemon that would settle it")


class Descent(Model):
    """The way through the layers of one overlay."""

    model_config = example(DESCENT)

    mount: Mount = Field(description="The overlay")
    path: EscapedPath = Field(description="The name, relative to the overlay's root")
    path_base64: Base64 = exact("path")
    attributes_visible: bool = Field(description="Whether the overlay's attributes can be read; whatever hangs on them "
                                                 "is unknown otherwise")
    met: list[Entry] = Field(description="What was met, from the topmost layer down")


class Which(Contained, OfProcess):
    """Which file a path of a process opens, and what that hides."""

    model_config = example(OPENED, {**OPENED, "container": DOCKER, "backing": IN_IMAGE, "overlays": [{
        **DESCENT, "met": [{**MET, "layer": {**PLACE, **STEP}}]}]})

    kernel: Kernel = Field(description="The running kernel")
    asked_path: EscapedPath = Field(description="The path that was asked about")
    asked_path_base64: Base64 = exact("asked_path")
    exists: bool = Field(description="Whether the path opens something")
    kind: EntryKind | None = Field(description="What it opens; null: nothing")
    user_path: EscapedPath | None = Field(description="The path free of symbolic links; null where it opens nothing")
    user_path_base64: Base64 = exact("user_path")
    host_path: EscapedPath | None = Field(description="A path of the daemon's that reaches the same")
    host_path_base64: Base64 = exact("host_path")
    openable_path: EscapedPath | None = Field(description="The same below /proc/PID/root")
    openable_path_base64: Base64 = exact("openable_path")
    links: list[SymbolicLink] = Field(description="The symbolic links that were followed, in order")
    missing: MissingName | None = Field(description="Where a path that opens nothing ends")
    mount: Mount | None = Field(description="The mount it lies on, or would lie on")
    backing: Backing | None = Field(description="The file that holds the data; null for a directory, for nothing, and "
                                                "where it is not known")
    proof: NameProof | None = Field(description="The strongest observation behind the backing file")
    confidence: Confidence | None = Field(description="How sure the backing file is, from its proof")
    evidence: list[Evidence] = Field(description="What was observed")
    reason: Text | None = Field(description="Why it opens nothing, or what is not established")
    needs: Needs | None = Field(description="The capabilities of the daemon that would settle it")
    overlays: list[Descent] = Field(description="The way through the layers of each overlay crossed, outermost first")
