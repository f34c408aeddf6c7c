"""An overlay whose lower layer is an overlay: the bottom file is the answer."""

from pathlib import Path

import pytest

from tests.overlay import kernel
from tests.overlay.battery import LOWER, happen, lay
from tests.overlay.files import fill, pass_tick
from tests.overlay.scenes import Layer, Scene, gone
from tests.overlay.truth import check


class Nested(Scene):
    """Overlays on overlays: *middles* from the outermost in."""

    def deepen(self, depth: int, kind: str, *, inner_upper: bool, outer_upper: bool, inner_options: str = "") -> None:
        """Mount *depth* overlays below the outer one; the files are in the innermost."""
        ground = self.stack.enter_context(kernel.filesystem(kind, self.base / "ground"))
        self.sources = [self.bottom("lower", number, ground / f"l{number}") for number in (1, 2)]
        self.layers = list(self.sources)
        lay(self, "one", "two")
        lowers = f"{ground}/l1:{ground}/l2"
        for level in range(depth):
            above = ""
            if inner_upper:
                for name in (f"iu{level}", f"iw{level}"):
                    (ground / name).mkdir()
                above = f",upperdir={ground}/iu{level},workdir={ground}/iw{level}"
            merged = self.base / f"inner{level}"
            merged.mkdir()
            pass_tick(self.base)
            kernel.mount("overlay", merged, "overlay", 0, f"lowerdir={lowers}{above}{inner_options}")
            self.stack.callback(gone, merged)
            self.middles.insert(0, merged)
            (self.base / f"beside{level}").mkdir()
            lowers = f"{merged}:{self.base}/beside{level}"
        if inner_upper:
            self.fill_inner_upper(ground / "iu0")
        above = ""
        if outer_upper:
            upper = self.upper(self.base / "u")
            above = f",upperdir={upper.path},workdir={upper.path}-work"
        self.mount(options=f"lowerdir={lowers}{above}")

    def bottom(self, role: str, index: int, path: Path) -> Layer:
        path.mkdir(parents=True, exist_ok=True)
        return Layer(role, index, path)

    def fill_inner_upper(self, path: Path) -> None:
        """Write half of the files through the innermost overlay: its upper holds them."""
        layer = self.bottom("upper", 0, path)
        self.layers.append(layer)
        for name in LOWER:
            fill(self.middles[-1] / "two" / f"{name}-s", f"{self.name} inner upper {name}")
            fill(self.middles[-1] / "two" / f"{name}-p", f"{self.name} inner upper {name} p")
        fill(self.middles[-1] / "new", f"{self.name} inner upper new")


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
@pytest.mark.parametrize("inner_upper", [False, True])
@pytest.mark.parametrize("outer_upper", [False, True])
@pytest.mark.parametrize("container", [False, True])
def test_no_answer_is_wrong_about_an_overlay_on_overlays(lab, mapper, kind, inner_upper, outer_upper, container):
    name = f"an overlay on an overlay, {kind}{', inner upper' * inner_upper}{', outer upper' * outer_upper}"
    with Nested(name, lab, mapper) as scene:
        scene.deepen(1, kind, inner_upper=inner_upper, outer_upper=outer_upper)
        scene.start()
        if container:
            scene.contain()
        happen(scene, "one", writable=outer_upper)
        if inner_upper:
            scene.sources = [layer for layer in scene.layers if layer.role == "upper" and layer is not top(scene)]
            two(scene, writable=outer_upper)
        check(scene, inside=container)


@pytest.mark.parametrize("outer_upper", [False, True])
def test_no_answer_is_wrong_where_the_inner_overlay_gives_handles_of_its_own(lab, mapper, outer_upper):
    with Nested(f"an overlay on one with nfs_export=on{', outer upper' * outer_upper}", lab, mapper) as scene:
        scene.deepen(1, "ext4", inner_upper=True, outer_upper=outer_upper, inner_options=",nfs_export=on")
        scene.start()
        happen(scene, "one", writable=outer_upper)
        check(scene)


def top(scene: Scene) -> Layer | None:
    return getattr(scene, "top", None)


def two(scene: Scene, *, writable: bool) -> None:
    """Do the same to files that the inner upper holds."""
    scene.map("new", scene.sources[0])
    happen(scene, "two", writable=writable, singles=False)


def test_the_kernel_refuses_a_third_overlay_on_top(lab, mapper):
    # FILESYSTEM_MAX_STACK_DEPTH: deeper scenes cannot exist.
    with Nested("three deep", lab, mapper) as scene, pytest.raises(OSError, match="Invalid argument"):
        scene.deepen(2, "tmpfs", inner_upper=False, outer_upper=False)


@pytest.mark.parametrize("container", [False, True])
def test_no_answer_is_wrong_when_the_inner_overlay_left_the_namespace(lab, mapper, container):
    with Nested("the inner overlay unmounted", lab, mapper) as scene:
        scene.deepen(1, "ext4", inner_upper=True, outer_upper=True)
        scene.start()
        if container:
            scene.contain()
        happen(scene, "one")
        kernel.umount(scene.middles[0], kernel.MNT_DETACH)
        check(scene, inside=container)


def test_no_answer_is_wrong_when_a_decoy_has_the_inner_name(lab, mapper):
    with Nested("a decoy at the inner name", lab, mapper) as scene:
        scene.deepen(1, "ext4", inner_upper=False, outer_upper=True)
        scene.start()
        scene.target.ask("newns")
        scene.stack.enter_context(kernel.mounted("decoy", scene.base / "root", "tmpfs"))
        scene.target.ask("chroot", scene.merged)
        scene.root = str(scene.merged)
        for name in ("plain", "write"):
            scene.map(f"one/{name}-s", scene.sources[LOWER.index(name) % 2])
        check(scene)
