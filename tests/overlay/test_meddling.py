"""Files of a layer changed behind the overlay's back: unsupported by the kernel, and still no reason to be wrong."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.overlay import kernel
from tests.overlay.files import fill
from tests.overlay.scenes import Claim, Layer, Scene
from tests.overlay.truth import check


def a_file_is_renamed(path: Path) -> str | None:
    return path.rename(path.with_name("elsewhere")).name


def a_file_is_renamed_and_a_copy_takes_its_place(path: Path) -> str | None:
    path.rename(path.with_name("elsewhere"))
    shutil.copy2(path.with_name("elsewhere"), path)
    return "elsewhere"


def a_file_is_linked(path: Path) -> str | None:
    path.with_name("elsewhere").hardlink_to(path)
    return path.name


def a_file_is_linked_and_unlinked(path: Path) -> str | None:
    path.with_name("elsewhere").hardlink_to(path)
    path.unlink()
    return "elsewhere"


def a_file_is_replaced(path: Path) -> str | None:
    fill(path.with_name("new"), "new in the layer")
    path.with_name("new").rename(path)
    return None


def a_file_is_unlinked(path: Path) -> str | None:
    path.unlink()
    return None


MEDDLINGS = [a_file_is_renamed, a_file_is_renamed_and_a_copy_takes_its_place, a_file_is_linked,
             a_file_is_linked_and_unlinked, a_file_is_replaced, a_file_is_unlinked]


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
@pytest.mark.parametrize("meddling", MEDDLINGS, ids=lambda meddling: meddling.__name__)
@pytest.mark.parametrize(("role", "written"), [("lower", ""), ("lower", "then written"), ("lower", "written before"),
                                               ("lower", "then unlinked"), ("upper", "")])
def test_no_answer_is_wrong_when_a_layer_is_meddled_with(lab, mapper, kind, meddling, written, role):
    meddled(lab, mapper, kind, meddling, written, role)


@pytest.mark.parametrize("meddling", MEDDLINGS, ids=lambda meddling: meddling.__name__)
def test_no_answer_is_wrong_where_copies_have_the_times_of_their_files(lab, mapper, meddling):
    meddled(lab, mapper, "ext4 of seconds", meddling, "", "upper")


def meddled(lab: Path, mapper: Path, kind: str, meddling: Callable[[Path], str | None], written: str,
            role: str) -> None:
    """Check the answers about the files of a layer of which one was changed."""
    with Scene(f"{meddling.__name__.replace('_', ' ')} in the {role} {written}".strip(), lab, mapper) as scene:
        ground = scene.stack.enter_context(kernel.filesystem(kind, scene.base / "ground"))
        layer, upper = scene.lower(ground / "l"), scene.upper(ground / "u")
        scene.fill(layer, "d/file", "d/other")
        scene.mount()
        scene.start()
        if role == "upper":
            layer = upper
            fill(scene.reach("d/file"), "upper")
        claims = [scene.map("d/file", layer, mode, about=f"file before {mode}") for mode in "spn"]
        if written == "written before":
            write(scene, upper, claims)
        name = meddling(layer.path / "d/file")
        for claim in claims:
            if claim.layer is layer:
                claim.gone, claim.below = name is None, f"d/{name}"
        if written == "then written":
            write(scene, upper, claims)
        elif written == "then unlinked":
            unlink(scene, claims)
        check(scene)


def write(scene: Scene, upper: Layer, claims: list[Claim]) -> None:
    """Copy the file up; the copy is mapped too."""
    with scene.reach("d/file").open("r+b") as file:
        file.write(b"changed")
    for claim in claims:
        claim.state = "copied-up"
    claims.append(scene.map("d/file", upper, about="file after"))


def unlink(scene: Scene, claims: list[Claim]) -> None:
    scene.reach("d/file").unlink()
    for claim in claims:
        claim.state = "deleted"
