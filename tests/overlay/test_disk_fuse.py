"""Random layers in a store, merged by fuse-overlayfs: what it shows against what the disk says of each name."""

import os
import random
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import mapsd
from tests.conftest import missing
from tests.engines import stacks
from tests.overlay.test_disk_oracle import USER, unknown, wrong
from tests.overlay.test_lookup_oracle import NAMES, PATHS

TREES, SEED = 40, 1
KINDS = ["file", "file", "whiteout", "named whiteout"]


def make(where: Path, draw: random.Random, depth: int) -> None:
    """Write a tree; the bytes of every file are its own name."""
    for name in draw.sample(NAMES, draw.randint(1, 3)):
        path = where / name
        kind = draw.choice(KINDS + ["directory"] * 3 + ["link"] if depth else KINDS)
        if kind == "file":
            path.write_text(str(path))
        elif kind == "whiteout":
            os.mknod(path, stat.S_IFCHR, 0)
        elif kind == "named whiteout":
            (where / f".wh.{name}").touch()
        elif kind == "link":
            path.symlink_to("nowhere")
        else:
            path.mkdir()
            make(path, draw, depth - 1)
            opaque(path, draw.choice(["", "", "", "file", "user.fuseoverlayfs.", "user.overlay."]))


def opaque(path: Path, by: str) -> None:
    if by == "file":
        (path / ".wh..wh..opq").touch()
    elif by:
        os.setxattr(path, f"{by}opaque", b"y")


def test_a_disk_says_no_other_file_than_fuse_overlayfs_shows(lab):
    if shutil.which("fuse-overlayfs") is None or not Path("/dev/fuse").exists():
        missing("engines", "needs fuse-overlayfs")
    draw, counts = random.Random(SEED), [0, 0]
    for _ in range(TREES):
        base = Path(tempfile.mkdtemp(dir=lab))
        directories = stacks.storage(base, draw.randint(2, 4), program="true")
        for one in directories:
            make(one, draw, 2)
        (directories[0] / "copied").touch()
        os.setxattr(directories[0] / "copied", "user.fuseoverlayfs.origin", b"copied\0")
        os.chown(base, USER, USER)
        somewhere = [path for path in PATHS if any(os.path.lexists(where / path) for where in directories)]
        with mapsd.Disk(os.fsencode(base)) as disk:
            container = disk.container("web")
            found = {path: disk.which(container, b"/" + path.encode()) for path in somewhere}
        for name in ("work", "m"):
            (base / name).mkdir()
        options = f"lowerdir={':'.join(map(str, directories[1:]))},upperdir={directories[0]},workdir={base}/work"
        subprocess.run(["fuse-overlayfs", "-o", options, base / "m"], check=True, capture_output=True)
        try:
            assert not [error for path, one in found.items() for error in wrong(base, path, one)]
        finally:
            subprocess.run(["umount", base / "m"], check=True)
        counts[0] += len(found)
        counts[1] += sum(map(unknown, found.values()))
    assert counts[1] < counts[0] / 2, counts
