"""Random layers, mounted: what open() reads through the overlay against what mapsd.resolve.lookup says.

The layers are asked with os.* calls of this module, so that only the rules are tested.
"""

import os
import stat
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mapsd.model import Absent, DeviceId, FileFacts, Found, Layer, Refused
from mapsd.resolve.lookup import Hit, Miss, lookup
from tests.overlay import kernel

TREES = 100  # for each of the variants, twice
NAMES = ("a", "b", "c")
PATHS = ["/".join(parts) for depth in (1, 2, 3) for parts in product(NAMES, repeat=depth)]
ODD = ["", "/", "//", ".", "..", "/a/", "a/b", "/a//b", "/a/..", "/../a", "/nowhere/a"]


class Variant(NamedTuple):
    """How the layers are mounted."""

    upper: bool
    data: bool
    options: str

    @property
    def prefix(self) -> str:
        return "user.overlay." if "userxattr" in self.options else "trusted.overlay."


ON = "redirect_dir=on,metacopy=on"
VARIANTS = {
    "writable": Variant(True, False, ON), "read-only": Variant(False, False, ON),
    "data-only layers": Variant(False, True, ON), "data-only layers, writable": Variant(True, True, ON),
    "default options": Variant(True, False, ""), "default options with data-only layers": Variant(False, True, ""),
    "nofollow": Variant(False, False, "redirect_dir=nofollow"), "userxattr": Variant(True, False, "userxattr"),
}

redirects = st.one_of(
    st.sampled_from(NAMES), st.sampled_from(PATHS).map("/{}".format), st.sampled_from(PATHS).map("/{}".format),
    st.sampled_from(ODD))


def files() -> st.SearchStrategy:
    marks = st.fixed_dictionaries({}, optional={
        "metacopy": st.sampled_from([b"", b"", b"", b"\0\4\0\0", b"\0", b"\1\4\0\0", b"\0\5\0\0"]),
        "redirect": redirects.map(os.fsencode), "whiteout": st.just(b"y"), "opaque": st.just(b"y")})
    leads_on = st.fixed_dictionaries({"metacopy": st.just(b"")}, optional={"redirect": redirects.map(os.fsencode)})
    return st.tuples(st.sampled_from(["file", "file", "file", "empty"]), st.one_of(st.just({}), leads_on, marks))


def nodes(depth: int) -> st.SearchStrategy:
    others = st.tuples(st.sampled_from(["whiteout"] * 4 + ["device", "symlink", "fifo"]), st.just({}))
    empty = st.tuples(st.just("empty"), st.just({"whiteout": b""}))
    if depth == 0:
        return st.one_of(files(), files(), others, empty)
    marks = st.fixed_dictionaries({}, optional={
        "opaque": st.sampled_from([b"y", b"y", b"x", b"yy", b"", b"n"]), "redirect": redirects.map(os.fsencode)})
    redirected = st.fixed_dictionaries({"redirect": redirects.map(os.fsencode)})
    directories = st.tuples(st.just("directory"), st.one_of(st.just({}), marks, redirected),
                            st.dictionaries(st.sampled_from(NAMES), nodes(depth - 1), min_size=1, max_size=3))
    return st.one_of(directories, directories, directories, files(), others, empty)


trees = st.dictionaries(st.sampled_from(NAMES), nodes(2), min_size=2, max_size=3)


def make(where: Path, tree: dict, prefix: str) -> None:
    """Write a tree; the bytes of every file are its own name."""
    for name, (kind, marks, *children) in tree.items():
        path = where / name
        if kind == "directory":
            path.mkdir()
            make(path, children[0], prefix)
        elif kind in {"file", "empty"}:
            path.write_text(str(path) if kind == "file" else "")
        elif kind == "symlink":
            path.symlink_to("nowhere")
        else:
            mode = stat.S_IFIFO if kind == "fifo" else stat.S_IFCHR
            os.mknod(path, mode | 0o600, os.makedev(0, 1 if kind == "device" else 0))
        for mark, value in marks.items():
            os.setxattr(path, prefix + mark, value)


