"""What a process has open: the answer to GET /v1/processes/{pid}/fds."""

from typing import Any, Literal

from pydantic import Field

from mapsd_api.schemas.base import Base64, Device, EscapedPath, Model, Natural, Needs, Text, exact, example
from mapsd_api.schemas.mapping import WHOLE, OfMappings
from mapsd_api.schemas.parts import LIBSSL, ROOT, Backing, Evidence, Mount
from mapsd_api.schemas.words import Confidence, OpenKind, OpenProof, OpenState

LINK = {"path": "/etc/nginx/nginx.conf", "device": "0:48", "inode": 977}
CONF: dict[str, Any] = {
    "fd": 3, "kind": "file", "access": "read", "flags": "02100000", "position": 648, "shown": LINK,
    "user_path": "/etc/nginx/nginx.conf", "host_path": None,
    "openable_path": "/proc/4242/root/etc/nginx/nginx.conf", "mount": ROOT,
    "backing": {**LIBSSL, "path": "/var/lib/docker/overlay2/ab12/diff/etc/nginx/nginx.conf", "inode": 977,
                "layer": {"role": "upper", "index": 0, "path": "/var/lib/docker/overlay2/ab12/diff", "digest": None}},
    "state": "current", "confidence": "proven", "proof": "sole-candidate",
    "evidence": [{"kind": "origin", "detail": "the upper layer has a copy whose times and size the overlay shows"}],
    "reason": None, "needs": None}


class MagicLink(Model):
    """What the kernel says of an open file: claims, not answers."""

    model_config = example(LINK)

    path: EscapedPath | None = Field(description="The magic link's text; null: longer than the kernel prints")
    path_base64: Base64 = exact("path")
    device: Device | None = Field(description="major:minor in decimal, by stat(2) through the link")
    inode: Natural | None = Field(description="The inode number: up to 64 bits")


class OpenFile(Model):
    """One open file: what the process calls it, and which file a read gets now."""

    model_config = example(CONF)

    fd: Literal["exe", "cwd", "root"] | Natural = Field(description="exe, cwd, root or a descriptor's number")
    kind: OpenKind = Field(description="What is open; pipe, anon_inode, memfd and shm have no name in any filesystem")
    access: Literal["read", "write", "read-write", "path", "none"] | None = Field(
        description="What the descriptor may be used for; path: O_PATH, none: ioctl(2) only; null for exe, cwd, root")
    flags: str | None = Field(pattern="^0[0-7]+$", description="As in fdinfo, octal")
    position: int | None = Field(description="In bytes, as in fdinfo")
    shown: MagicLink = Field(description="What the kernel says of it: claims, not answers")
    user_path: EscapedPath | None = Field(description="What the process calls the file; null where not established")
    user_path_base64: Base64 = exact("user_path")
    host_path: EscapedPath | None = Field(description="A path of the daemon's that reaches the user path's file")
    host_path_base64: Base64 = exact("host_path")
    openable_path: EscapedPath | None = Field(description="The same below /proc/PID/root")
    openable_path_base64: Base64 = exact("openable_path")
    mount: Mount | None = Field(description="The mount that it was opened through")
    backing: Backing | None = Field(description="What a read through the descriptor gets now; for a directory or a "
                                                "symbolic link, itself")
    state: OpenState | None = Field(
        description="Whether the user path still opens it. Never copied-up: a descriptor of an overlay's file reads "
                    "the upper copy once there is one")
    confidence: Confidence | None = Field(description="How sure the backing file is, from its proof")
    proof: OpenProof | None = Field(description="The strongest observation behind the backing file")
    evidence: list[Evidence] = Field(description="What was observed")
    reason: Text | None = Field(description="What stood in the way, where something is not established")
    needs: Needs | None = Field(description="What would settle it: capabilities of the daemon, mostly")


class OpenFiles(OfMappings):
    """What one process has open."""

    model_config = example({**WHOLE, "kernel": {"release": "6.18.44", "shows": None}, "open_files": [CONF]})

    open_files: list[OpenFile] = Field(description="exe, cwd and root where the process has them, then the descriptors "
                                                   "by number")
