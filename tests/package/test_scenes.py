"""Every shipped form, under every Python of the machine, asked about overlays from a directory outside the checkout."""

import json
import shutil
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.overlay import census, kernel
from tests.overlay.battery import happen, lay, rootless
from tests.overlay.inside import opened
from tests.overlay.scenes import Scene
from tests.overlay.test_namespaces import all_become
from tests.overlay.test_nested import Nested
from tests.overlay.truth import compare, scene_is_true
from tests.package.shipped import FORMS, Python
from tests.schema import validate

NOBODY = 65534


def layered(scene: Scene) -> Scene:
    scene.upper(scene.base / "upper")
    for name in ("lower1", "lower2"):
        scene.lower(scene.base / name)
    lay(scene, "one")
    return scene


def a_container(scene: Scene) -> None:
    layered(scene).mount()
    scene.start()
    scene.contain()
    happen(scene, "one")


def an_overlay_on_an_overlay(scene: Nested) -> None:
    scene.deepen(1, "tmpfs", inner_upper=True, outer_upper=True)
    scene.start()
    scene.contain()
    happen(scene, "one")


def a_detached_overlay(scene: Scene) -> None:
    layered(scene).mount()
    scene.start()
    happen(scene, "one")
    scene.target.ask("detach", scene.merged)
    all_become(scene, "detached")


def a_chroot(scene: Scene) -> None:
    layered(scene).mount()
    scene.start()
    happen(scene, "one")
    scene.target.ask("chroot", scene.merged / "one")
    root = f"{scene.merged}/one"
    for claim in scene.claims:
        inside = claim.path.startswith(f"{root}/")
        claim.state, claim.path = (claim.state, claim.path.removeprefix(root)) if inside else ("unreachable", None)


def a_users_own_overlay(scene: Scene) -> None:
    """All of it is an ordinary user's: layers, user namespace, mount and process."""
    layered(scene)
    rootless(scene)
    happen(scene, "one")


# The user's first: where a process sees several overlays its user can know little.
MADE = {a_users_own_overlay: Scene, a_container: Scene, an_overlay_on_an_overlay: Nested, a_detached_overlay: Scene,
        a_chroot: Scene}


@pytest.fixture(scope="module")
def scenes(lab: Path, mapper: Path, place: Path):
    """The scenes by name, where every user may enter them; they stay as they are while each form is asked."""
    assert lab.is_dir()
    with ExitStack() as stack:
        ground = stack.enter_context(kernel.mounted("scenes", place / "scenes", "tmpfs", 0, "mode=0755"))
        program = shutil.copy(mapper, ground)
        made = {}
        for make, kind in MADE.items():
            scene = stack.enter_context(kind(make.__name__.replace("_", " "), ground, program))
            make(scene)
            scene_is_true(scene)
            made[make.__name__] = scene
        yield made


def answers(python: Python, form: str, scene: Scene, *, ordinary: bool = False) -> dict[int, dict]:
    done = python.run(form, "lookup", scene.target.pid, "--json", ordinary=ordinary)
    assert (done.returncode, done.stderr) == (0, b"")
    return {int(one["start"], 16): one for one in validate(json.loads(done.stdout))["mappings"]}


@pytest.mark.parametrize("form", FORMS)
def test_root_is_told_the_truth_with_proof(scenes, python, form):
    wrong = []
    for scene in scenes.values():
        # A user's own layers are out of reach under the names that he sees.
        observer = census.ROOT if scene is not scenes["a_users_own_overlay"] else f"{form}, outside"
        wrong += compare(scene, observer, answers(python, form, scene), opened)
    assert not wrong, "\n".join(["", *wrong])


@pytest.fixture(scope="module")
def known(scenes, python) -> Counter[str]:
    """What the checkout tells an ordinary user about his own overlay: how many mappings are in each state."""
    return states(scenes["a_users_own_overlay"], answers(python, "checkout", scenes["a_users_own_overlay"],
                                                         ordinary=True))


def states(scene: Scene, found: dict[int, dict]) -> Counter[str]:
    return Counter(found[claim.address]["state"] for claim in scene.claims)


@pytest.mark.parametrize("form", FORMS)
def test_an_ordinary_user_is_told_the_truth_about_his_own(scenes, python, form, known):
    scene = scenes["a_users_own_overlay"]
    found = answers(python, form, scene, ordinary=True)
    assert compare(scene, f"{form} of a user, outside", found, opened) == []
    assert known["current"] > 0
    assert states(scene, found) == known


@pytest.mark.parametrize("form", FORMS)
def test_an_ordinary_user_is_denied_what_is_roots(scenes, python, form):
    done = python.run(form, "lookup", scenes["a_container"].target.pid, ordinary=True)
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"CAP_SYS_PTRACE" in done.stderr
    assert done.stderr.count(b"\n") == 1
