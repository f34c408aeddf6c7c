"""Small images of several layers, made without a builder, a registry or a network: archives that every engine loads."""

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import NamedTuple

LAB = "opt/lab"
DEEP = 100  # layers above the first three: so many that lowerdir= is relative
_SIZE = 9000  # of a file: three pages, the last one in part


class Image(NamedTuple):
    """*layers* has the digest of each layer, the base first, *steps* what made it, *at* in which layer a path is."""

    name: str
    archive: Path
    id: str
    layers: list[str]
    steps: list[str]
    at: dict[str, int]


def content(name: str, which: str) -> bytes:
    """Return the bytes of a file, another text on each page."""
    return (f"{which} {name} ".encode() * (_SIZE // 8))[:_SIZE]


def tar(files: dict[str, bytes | None]) -> bytes:
    """Return an archive of files; None is a directory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.mode, member.type = (0o755, tarfile.DIRTYPE if data is None else tarfile.REGTYPE)
            member.size = len(data or b"")
            archive.addfile(member, io.BytesIO(data or b""))
    return buffer.getvalue()


def made(base: Path) -> dict[str, Image]:
    """Write the images into a directory, and return them by a short name."""
    program = base / "mapper"
    source = Path(__file__).with_name("mapper.c")
    subprocess.run(["gcc", "-O1", "-static", "-Wall", "-Wextra", "-Werror", "-o", program, source], check=True)
    libraries = ("libro", "libstale", "libgone", "librepl", "libupd", "libover", "libwhite")
    first = [dict.fromkeys(("bin", "dev", "etc", "opt", LAB, "proc", "run", "sys", "tmp")),
             {"bin/mapper": program.read_bytes()},
             {f"{LAB}/{name}.so": content(name, "base") for name in libraries}
             | {f"{LAB}/opq": None, f"{LAB}/opq/libold.so": content("libold", "base")}]
    app = [*first, {f"{LAB}/libover.so": content("libover", "app")}, {f"{LAB}/.wh.libwhite.so": b""},
           {f"{LAB}/opq/.wh..wh..opq": b"", f"{LAB}/opq/libnew.so": content("libnew", "app")}]
    deep = first + [{f"{LAB}/deep": None, f"{LAB}/deep/lib{number:03d}.so": content(f"lib{number:03d}", "deep")}
                    for number in range(1, DEEP + 1)]
    return {"app": image(base, "lab/app:1", app), "deep": image(base, "lab/deep:1", deep)}


def image(base: Path, name: str, layers: list[dict[str, bytes | None]]) -> Image:
    """Write one image as `docker save` does."""
    blobs = [tar(files) for files in layers]
    digests = ["sha256:" + hashlib.sha256(blob).hexdigest() for blob in blobs]
    steps = [f"/bin/sh -c #(nop) ADD dir:{number} in / \t&& \techo 'step {number}'" for number in range(len(layers))]
    history = [{"created": "1970-01-01T00:00:00Z", "created_by": step} for step in steps]
    history.insert(2, {"created": "1970-01-01T00:00:00Z", "created_by": "ENV LAB=1", "empty_layer": True})
    config = json.dumps({"architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z",
                         "config": {"Cmd": ["/bin/mapper"], "Env": ["PATH=/bin"], "WorkingDir": "/"},
                         "rootfs": {"type": "layers", "diff_ids": digests}, "history": history}).encode()
    identity = hashlib.sha256(config).hexdigest()
    members = {f"{identity}.json": config}
    members |= {f"{digest[7:]}.tar": blob for digest, blob in zip(digests, blobs, strict=True)}
    members["manifest.json"] = json.dumps([{"Config": f"{identity}.json", "RepoTags": [name],
                                            "Layers": [f"{digest[7:]}.tar" for digest in digests]}]).encode()
    archive = base / (name.replace("/", "-").replace(":", "-") + ".tar")
    archive.write_bytes(tar(members))
    at = {f"/{path}": number for number, files in enumerate(layers, 1) for path, data in files.items() if data}
    return Image(name, archive, "sha256:" + identity, digests, [" ".join(step.split()) for step in steps], at)