def ask(layer: Layer, path: bytes, prefix: str) -> Found:
    where = os.path.join(layer.text, path)
    if os.path.normpath(path).startswith(b".."):
        return Refused("leaves the layer")
    try:
        seen = os.lstat(where)
        names = os.listxattr(where, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return Absent()
    marks = tuple((name.removeprefix(prefix), os.getxattr(where, name, follow_symlinks=False))
                  for name in names if name.startswith(prefix))
    kind = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}.get(
        stat.S_IFMT(seen.st_mode), "other")
    if stat.S_ISCHR(seen.st_mode):
        kind = "device" if seen.st_rdev else "whiteout"
    return FileFacts(kind, DeviceId(0, 0), seen.st_ino, seen.st_nlink, seen.st_size, 0, None, b"", marks)


def read(path: Path) -> bytes | None:
    """Return the bytes that the overlay reads there, None where there is no file to read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return os.read(fd, 4096) if stat.S_ISREG(os.fstat(fd).st_mode) else None
    except OSError:
        return None
    finally:
        os.close(fd)


def disagreements(base: Path, variant: Variant, drawn: list[dict]) -> dict[str, list[str]]:
    """Mount the layers and return where mapsd errs: about what is read, and about what is not."""
    count = len(drawn)
    roles = ["upper"] * variant.upper + ["lower"] * (count - variant.upper - variant.data) + ["data"] * variant.data
    layers = []
    for position, (role, tree) in enumerate(zip(roles, drawn, strict=True), not variant.upper):
        where = base / f"{position}"
        where.mkdir()
        make(where, tree, variant.prefix)
        layers.append(Layer(role, position, os.fsencode(where), None))
    lower, data = ([os.fsdecode(layer.text) for layer in layers if layer.role == role] for role in ("lower", "data"))
    options = f"lowerdir={':'.join(lower)}" + "".join(f"::{text}" for text in data)
    if variant.upper:
        (base / "work").mkdir()
        options += f",upperdir={base / '0'},workdir={base / 'work'}"
    errors: dict[str, list[str]] = {"read": [], "not read": []}
    with kernel.mounted("overlay", base / "m", "overlay", 0, ",".join(filter(None, [options, variant.options]))):
        for path in PATHS:
            truth = read(base / "m" / path)
            found = lookup(layers, os.fsencode(path), lambda layer, name: ask(layer, name, variant.prefix))
            held = Path(os.fsdecode(found.data.layer.text), os.fsdecode(found.data.path)).read_bytes() if isinstance(
                found, Hit) else None
            if truth is None and held is not None:
                errors["not read"].append(f"{path}: nothing is read, mapsd says {held!r}")
            if truth is not None and (isinstance(found, Miss) or (held is not None and held != truth)):
                errors["read"].append(f"{path}: {truth!r} is read, mapsd says {held!r}")
    return errors


def drawn_for(variant: Variant, trees_each: int = TREES) -> Callable:
    """Return what calls a test with *trees_each* drawings of layers, of which a variant of overlay can be mounted."""
    least = 2 + variant.upper + variant.data
    draws = settings(max_examples=trees_each, deadline=None, database=None, suppress_health_check=list(HealthCheck),
                     phases=[Phase.generate, Phase.shrink])
    return lambda test: draws(given(st.lists(trees, min_size=least, max_size=least + 2))(test))


# Elsewhere open() refuses more than the rules of the lookup do: redirects and metacopies that are switched off, and
# with an upper layer directories that lead to one lower directory twice. What nobody can open nobody maps anew.
CASES = [(name, about) for name in VARIANTS for about in ("read", "not read")
         if about == "read" or (VARIANTS[name].options == ON and not VARIANTS[name].upper)]


@pytest.mark.parametrize(("name", "about"), CASES)
def test_mapsd_says_no_other_file_than_the_overlay_reads(lab, name, about):
    variant = VARIANTS[name]

    @drawn_for(variant)
    def compare(drawn: list[dict]) -> None:
        assert not disagreements(Path(tempfile.mkdtemp(dir=lab)), variant, drawn)[about]

    compare()
