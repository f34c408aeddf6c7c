"""What happens to files in every scene: copy-ups, deletions, replacements, covers, with mappings before and after."""

import os
from itertools import cycle
from pathlib import Path

from tests.overlay.files import elf, fill, identity
from tests.overlay.inside import within
from tests.overlay.scenes import Claim, Layer, Scene, gone
from tests.overlay.target import Refused

LOWER = ("plain", "write", "chmod", "rename", "gone", "written-gone", "swap", "cover", "decoy")
KEPT = ("plain", "cover", "decoy")


def lay(scene: Scene, *rounds: str) -> None:
    """Write the files of every round into the lowers, by turns: equal inode numbers on equal filesystems."""
    lowers = scene.sources
    for which in rounds:
        for mode in "sp":
            for name, layer in zip(LOWER, cycle(lowers), strict=False):
                scene.fill(layer, f"{which}/{name}-{mode}")
    for number, layer in enumerate(lowers):
        scene.fill(layer, f"layer{number}")
    (next(layer for layer in scene.layers if layer.role == "lower").path / "proc").mkdir()


def happen(scene: Scene, which: str, *, writable: bool = True, singles: bool = True) -> None:
    """Map the files of one round, do what is done to them, and map them again."""
    lowers = scene.sources
    for mode in "sp":
        held = dict(zip(LOWER, cycle(lowers), strict=False))
        for name in LOWER if writable else KEPT:
            _DO[name](scene, f"{which}/{name}-{mode}", held[name], mode)
        if writable:
            _fresh(scene, f"{which}/fresh-{mode}", mode)
    for number, layer in enumerate(lowers if singles else ()):
        scene.map(f"layer{number}", layer, about=f"{which} layer {number}")


def jail(scene: Scene) -> None:
    """Let the process change its root to `sub`, where another file has every name that its mappings show."""
    inside = scene.merged / "sub"
    shown = [claim.path for claim in scene.claims]
    scene.target.ask("chroot", inside)
    for claim in scene.claims:
        claim.state, claim.path = "unreachable", None
    for path in shown:
        fill(Path(f"{inside}{path}"), "decoy")


def cover(scene: Scene, *, elsewhere: bool = False) -> None:
    """Mount another overlay over the scene's, or only over its name in a namespace of the process's own."""
    for name in ("x1", "x2"):
        (scene.base / name).mkdir()
    for claim in scene.claims:
        claim.state = "covered"
    options = (f"lowerdir={scene.sources[1].path}:{scene.sources[0].path},"
               f"upperdir={scene.base}/x1,workdir={scene.base}/x2")
    if elsewhere:
        scene.target.ask("newns")
        for claim in scene.claims:
            claim.state, claim.path = "unreachable", None
    scene.target.ask("overlay", scene.merged, options.encode().hex())
    scene.stack.callback(gone, scene.merged)


