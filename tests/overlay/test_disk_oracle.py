"""Random layers in a store, mounted: what the overlay shows against what the disk's own answer says of each name."""

import errno
import os
import stat
import tempfile
from pathlib import Path

import pytest

import mapsd
from mapsd.model.disks import StoredWhich
from tests.engines import stacks
from tests.overlay import kernel
from tests.overlay.test_lookup_oracle import PATHS, VARIANTS, Variant, drawn_for, make, read

TREES = 60  # for each of the variants
USER = 61_234
REFUSED = {errno.EPERM, errno.EIO, errno.ESTALE, errno.EINVAL}  # what the kernel does not follow, or takes for broken


def store(base: Path, variant: Variant, drawn: list[dict]) -> list[Path]:
    """Write the layers of a container, and return their directories."""
    directories = stacks.storage(base, len(drawn))
    for where, tree in zip(directories, drawn, strict=True):
        make(where, tree, variant.prefix)
    os.setxattr(directories[0], variant.prefix + "impure", b"y")
    if variant.prefix.startswith("user"):
        os.chown(base, USER, USER)
    return directories


def wrong(base: Path, path: str, found: StoredWhich) -> list[str]:
    """Return what is said wrongly of one path."""
    seen, truth = base / "m" / path, read(base / "m" / path)
    number, mode = 0, 0
    try:
        mode = os.lstat(seen).st_mode
    except OSError as error:
        number = error.errno or 0
    if stat.S_ISLNK(mode) or number in REFUSED:
        return []
    errors = []
    if found.exists not in {None, bool(mode)}:
        errors.append(f"it exists: {bool(mode)}")
    backing = found.winner.backing if found.winner is not None else None
    if truth is not None and backing is not None and (
            backing.path is None or Path(os.fsdecode(backing.path)).read_bytes() != truth):
        errors.append(f"{truth!r} is read")
    if found.exists and stat.S_ISDIR(mode) and found.winner is not None and found.winner.reason is None:
        errors += listed(seen, found)
    return [f"{path}: {error}: {found.winner} {[(one.layer.position, one.path, one.what) for one in found.met]}"
            for error in errors]


def listed(seen: Path, found: StoredWhich) -> list[str]:
    """Return which names of a merged directory are in none of the directories that are said to be merged."""
    merged = {name for one in found.met if one.what == "merged" and one.file is not None
              for name in os.listdir(os.fsdecode(one.file.path))}
    return [f"{name} is in none of the layers" for name in os.listdir(seen) if name not in merged]


def unknown(found: StoredWhich) -> bool:
    return found.exists is None or (found.winner is not None and found.winner.reason is not None)


@pytest.mark.parametrize("name", ["default options", "writable", "userxattr"])
def test_a_disk_says_no_other_file_than_the_mounted_overlay_reads(lab, name):
    variant, counts = VARIANTS[name], [0, 0]

    @drawn_for(variant, TREES)
    def compare(drawn: list[dict]) -> None:
        base = Path(tempfile.mkdtemp(dir=lab))
        directories = store(base, variant, drawn)
        (base / "work").mkdir()
        somewhere = [path for path in PATHS if any(os.path.lexists(where / path) for where in directories)]
        with mapsd.Disk(os.fsencode(base)) as disk:
            container = disk.container("web")
            found = {path: disk.which(container, b"/" + path.encode()) for path in somewhere}
        options = f"lowerdir={':'.join(map(str, directories[1:]))},upperdir={directories[0]},workdir={base}/work"
        with kernel.mounted("overlay", base / "m", "overlay", 0, ",".join(filter(None, [options, variant.options]))):
            assert not [error for path, one in found.items() for error in wrong(base, path, one)]
        counts[0] += len(found)
        counts[1] += sum(map(unknown, found.values()))
    compare()
    # What is not answered has attributes that no engine's overlay leaves.
    assert counts[0] - counts[1] > TREES, counts
