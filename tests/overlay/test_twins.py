"""Two histories that a kernel which shows the file of a layer shows as one: of such a name nothing can be said.

What such a kernel shows of the mapping, and what lies in the layers afterwards, is equal; what the process calls the
file is not, as the kernel of this machine says.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mapsd.parse import maps
from tests.conftest import missing
from tests.overlay import kernel, layered
from tests.overlay.child import told
from tests.overlay.files import fill
from tests.overlay.scenes import Scene, gone


def unlinked(scene: Scene) -> int:
    return unlinked_as(scene, "file")


def renamed_and_unlinked(scene: Scene) -> int:
    return unlinked_as(scene, "other")


def unlinked_as(scene: Scene, last: str) -> int:
    """Map a lower file; give it another name, or leave it the one it has; and unlink it."""
    address = scene.target.map(scene.merged / "file")
    (scene.merged / "file").rename(scene.merged / last)
    (scene.merged / last).unlink()
    return address


def made(scene: Scene) -> int:
    fill(scene.merged / "made", "made")
    return scene.target.map(scene.merged / "made")


def made_and_linked(scene: Scene) -> int:
    fill(scene.merged / "made", "made")
    (scene.merged / "link").hardlink_to(scene.merged / "made")
    address = scene.target.map(scene.merged / "link")
    (scene.merged / "link").unlink()
    return address


def copied_up(scene: Scene) -> int:
    address = scene.target.map(scene.merged / "file")
    os.utime(scene.merged / "file", (1, 1))
    return address


def replaced(scene: Scene) -> int:
    address = scene.target.map(scene.merged / "file")
    data = (scene.merged / "file").read_bytes()
    (scene.merged / "file").unlink()
    (scene.merged / "file").write_bytes(data)
    os.utime(scene.merged / "file", (1, 1))
    return address


def ended(lab: Path, mapper: Path, history: Callable[[Scene], int], form: str) -> tuple[object, str, dict]:
    """Return what a history left to be seen on such a kernel, what the file is called, and what is answered."""
    with Scene("twins", lab, mapper) as scene:
        scene.fill(scene.lower(scene.base / "l"), "file")
        scene.upper(scene.base / "u")
        scene.mount()
        scene.start()
        address = history(scene)
        line, seen = told(lambda: of_such_a_kernel(scene, address, form))
        answer = layered.asked_on(scene.target.pid, form, scene.base)[address]
        return (line, seen, *(left(scene.base / layer, form) for layer in "lu")), called(scene, address), answer


def of_such_a_kernel(scene: Scene, address: int, form: str) -> tuple[str, list]:
    """Return what maps and map_files show, with the layer's file by its name in place of its numbers."""
    shown = layered.Kernel(scene.base, bare=form == "bare")
    held = shown.held(scene.target.pid, address)
    file, facts = shown.file(held), shown.facts(held)
    return shown.text(held).decode(), [file and str(file.relative_to(scene.base)), facts.nlink, facts.size]


def left(layer: Path, form: str) -> list[tuple]:
    """Return what lies in a layer, without what the kernels of this form did not write yet."""
    found = []
    for path in sorted(layer.rglob("*")):
        seen, attributes = path.lstat(), sorted(os.listxattr(path))
        if form == "inside the layer":
            # Before Linux 4.12, a copy did not say of what it is one.
            attributes = [name for name in attributes if name != "trusted.overlay.origin"]
        # Before Linux 5.8, no two whiteouts were one inode.
        links = seen.st_nlink if path.is_file() else 1
        found.append((path.name, seen.st_mode, links, seen.st_rdev, path.is_file() and path.read_bytes(), attributes))
    return found


def called(scene: Scene, address: int) -> str:
    """Return the text of the mapping on this machine's kernel, from the overlay's root on."""
    text = Path(f"/proc/{scene.target.pid}/maps").read_bytes()
    name = next(vma.name for vma in maps.parse(text) if vma.start == address)
    return os.fsdecode(name).removeprefix(str(scene.merged))


@pytest.mark.parametrize(("histories", "names", "form"), [
    ((unlinked, renamed_and_unlinked), ("/file (deleted)", "/other (deleted)"), "inside the layer"),
    ((unlinked, renamed_and_unlinked), ("/file (deleted)", "/other (deleted)"), "bare"),
    ((copied_up, replaced), ("/file", "/file (deleted)"), "inside the layer"),
    ((made, made_and_linked), ("/made", "/link (deleted)"), "bare")])
def test_what_is_seen_is_the_same_and_the_name_is_not(lab, mapper, histories, names, form):
    if layered.lacking():
        missing("overlay", layered.lacking())
    (one, first, answer), (two, second, other) = (ended(lab, mapper, history, form) for history in histories)
    assert one == two
    assert (first, second) == names
    assert [(said["user_path"], said["state"]) for said in (answer, other)] == [(None, "unknown")] * 2
    assert answer["reason"]


@pytest.mark.parametrize("form", layered.FORMS)
def test_of_two_overlays_on_one_another_the_inner_ones_mount_is_all_that_is_seen(lab, mapper, form):
    if layered.lacking():
        missing("overlay", layered.lacking())
    with Scene("twins of nested overlays", lab, mapper) as scene:
        scene.fill(scene.lower(scene.base / "l"), "file")
        inner = scene.base / "inner"
        for name in ("inner", "below"):
            (scene.base / name).mkdir()
        kernel.mount("inner", inner, "overlay", 0, f"lowerdir={scene.base}/l:{scene.base}/below")
        scene.stack.callback(gone, inner)
        upper = scene.upper(scene.base / "u").path
        scene.mount(options=f"lowerdir={inner},upperdir={upper},workdir={upper}-work")
        scene.start()
        addresses = [scene.target.map(mount / "file") for mount in (scene.merged, inner)]
        # Nothing of the namespace leads to the second name any more.
        kernel.umount(inner, kernel.MNT_DETACH)
        one, other = told(lambda: [seen_by(scene, address, form) for address in addresses])
        assert one == other
        answers = layered.asked_on(scene.target.pid, form, scene.base)
        assert [answers[address]["user_path"] for address in addresses] == [None, None]


def seen_by(scene: Scene, address: int, form: str) -> list:
    """Return the text of a mapping, and what its link opens, the mount included."""
    shown = layered.Kernel(scene.base, bare=form == "bare")
    held = shown.held(scene.target.pid, address)
    return [shown.text(held).decode(), repr(shown.facts(held))]
