"""Kernels that show the file of a layer in place of an overlay's: names are found again, and none is wrong.

Every second scene that is asked about by everybody is asked about on such a kernel as well, with MAPSD_LACKING=all each
(tests/overlay/truth.py); here is what has to be found, and what must not be.
"""

import json
import subprocess

import pytest

from mapsd.cli.__main__ import main
from mapsd.linux.machine import LiveMachine
from tests.cli.command import MAPSD
from tests.conftest import missing
from tests.overlay import kernel, layered
from tests.overlay.battery import happen, lay
from tests.overlay.child import told
from tests.overlay.inside import opened
from tests.overlay.scenes import Scene
from tests.overlay.truth import compare
from tests.schema import answered


@pytest.fixture
def scene(lab, mapper):
    if layered.lacking():
        missing("overlay", layered.lacking())
    with Scene("files of layers shown", lab, mapper) as made:
        ground = made.stack.enter_context(kernel.filesystem("ext4", made.base / "ground"))
        made.upper(ground / "u")
        for name in ("l1", "l2"):
            made.lower(ground / name)
        lay(made, "one")
        yield made


def asked(scene, form):
    """Return the answers to each claim, none of which is wrong."""
    found = layered.asked_on(scene.target.pid, form, scene.base)
    wrong = compare(scene, layered.named(form), found, opened)
    assert not wrong, "\n".join(["", *wrong])
    return [(claim, found[claim.address]) for claim in scene.claims]


@pytest.mark.parametrize("form", layered.FORMS)
@pytest.mark.parametrize("container", [False, True])
def test_what_is_there_has_its_name_and_state(scene, form, container):
    scene.fill(scene.top, "old")
    scene.mount()
    scene.start()
    if container:
        scene.contain()
    happen(scene, "one")
    scene.map("old", scene.top)
    told = [(claim, answer) for claim, answer in asked(scene, form) if claim.state in {"current", "copied-up"}
            and "rename" not in claim.about and (claim.layer is not scene.top or claim.about.startswith("old"))]
    assert len(told) > 15
    for claim, answer in told:
        assert (answer["state"], answer["user_path"], answer["proof"]) == (claim.state, claim.path, "kernel-inode")
        assert answer["backing"]["path"] == str(claim.where())
        assert answer["evidence"][-1]["kind"] == "mount"


@pytest.mark.parametrize("form", layered.FORMS)
def test_a_live_link_is_not_taken_for_an_unlinked_one_of_the_same_upper_file(scene, form):
    scene.fill(scene.top, "link")
    (scene.top.path / "unlinked").hardlink_to(scene.top.path / "link")
    scene.mount()
    scene.start()
    scene.map("link", scene.top)
    scene.map("unlinked", scene.top)
    (scene.merged / "unlinked").unlink()
    scene.claims[1].state, scene.claims[1].below = "deleted", "link"
    # Both share the overlay's inode, which keeps the dentry that was met first.
    assert [answer["state"] for _, answer in asked(scene, form)] == ["unknown", "unknown"]


@pytest.mark.parametrize("form", layered.FORMS)
def test_links_of_one_lower_file_are_told_apart_by_their_texts_alone(scene, form):
    (scene.sources[0].path / "link").hardlink_to(scene.sources[0].path / "layer0")
    scene.mount()
    scene.start()
    scene.map("layer0", scene.sources[0])
    scene.map("link", scene.sources[0], below="layer0")
    scene.map("layer1", scene.sources[1])
    (scene.merged / "layer0").unlink()
    scene.claims[0].state = "deleted"
    states = [answer["state"] for _, answer in asked(scene, form)]
    assert states == ["unknown", "unknown" if form == "bare" else "current", "current"]


@pytest.mark.parametrize("form", layered.FORMS)
@pytest.mark.parametrize("then", ["nothing", "an overlay of the same layers"])
def test_another_overlay_of_the_same_layers_gives_no_name(scene, form, then):
    scene.mount()
    scene.start()
    for number, layer in enumerate(scene.sources):
        scene.map(f"layer{number}", layer)
    kernel.umount(scene.merged, kernel.MNT_DETACH)
    if then != "nothing":
        scene.mount(options=f"lowerdir={':'.join(str(layer.path) for layer in scene.sources)}")
    for claim in scene.claims:
        claim.state, claim.path = "detached", None
    assert [answer["state"] for _, answer in asked(scene, form)] == ["unknown", "unknown"]


def test_where_the_kernel_shows_paths_nothing_is_mapped_for_a_name(scene):
    scene.mount()
    scene.start()
    happen(scene, "one")

    def never(*_: object) -> tuple[str, str]:
        raise AssertionError("a name was mapped once more")

    def work() -> dict:
        LiveMachine.again = never
        return answered(scene.target.pid)
    states = {int(one["start"], 16): one["state"] for one in told(work)["mappings"]}
    assert {claim.about: states[claim.address] for claim in scene.claims} == {
        claim.about: claim.state for claim in scene.claims}


@pytest.mark.parametrize("form", layered.FORMS)
def test_a_recording_of_such_a_kernel_says_the_same_on_this_one(scene, form, tmp_path):
    scene.mount()
    scene.start()
    happen(scene, "one")
    pid, path = str(scene.target.pid), tmp_path / "recording"
    assert told(lambda: layered.pretend(scene.base, bare=form == "bare") or main(["record", pid, "-o", str(path)])) == 0
    printed = subprocess.check_output([MAPSD, "lookup", pid, "--json", "--from", path])
    recorded = {int(one["start"], 16): (one["user_path"], one["state"]) for one in json.loads(printed)["mappings"]}
    assert {claim.about: recorded[claim.address] for claim, _ in asked(scene, form)} == {
        claim.about: (answer["user_path"], answer["state"]) for claim, answer in asked(scene, form)}
