"""Mounts that left the namespace, and decoys at the names that maps then prints."""

from pathlib import Path

import pytest

from tests.overlay.battery import LOWER, happen
from tests.overlay.files import fill
from tests.overlay.scenes import Scene
from tests.overlay.test_namespaces import all_become, only_there, scene
from tests.overlay.truth import check

__all__ = ["scene"]


@pytest.mark.parametrize("then", ["nothing", "the same overlay", "an overlay of the same layers", "a copy", "decoys"])
@pytest.mark.parametrize("container", [False, True])
def test_a_lazy_unmount(scene: Scene, then, container):
    scene.name += f", then {then}"
    scene.mount()
    if container:
        scene.target.ask("newns")
    happen(scene, "early")
    scene.target.ask("detach", scene.merged)
    # In a namespace of its own the process has let go of the only mount that it knew.
    all_become(scene, "detached")
    if then == "the same overlay" and not container:
        scene.mount()
    elif then == "an overlay of the same layers":
        text = f"lowerdir={':'.join(str(layer.path) for layer in scene.sources)}"
        scene.target.ask("overlay", scene.merged, text.encode().hex())
    elif then == "a copy":
        scene.target.ask("bind", scene.layers[0].path, scene.merged)
    elif then == "decoys":
        put = scene.reach("early")
        put.mkdir(parents=True)
        for name in LOWER:
            fill(put / f"{name}-s", "decoy")
            fill(put / f"{name}-p", "decoy")
    check(scene)


@pytest.mark.parametrize("pivoted", [False, True])
def test_a_decoy_at_the_text_that_a_detached_mount_prints(scene, pivoted):
    only_there(scene)
    root = scene.base / "root"
    root.mkdir()
    scene.target.ask("bind", scene.merged, root) if pivoted else None
    happen(scene, "early")
    texts = [claim.path.removeprefix(str(scene.merged)) for claim in scene.claims]
    scene.target.ask("detach", scene.merged)
    all_become(scene, "detached")
    jail = scene.base / "jail"
    for text in texts:
        fill(Path(f"{jail}{text}"), f"decoy {text}")
    scene.target.ask("chroot", root if pivoted else jail)
    check(scene)
