"""Scenes that several commands are asked about: what lies in their layers, and what is done to them."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.overlay import kernel
from tests.overlay.files import fill
from tests.overlay.scenes import Layer, Scene, gone
from tests.overlay.target import PAGE
from tests.overlay.test_data_only import mark

BOTH = ("both", "dir/both", "dir/changed", "gone", "tree/a", "tree/sub/b", "anew/x", "renamed", "late")
HIDING = ("opaque", "xattr whiteouts", "whiteouts")


def lay(scene: Scene) -> None:
    """Write files of the same names into every lower layer."""
    for layer in scene.layers:
        if layer.role == "lower":
            scene.fill(layer, *BOTH, f"only{layer.index}")
            (layer.path / "proc").mkdir()


def live(scene: Scene) -> None:
    """Do to the overlay what people do."""
    with scene.reach("both").open("r+b") as file:
        file.write(b"written to")
    scene.reach("dir/changed").chmod(0o600)
    scene.reach("gone").unlink()
    shutil.rmtree(scene.reach("tree"))
    shutil.rmtree(scene.reach("anew"))
    scene.reach("anew").mkdir()
    fill(scene.reach("anew/y"), "made anew")
    scene.reach("renamed").rename(scene.reach("moved"))
    fill(scene.reach("fresh"), "fresh")


def writable(name: str, lab: Path, mapper: Path, kinds: tuple[str, str] = ("ext4", "ext4")) -> Scene:
    """Give a scene of two lowers and an upper, the upper on a filesystem of its own where the kinds differ."""
    scene = Scene(name, lab, mapper)
    ground = scene.stack.enter_context(kernel.filesystem(kinds[0], scene.base / "ground"))
    other = ground
    if kinds[0] != kinds[1]:
        other = scene.stack.enter_context(kernel.filesystem(kinds[1], scene.base / "other"))
    for layer in ("l1", "l2"):
        scene.lower(ground / "store" / layer)
    scene.upper(other / "store" / "u")
    lay(scene)
    return scene


def rename(scene: Scene, new: str) -> None:
    """Mount the overlay of a writable scene, call its directory `dir` otherwise, and write to a file in it."""
    (scene.layers[1].path / "sub").mkdir()
    scene.mount(",redirect_dir=on")
    (scene.merged / "dir").rename(scene.merged / new)
    (scene.merged / new / "changed").write_bytes(b"written to")


def hide(scene: Scene, how: str, *, upper: bool = True) -> Layer:
    """Let the first of two lowers hide `dir/below` of the second, in one of HIDING's ways; return the first."""
    hiding, hidden = scene.lower(scene.base / "l1"), scene.lower(scene.base / "l2")
    if upper:
        scene.upper(scene.base / "u")
    lay(scene)
    scene.fill(hidden, "dir/below")
    if how == "opaque":
        mark(hiding.path / "dir", opaque=b"y")
    elif how == "whiteouts":
        os.mknod(hiding.path / "dir/below", 0o20000)
    elif how == "xattr whiteouts":
        (hiding.path / "dir/below").write_bytes(b"")
        mark(hiding.path / "dir", opaque=b"x")
        mark(hiding.path / "dir/below", whiteout=b"y")
    return hiding


def data_only(scene: Scene, names: Mapping[str, bytes], *, upper: bool = True) -> Layer:
    """Lay two data-only layers below *names* of a lower, each with its object; return the first of the two."""
    ground = scene.stack.enter_context(kernel.filesystem("ext4", scene.base / "ground"))
    top = scene.lower(ground / "l1")
    first, second = (scene.lower(ground / name, "data") for name in ("d1", "d2"))
    if upper:
        scene.upper(ground / "u")
    scene.fill(first, "objects/aa")
    scene.fill(second, "objects/aa", "objects/bb")
    for name, data in names.items():
        (top.path / name).parent.mkdir(exist_ok=True)
        (top.path / name).write_bytes(b"")
        os.truncate(top.path / name, 2 * PAGE)
        mark(top.path / name, metacopy=b"", redirect=data)
    return first


@contextmanager
def reachable(name: str, lab: Path, mapper: Path, kind: str) -> Iterator[Scene]:
    """Give a scene that another user may look at, for an overlay in a user namespace."""
    with (kernel.mounted(lab, Path("/mnt"), None, kernel.MS_BIND),
          Scene(name, Path("/mnt"), Path("/mnt") / mapper.name) as scene):
        ground = scene.stack.enter_context(kernel.filesystem(kind, scene.base / "ground"))
        scene.lower(ground / "l1")
        scene.lower(ground / "l2")
        scene.upper(ground / "u")
        lay(scene)
        yield scene


def cover(scene: Scene) -> None:
    """Mount one file of the overlay over another."""
    scene.target.ask("bind", scene.merged / "late", scene.merged / "both")
    scene.stack.callback(gone, scene.merged / "both")


def bind(scene: Scene) -> Path:
    """Mount the overlay's directory `dir` in another place as well, and return that."""
    bound = scene.base / "bound"
    bound.mkdir()
    scene.target.ask("bind", scene.merged / "dir", bound)
    scene.stack.callback(gone, bound)
    return bound
