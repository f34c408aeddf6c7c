"""Data-only layers: a metacopy file in a lower layer leads to the bytes by an absolute redirect."""

import os
from pathlib import Path

import pytest

from tests.overlay import kernel
from tests.overlay.battery import happen, lay
from tests.overlay.files import fill
from tests.overlay.scenes import Scene, gone
from tests.overlay.target import PAGE
from tests.overlay.truth import check


def mark(path: Path, prefix: str = "trusted.overlay.", **values: bytes) -> None:
    """Set overlay attributes."""
    for name, value in values.items():
        os.setxattr(path, prefix + name, value)


@pytest.mark.parametrize("api", ["::", "datadir+"])
@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize("options", [",redirect_dir=on,metacopy=on", ""])
def test_data_only_layers_hold_the_bytes(lab, mapper, api, writable, options):
    with Scene(f"data-only {api}{', writable' * writable}{options}", lab, mapper) as scene:
        ground = scene.stack.enter_context(kernel.filesystem("ext4", scene.base / "ground"))
        top = scene.lower(ground / "l1")
        scene.sources, scene.marked = [], top
        data = [scene.lower(ground / f"d{number}", "data") for number in (1, 2)]
        if writable:
            scene.upper(ground / "u")
        lay(scene, "one")
        for layer in data:
            for file in filter(Path.is_file, layer.path.rglob("*")):
                below = file.relative_to(layer.path)
                fill(top.path / below, "never seen")
                os.truncate(top.path / below, 0)
                os.truncate(top.path / below, 2 * PAGE)
                mark(top.path / below, metacopy=b"", redirect=b"/" + os.fsencode(below))
        if api == "::":
            scene.mount(options)
        else:
            scene.settle()
            scene.metacopy = "metacopy=on" in options
            pairs = [tuple(part.split("=")) for part in options.split(",") if part]
            named = [("lowerdir+" if layer.role == "lower" else "datadir+", str(layer.path)) for layer in (top, *data)]
            above = [("upperdir", str(scene.top.path)), ("workdir", f"{scene.top.path}-work")] if writable else []
            kernel.mount_by_config(scene.merged, "overlay", [*named, *above, *pairs])
            scene.stack.callback(gone, scene.merged)
        scene.start()
        happen(scene, "one", writable=writable)
        check(scene)
