"""The package of a file's bytes, as docs/schema/lookup.json has it."""

from typing import Any

from pydantic import Field

from mapsd_api.schemas.base import Base64, EscapedPath, Model, Needs, Positive, Text, exact, example
from mapsd_api.schemas.words import PackageKind, PackageState

DEBIAN = {"id": "debian", "version": "12"}
OPENSSL = {"name": "openssl", "version": "3.0.11-1~deb12u2"}
SAME: dict[str, Any] = {
    "state": "same", "kind": "dpkg", "name": "libssl3", "version": "3.0.11-1~deb12u2", "architecture": "amd64",
    "distribution": DEBIAN, "source": OPENSSL, "path": "/usr/lib/libssl.so.3", "layer": 2, "reason": None,
    "needs": None}
UNOWNED = {**dict.fromkeys(SAME), "state": "unowned", "path": "/app/libx.so"}


class Distribution(Model):
    """The distribution that a root says it is. See os-release(5)."""

    model_config = example(DEBIAN)

    id: Text = Field(description="Its ID")
    version: Text | None = Field(description="Its VERSION_ID; null for one that has no releases")


class PackageSource(Model):
    """What a package was built from."""

    model_config = example(OPENSSL)

    name: Text = Field(description="Its name")
    version: Text | None = Field(description="Its version; null where that is not recorded")


class Package(Model):
    """The package whose name a file has, and whether the bytes are those that its record describes."""

    model_config = example(SAME, UNOWNED)

    state: PackageState = Field(
        description="same (the bytes are those of the record), differs (they are not), unowned (no package has the "
                    "name), or unknown")
    kind: PackageKind | None = Field(description="Whose database has it; null where no package is known")
    name: Text | None = Field(description="The package")
    version: Text | None = Field(description="Its version")
    architecture: Text | None = Field(description="Its architecture")
    distribution: Distribution | None = Field(description="The distribution that it is of")
    source: PackageSource | None = Field(description="What it was built from")
    path: EscapedPath | None = Field(description="The name that was looked up")
    path_base64: Base64 = exact("path")
    layer: Positive | None = Field(description="The index of the layer of whose time the databases are; null for those "
                                               "in the process's root")
    reason: Text | None = Field(description="In what the bytes differ, or what stood in the way")
    needs: Needs | None = Field(description="What would help: capabilities of the daemon")
