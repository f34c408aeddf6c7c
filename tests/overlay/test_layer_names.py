"""Every way to name the layers of an overlay: relative, by links, escaped, one option a layer, by descriptor."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.overlay import kernel
from tests.overlay.battery import happen, lay
from tests.overlay.scenes import Scene, gone
from tests.overlay.truth import check


def relative(scene: Scene, count: int, named: str) -> str:
    """Fill *count* layers below the scene's base and return their names relative to it."""
    names = []
    for number in range(count):
        layer = scene.lower(scene.base / "store" / f"{number:02}" / "diff")
        link = scene.base / "l" / f"{number:02}"
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(f"../store/{number:02}/diff")
        names.append(named.format(number))
        (layer.path / f"only{number}").write_bytes(b"")
    lay(scene, "one")
    return ":".join(names)


def mounted_from(scene: Scene, cwd: Path, options: str, target: Path) -> None:
    """Mount by a child whose current directory is *cwd*, then it is gone."""
    scene.settle()
    child = os.fork()
    if not child:
        try:
            os.chdir(cwd)
            kernel.mount("overlay", target, "overlay", 0, options)
        except OSError:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    scene.stack.callback(gone, target)


@pytest.mark.parametrize("count", [2, 70])
@pytest.mark.parametrize("named", ["l/{:02}", "store/{:02}/diff"])
@pytest.mark.parametrize("decoy", [False, True])
def test_relative_layers_are_named_rightly_or_not_at_all(lab, mapper, count, named, decoy):
    if count * (len(named) + 1) > 1000 and named.startswith("s"):
        count = 50
    with Scene(f"{count} relative {named.split('/')[0]} layers{', decoy' * decoy}", lab, mapper) as scene:
        texts = relative(scene, count, named)
        scene.upper(scene.base / "u")
        mounted_from(scene, scene.base, f"lowerdir={texts},upperdir=u,workdir=u-work", scene.merged)
        if decoy:
            (scene.base / "decoys").mkdir()
            for part in ("store", "l", "u", "u-work"):
                subprocess.run(["cp", "-a", scene.base / part, scene.base / "decoys" / part], check=True)
        scene.start()
        if decoy:
            scene.target.ask("chdir", scene.base / "decoys")
        happen(scene, "one")
        check(scene)


def escaped(path: Path, characters: str) -> str:
    """Return a path as an option of mount(2) takes it."""
    return "".join(f"\\{char}" if char in characters else char for char in str(path))


@pytest.mark.parametrize("name", ["co:lon", "com,ma", "back\\slash", "sp ace", "new\nline", '=#"', "(deleted)"])
@pytest.mark.parametrize("api", ["mount", "fsconfig"])
def test_odd_layer_names_are_read_rightly(lab, mapper, name, api):
    with Scene(f"layer name {name!r} by {api}", lab, mapper) as scene:
        first, second = scene.lower(scene.base / name / "l1"), scene.lower(scene.base / f"{name}{name}")
        upper = scene.upper(scene.base / f"u {name}")
        lay(scene, "one")
        if api == "mount":
            lowers = ":".join(escaped(layer.path, "\\:,") for layer in (first, second))
            above = escaped(upper.path, "\\,")
            scene.mount(options=f"lowerdir={lowers},upperdir={above},workdir={above}-work")
        else:
            scene.settle()
            lowers = [("lowerdir+", str(layer.path)) for layer in (first, second)]
            # upperdir and workdir are unescaped also here.
            above = [(key, str(path).replace("\\", "\\\\")) for key, path in (
                ("upperdir", upper.path), ("workdir", f"{upper.path}-work"))]
            kernel.mount_by_config(scene.merged, "overlay", [*lowers, *above])
            scene.stack.callback(gone, scene.merged)
        scene.start()
        happen(scene, "one")
        check(scene)


@pytest.mark.parametrize("detached", [False, True])
@pytest.mark.parametrize("named", ["by descriptor", "by name"])
def test_layers_of_fsconfig_are_read_rightly(lab, mapper, detached, named):
    with Scene(f"fsconfig {named}{', detached' * detached}", lab, mapper) as scene:
        ground = scene.stack.enter_context(kernel.filesystem("ext4", scene.base / "ground"))
        lowers = [scene.lower(ground / "l1"), scene.lower(ground / "l2")]
        upper = scene.upper(ground / "u")
        lay(scene, "one")
        scene.settle()
        options = [("lowerdir+", str(layer.path)) for layer in lowers]
        if named == "by descriptor":
            fds = [kernel.open_tree(layer.path) if detached else os.open(layer.path, os.O_PATH) for layer in lowers]
            options = [("lowerdir+", fd) for fd in fds]
            for fd in fds:
                scene.stack.callback(os.close, fd)
        kernel.mount_by_config(scene.merged, "overlay", [
            *options, ("upperdir", str(upper.path)), ("workdir", f"{upper.path}-work")])
        scene.stack.callback(gone, scene.merged)
        scene.start()
        happen(scene, "one")
        check(scene)
