"""Where a process stands: its root, its mount namespace, what left it, and decoys at the names that maps prints."""

import os
from pathlib import Path

import pytest

from tests.overlay import kernel
from tests.overlay.battery import LOWER, cover, happen, jail, lay
from tests.overlay.scenes import Claim, Scene, gone
from tests.overlay.target import Target
from tests.overlay.truth import check


@pytest.fixture(params=["tmpfs", "ext4"])
def scene(lab, mapper, request):
    """A scene of two lowers and an upper that is not mounted yet, and its process."""
    with Scene(request.node.name.removeprefix("test_"), lab, mapper) as made:
        ground = made.stack.enter_context(kernel.filesystem(request.param, made.base / "ground"))
        for layer in ("l1", "l2"):
            made.lower(ground / layer)
        made.upper(ground / "u")
        lay(made, "early", "late")
        (made.layers[0].path / "sub").mkdir()
        made.settle()
        made.start()
        yield made


def only_there(scene: Scene) -> None:
    """Mount the overlay in a namespace of the process's own."""
    scene.target.ask("newns")
    scene.target.ask("overlay", scene.merged, scene.options().encode().hex())


def all_become(scene: Scene, state: str) -> None:
    for claim in scene.claims:
        claim.state, claim.path = state, None


def test_a_chroot_into_a_subdirectory(scene):
    scene.mount()
    happen(scene, "early")
    scene.target.ask("chroot", scene.merged / "early")
    root = str(scene.merged / "early")
    for claim in scene.claims:
        inside = claim.path.startswith(f"{root}/")
        claim.path = claim.path.removeprefix(root) if inside else None
        claim.state = claim.state if inside else "unreachable"
    check(scene)


def test_a_chroot_with_decoys_at_the_shown_names(scene):
    scene.mount()
    happen(scene, "early")
    jail(scene)
    check(scene)


def test_an_overlay_that_only_its_process_sees(scene):
    only_there(scene)
    happen(scene, "early")
    check(scene)


def test_a_chroot_in_a_namespace_of_its_own(scene):
    only_there(scene)
    scene.target.ask("bind", Path("/proc"), scene.merged / "proc")
    scene.target.ask("chroot", scene.merged)
    scene.root = str(scene.merged)
    happen(scene, "early")
    check(scene, inside=True)


def test_a_pivoted_root(scene):
    only_there(scene)
    scene.target.ask("bind", Path("/proc"), scene.merged / "proc")
    scene.target.ask("pivot", scene.merged)
    scene.root = str(scene.merged)
    happen(scene, "early")
    check(scene, inside=True)


def test_a_pivot_after_the_mappings_were_made(scene):
    only_there(scene)
    scene.target.ask("bind", Path("/proc"), scene.merged / "proc")
    happen(scene, "early")
    scene.target.ask("pivot", scene.merged)
    scene.root = str(scene.merged)
    for claim in scene.claims:
        claim.path = claim.path.removeprefix(scene.root)
    happen(scene, "late")
    check(scene, inside=True)


@pytest.mark.parametrize("container", [False, True])
def test_two_overlays_on_one_mount_point(scene, container):
    scene.mount()
    happen(scene, "early")
    cover(scene, elsewhere=container)
    check(scene)


@pytest.mark.parametrize("container", [False, True])
def test_a_bind_of_a_subdirectory(scene, container):
    scene.mount()
    bound = scene.base / "bound"
    bound.mkdir()
    if container:
        scene.target.ask("newns")
    scene.target.ask("bind", scene.merged / "early", bound)
    scene.stack.callback(gone, bound)
    whole, scene.merged = scene.merged, bound
    for name, layer in zip(LOWER, scene.sources * len(LOWER), strict=False):
        made = scene.map(f"{name}-s", layer, below=f"early/{name}-s", about=f"bound {name}")
        assert made.path == f"{bound}/{name}-s"
    changes(scene, bound, whole)
    check(scene)


def changes(scene: Scene, bound: Path, whole: Path) -> None:
    """Write, unlink and move files through the whole overlay."""
    by: dict[str, Claim] = {claim.about.split()[1]: claim for claim in scene.claims}
    reach = Path(f"/proc/{scene.target.pid}/root{whole}/early")
    with (reach / "write-s").open("r+b") as file:
        file.write(b"changed")
    by["write"].state = "copied-up"
    (reach / "gone-s").unlink()
    by["gone"].state = "deleted"
    (reach / "rename-s").rename(reach / "moved-s")
    by["rename"].state, by["rename"].path = "copied-up", f"{bound}/moved-s"
    (reach / "swap-s").rename(reach.parent / "out-of-the-bind")
    by["swap"].state, by["swap"].path = "unreachable", None


def test_a_file_from_another_mount_namespace(scene):
    only_there(scene)
    names = [f"early/{name}-{mode}" for name in LOWER for mode in "sp"]
    fds = {name: os.open(scene.reach(name), os.O_RDONLY) for name in names}
    holder = scene.target
    try:
        with Target(scene.mapper, pass_fds=list(fds.values())) as other:
            for name, layer in held(scene, names):
                address = other.ask("fdmap", name[-1], fds[name])
                scene.target = other
                scene.claim(address, layer, name, f"passed {name}", 0, None, state="unreachable")
            check(scene)
            scene.target = holder
            with scene.reach("early/write-s").open("r+b") as file:
                file.write(b"changed")
            scene.reach("early/gone-s").unlink()
            scene.target = other
            check(scene)
            scene.target = holder
            scene.target.ask("detach", scene.merged)
            all_become(scene, "detached")
            scene.target = other
            check(scene)
    finally:
        scene.target = holder
        for fd in fds.values():
            os.close(fd)


def held(scene: Scene, names: list[str]) -> list:
    turn = [layer for layer, _ in zip(scene.sources * len(LOWER), LOWER, strict=False)]
    order = dict(zip(LOWER, turn, strict=True))
    return [(name, order[name.removeprefix("early/")[:-2]]) for name in names]


def test_a_process_whose_leader_has_exited(scene):
    scene.mount()
    happen(scene, "early")
    scene.target.ask("thread")
    check(scene)
