"""Mappings of one process: the answer to GET /v1/processes/{pid}/mappings in its forms."""

from typing import Any

from pydantic import Field

from mapsd_api.schemas.base import (
    Address,
    Base64,
    Device,
    EscapedPath,
    Model,
    Natural,
    Needs,
    Selected,
    Text,
    absent,
    exact,
    example,
)
from mapsd_api.schemas.package import SAME, Package
from mapsd_api.schemas.parts import FRAME, KERNEL, LIBSSL, ROOT, Backing, Container, Evidence, Mount, OfProcess
from mapsd_api.schemas.parts import ShowingKernel as Kernel
from mapsd_api.schemas.process import AS_OF, NGINX
from mapsd_api.schemas.words import Confidence, Kind, Proof, State

RANGE = {"start": "0x7f0c1c000000", "end": "0x7f0c1c026000", "perms": "r--p", "offset": 0}
SHOWN = {"path": "/usr/lib/libssl.so.3", "device": "0:48", "inode": 131}
FOUND: dict[str, Any] = {
    "kind": "file", "shown": SHOWN, "user_path": "/usr/lib/libssl.so.3",
    "host_path": "/var/lib/docker/overlay2/ab12/merged/usr/lib/libssl.so.3",
    "openable_path": "/proc/4242/root/usr/lib/libssl.so.3", "mount": ROOT, "backing": LIBSSL, "state": "copied-up",
    "confidence": "proven", "proof": "page-frame", "evidence": [FRAME], "build_id": None, "reason": None, "needs": None}
COPIED_UP: dict[str, Any] = {**RANGE, **FOUND}
WHOLE: dict[str, Any] = {"schema": "mapsd/v1", "process": NGINX, "container": None, "kernel": KERNEL, "as_of": AS_OF,
                         "skipped": []}


class Range(Model):
    """The addresses of a mapping. See proc_pid_maps(5)."""

    model_config = example(RANGE)

    start: Address = Field(description="Its first address, hexadecimal: a string, since it may pass 2^53")
    end: Address = Field(description="The address after its last one")
    perms: str = Field(pattern="^[r-][w-][x-][sp]$", description="Read, write, execute, shared or private")
    offset: Natural = Field(description="Where it begins in the file, in bytes")


class Shown(Model):
    """What the kernel printed: a claim, not an answer."""

    model_config = example(SHOWN)

    path: EscapedPath = Field(description="The text of the line, empty for an anonymous mapping")
    path_base64: Base64 = exact("path")
    device: Device = Field(description="major:minor in decimal")
    inode: Natural = Field(description="The inode number printed: up to 64 bits")


class Found(Model):
    """What is known of the file behind a mapping; for what is no file, user_path, backing and state are null."""

    model_config = example(FOUND)

    kind: Kind = Field(description="What is mapped")
    shown: Shown = Field(description="What the kernel printed: a claim, not an answer")
    user_path: EscapedPath | None = Field(description="What the process calls the file; null where not established")
    user_path_base64: Base64 = exact("user_path")
    host_path: EscapedPath | None = Field(description="A path of the daemon's that reaches the user path's file")
    host_path_base64: Base64 = exact("host_path")
    openable_path: EscapedPath | None = Field(description="The same below /proc/PID/root")
    openable_path_base64: Base64 = exact("openable_path")
    mount: Mount | None = Field(description="The mount that the file was mapped through")
    backing: Backing | None = Field(description="The file that holds the data; null where it is not known")
    state: State | None = Field(description="Whether the user path still opens this very data")
    confidence: Confidence | None = Field(description="How sure the backing file is, from its proof")
    proof: Proof | None = Field(description="The strongest observation behind the backing file")
    evidence: list[Evidence] = Field(description="What was observed")
    build_id: str | None = Field(pattern="^([0-9a-f]{2})+$", description="The mapped file's build id, where asked for")
    reason: Text | None = Field(description="What stood in the way, where something is not established")
    needs: Needs | None = Field(description="What would settle it: capabilities of the daemon, mostly")
    package: Package | None = absent("The package of the bytes, only where it was asked for (packages=true); null for "
                                     "what is no file")


class Mapping(Found, Range):
    """One mapping: what the process calls the file, which file holds the bytes, and whether the two still agree."""

    model_config = example(COPIED_UP, {**COPIED_UP, "package": SAME})


class MappedFile(Found):
    """One mapped file, and every mapping of it that has the same answer (files=true)."""

    model_config = example({"mappings": [RANGE], **FOUND})

    mappings: list[Range] = Field(min_length=1, description="The mappings of this file")


class SelectedMapping(Mapping, Selected):
    """One mapping, with the fields that were asked for (fields=)."""

    model_config = example({"start": "0x7f0c1c000000", "state": "copied-up"})


class SelectedFile(MappedFile, Selected):
    """One mapped file, with the fields that were asked for (files=true, fields=)."""

    model_config = example({"mappings": [RANGE], "state": "copied-up"})


class OfMappings(OfProcess):
    """What an answer about mappings begins with; alone, the first line of its NDJSON form."""

    model_config = example(WHOLE)

    container: Container | None = Field(description="The container it runs in; null where none is known")
    kernel: Kernel = Field(description="The running kernel")


class Mappings(OfMappings):
    """The mappings of one process, in the order of their addresses."""

    model_config = example({**WHOLE, "mappings": [COPIED_UP]})

    mappings: list[Mapping] = Field(description="The mappings")


class MappedFiles(OfMappings):
    """The mapped files of one process, in the order of their first mapping (files=true)."""

    model_config = example({**WHOLE, "files": [{"mappings": [RANGE], **FOUND}]})

    files: list[MappedFile] = Field(description="The files")


class SelectedMappings(OfMappings):
    """The mappings of one process with the fields that were asked for (fields=)."""

    model_config = example({**WHOLE, "mappings": [{"start": "0x7f0c1c000000", "state": "copied-up"}]})

    mappings: list[SelectedMapping] = Field(description="The mappings")


class SelectedFiles(OfMappings):
    """The mapped files of one process with the fields that were asked for (files=true, fields=)."""

    model_config = example({**WHOLE, "files": [{"mappings": [RANGE], "state": "copied-up"}]})

    files: list[SelectedFile] = Field(description="The files")
