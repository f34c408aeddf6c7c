"""Random layers, mounted: what open() and readdir() give through the overlay against what `mapsd which` says."""

import os
import stat
import tempfile
from pathlib import Path

import pytest

from mapsd import which
from mapsd.model import FileFacts
from mapsd.model.layers import Which
from tests.overlay import kernel
from tests.overlay.test_lookup_oracle import PATHS, VARIANTS, Variant, drawn_for, make, read

TREES = 60  # for each of the variants


def mounted(base: Path, variant: Variant, drawn: list[dict]) -> object:
    """Write the layers and give the overlay for the time of a block."""
    count = len(drawn)
    roles = ["upper"] * variant.upper + ["lower"] * (count - variant.upper - variant.data) + ["data"] * variant.data
    named: dict[str, list[str]] = {"upper": [], "lower": [], "data": []}
    for position, (role, tree) in enumerate(zip(roles, drawn, strict=True), not variant.upper):
        where = base / f"{position}"
        where.mkdir()
        make(where, tree, variant.prefix)
        named[role].append(str(where))
    options = f"lowerdir={':'.join(named['lower'])}" + "".join(f"::{text}" for text in named["data"])
    if variant.upper:
        (base / "work").mkdir()
        options += f",upperdir={base / '0'},workdir={base / 'work'}"
    return kernel.mounted("overlay", base / "m", "overlay", 0, ",".join(filter(None, [options, variant.options])))


def wrong(base: Path, path: str, variant: Variant) -> list[str]:
    """Return what `which` says wrongly of one path."""
    seen, truth = base / "m" / path, read(base / "m" / path)
    found = which(os.getpid(), os.fsencode(seen))
    errors = []
    try:
        mode = os.lstat(seen).st_mode
    except OSError:
        mode = 0
    if stat.S_ISLNK(mode):
        return []  # nowhere: the link's own text says where it leads
    if bool(mode) != isinstance(found.way.found, FileFacts):
        errors.append("it exists, or it does not")
    backing = found.winner.backing if found.winner is not None else None
    if truth is not None and backing is not None and (
            backing.path is None or Path(os.fsdecode(backing.path)).read_bytes() != truth):
        errors.append(f"{truth!r} is read")
    if mode and stat.S_ISREG(mode) and truth is not None and backing is None and found.winner is not None:
        unknown = found.winner.reason or ""
        said = any(reason in unknown for reason in ("moved since", "disagree", "another time of change"))
        errors += [] if variant.options == "" or said else [unknown]
    if stat.S_ISDIR(mode):
        errors += listed(seen, found)
    return [f"{path}: {error}: {told(found)}" for error in errors]


def told(found: Which) -> str:
    return f"{found.winner} {[(one.layer.position, one.path, one.what) for each in found.descents for one in each.met]}"


def listed(seen: Path, found: Which) -> list[str]:
    """Return where the names of the merged directories are not those that readdir(3) gives."""
    [descent] = found.descents
    if any(one.what == "unknown" for one in descent.met):
        return []
    merged = [one.file.path for one in descent.met if one.what == "merged" and one.file is not None]
    names, hidden, odd = set(), set(), set()
    for directory in merged:
        for entry in os.scandir(os.fsdecode(directory)):
            attributes = {} if entry.is_symlink() else os.listxattr(entry.path)
            odd |= {entry.name} if any(name.endswith("overlay.whiteout") for name in attributes) else set()
            about = entry.stat(follow_symlinks=False)
            if entry.name not in names | hidden:
                whiteout = stat.S_ISCHR(about.st_mode) and not about.st_rdev
                (hidden if whiteout else names).add(entry.name)
    try:
        there = set(os.listdir(seen))
    except OSError:
        return []  # a metacopy without data ends the listing
    if len(merged) == 1:
        # A directory of one layer is listed as it is, whiteouts included.
        names |= hidden
    # A name that the overlay cannot look up (a redirect to a parent) is listed, or not.
    odd |= {name for name in names | there if not os.path.lexists(seen / name)}
    return [] if names - odd == there - odd else [f"{sorted(there)} are listed, not {sorted(names)}"]


@pytest.mark.parametrize("name", VARIANTS)
def test_which_says_no_other_file_than_the_overlay_reads(lab, name):
    variant = VARIANTS[name]

    @drawn_for(variant, TREES)
    def compare(drawn: list[dict]) -> None:
        base = Path(tempfile.mkdtemp(dir=lab))
        with mounted(base, variant, drawn):
            somewhere = [path for path in PATHS if any(os.path.lexists(where / path) for where in base.iterdir())]
            assert not [error for path in somewhere for error in wrong(base, path, variant)]
    compare()
