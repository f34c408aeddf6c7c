"""A process whose root is in an engine's store: the store's directories are named as we name them."""

import os
from pathlib import Path

import pytest

from mapsd import Session
from tests.engines.stores import docker
from tests.overlay import kernel
from tests.overlay.scenes import Scene, gone


@pytest.mark.parametrize("bound", [False, True], ids=["", "mounted on itself"])
@pytest.mark.parametrize("more", ["", ",uuid=off"])
def test_layers_of_an_image_have_the_names_of_backing_files(lab, mapper, more, bound):
    with Scene("stored", lab, mapper) as scene:
        store = scene.base / "docker"
        if bound:
            # As Docker and Podman have it.
            (store / "overlay2").mkdir(parents=True)
            kernel.mount(store / "overlay2", store / "overlay2", None, kernel.MS_BIND)
            scene.stack.callback(gone, store / "overlay2")
        scene.upper(Path(os.fsdecode(docker(store))))
        lowers = [scene.lower(store / f"overlay2/cache{number}/diff") for number in (2, 1, 0)]
        scene.fill(lowers[0], "held")
        (lowers[0].path / "proc").mkdir()
        scene.mount(more)
        pid = scene.start().pid
        scene.contain()
        scene.target.map(Path("/held"))
        with Session() as session:
            image = session.image_layers(session.container(pid))
            [held] = [one for one in session.lookup(pid, contained=True).mappings if one.user_path == b"/held"]
        assert {one.directory for one in image.layers} >= {os.fsencode(one.path) for one in lowers}
        assert held.backing.image_layer in image.layers