def rootless(scene: Scene) -> None:
    """Give the layers to a user, and mount the overlay in the user namespace of a process of that user's."""
    for path in (scene.base, *scene.base.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    scene.settle()
    scene.start("setpriv", "--reuid", 65534, "--regid", 65534, "--clear-groups", "unshare", "-Urm")
    scene.target.ask("overlay", scene.merged, f"{scene.options()},userxattr".encode().hex())
    scene.act = lambda work: within(scene.target.pid, lambda: work() and None, user=True)


def write(path: Path) -> None:
    """Put a new build of a program in a file's place."""
    with path.open("r+b") as file:
        file.write(elf(f"changed {path.name}"))


def _plain(scene: Scene, name: str, layer: Layer, mode: str) -> None:
    scene.map(name, layer, mode)
    scene.map(name, layer, "n")


def _write(scene: Scene, name: str, layer: Layer, mode: str) -> None:
    before = [scene.map(name, layer, mode, page=page, about=f"{name} before") for page in (0, 1)]
    before.append(scene.map(name, layer, "n", about=f"{name} before, untouched"))
    scene.act(lambda: write(scene.reach(name)))
    _copied(before)
    scene.map(name, scene.top, mode, about=f"{name} after")


def _copied(before: list[Claim]) -> None:
    for claim in before:
        claim.state = "copied-up"


def _chmod(scene: Scene, name: str, layer: Layer, mode: str) -> None:
    before = [scene.map(name, layer, mode, about=f"{name} before")]
    scene.act(lambda: scene.reach(name).chmod(0o640))
    _metadata(scene, name, name, layer, mode, before)


def _metadata(scene: Scene, name: str, below: str, layer: Layer, mode: str, before: list[Claim]) -> None:
    """Note a copy-up that may have been of the metadata only, and map again."""
    if scene.metacopy:
        before.append(scene.map(name, layer, mode, below=before[0].below, about=f"{name} after"))
        for claim in before:
            claim.metadata = identity(scene.real(scene.top, below))
        return
    _copied(before)
    scene.map(name, scene.top, mode, below=below, about=f"{name} after")


def _rename(scene: Scene, name: str, layer: Layer, mode: str) -> None:
    before = [scene.map(name, layer, mode, about=f"{name} before")]
    scene.act(lambda: scene.reach(name).rename(scene.reach(f"{name}-moved")))
    before[0].path = scene.named(f"{name}-moved")
    _metadata(scene, f"{name}-moved", f"{name}-moved", layer, mode, before)


def _unlink(scene: Scene, name: str, layer: Layer, mode: str) -> None:
    claim = scene.map(name, layer, mode)
    scene.act(lambda: scene.reach(name).unlink())
    claim.state = "deleted"


def _written_gone(scene: Scene, name: str, layer: Layer, mode: str) -> None:
    before = scene.map(name, layer, mode, about=f"{name} before")
    scene.act(lambda: write(scene.reach(name)))
    after = scene.map(name, scene.top, mode, about=f"{name} after")
    scene.act(lambda: scene.reach(name).unlink())
    before.state = after.state = "deleted"
    after.gone = True


def _swap(scene: Scene, name: str, layer: Layer, mode: str) -> None:
    before = scene.map(name, layer, mode, about=f"{name} before")
    scene.act(lambda: fill(scene.reach(f"{name}-new"), f"{scene.name} new {name}"))
    scene.act(lambda: scene.reach(f"{name}-new").rename(scene.reach(name)))
    before.state = "replaced"
    scene.map(name, scene.top, mode, about=f"{name} after")


def _cover(scene: Scene, name: str, layer: Layer, mode: str) -> None:
    claim = scene.map(name, layer, mode)
    other = name.replace("cover", "decoy")
    scene.target.ask("bind", scene.named(other).encode(), scene.named(name).encode())
    claim.state = "covered"
    if scene.root == "":
        scene.stack.callback(_uncover, scene, scene.named(name).encode())


def _uncover(scene: Scene, path: bytes) -> None:
    try:
        scene.target.ask("detach", path)
    except Refused:
        # The process went where it does not see the mount any more.
        return


def _fresh(scene: Scene, name: str, mode: str) -> None:
    upper = scene.top
    for what in ("stays", "goes", "moves"):
        scene.act(lambda what=what: fill(scene.reach(f"{name}-{what}"), f"{scene.name} {what} {name}"))
    scene.map(f"{name}-stays", upper, mode)
    goes, moves = scene.map(f"{name}-goes", upper, mode), scene.map(f"{name}-moves", upper, mode)
    scene.act(lambda: scene.reach(f"{name}-goes").unlink())
    goes.state, goes.gone = "deleted", True
    scene.act(lambda: scene.reach(f"{name}-moves").rename(scene.reach(f"{name}-moved")))
    moves.below, moves.path = f"{name}-moved", scene.named(f"{name}-moved")


_DO = {"plain": _plain, "write": _write, "chmod": _chmod, "rename": _rename, "gone": _unlink,
       "written-gone": _written_gone, "swap": _swap, "cover": _cover, "decoy": _plain}
