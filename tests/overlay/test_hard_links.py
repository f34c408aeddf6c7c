"""Hard links of a lower file: with an index they stay together, without one a copy-up parts them."""

from pathlib import Path

import pytest

from tests.overlay.battery import write
from tests.overlay.files import identity
from tests.overlay.scenes import Scene
from tests.overlay.test_marks import plain
from tests.overlay.truth import check


@pytest.mark.parametrize("options", ["", ",index=on", ",nfs_export=on", ",metacopy=on", ",metacopy=on,index=on"])
@pytest.mark.parametrize("done", ["written", "written, one unlinked", "one unlinked", "chmod", "renamed"])
@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_hard_links_of_a_lower_are_told_apart(lab, mapper, options, done, kind):
    told_apart(lab, mapper, options, done, kind)


@pytest.mark.parametrize("options", ["", ",index=on", ",nfs_export=on"])
@pytest.mark.parametrize("done", ["written", "renamed"])
def test_no_answer_is_wrong_where_copies_have_the_times_of_their_files(lab, mapper, options, done):
    told_apart(lab, mapper, options, done, "ext4 of seconds")


def told_apart(lab: Path, mapper: Path, options: str, done: str, kind: str) -> None:
    """Check the answers about hard links of which one is changed."""
    with plain(f"hard links {done}, {kind}{options}", lab, mapper, kind) as scene:
        lower = scene.sources[0]
        scene.fill(lower, "d/a")
        (lower.path / "d/b").hardlink_to(lower.path / "d/a")
        scene.mount(options)
        scene.start()
        one = [scene.map("d/a", lower, mode, about="a before") for mode in "spn"]
        two = [scene.map("d/b", lower, mode, about="b before") for mode in "spn"]
        links(scene, done, one, two, joined="index" in options or "nfs" in options, data="metacopy" not in options)
        check(scene)


def links(scene: Scene, done: str, one: list, two: list, *, joined: bool, data: bool) -> None:
    """Change the second name; with an index the first changes with it."""
    name = "d/b"
    if done.startswith("written"):
        write(scene.reach(name))
    elif done == "chmod":
        scene.reach(name).chmod(0o640)
    elif done == "renamed":
        name = "d/c"
        scene.reach("d/b").rename(scene.reach(name))
    if done.endswith("one unlinked"):
        scene.reach("d/a").unlink()
    # With an index also an unlink copies up: the index counts the links (ovl_nlink_start, fs/overlayfs/util.c).
    up = done != "one unlinked" or joined
    for claim in one * joined + two if up else ():
        if data or done.startswith("written"):
            claim.state = "copied-up"
        else:
            claim.metadata = identity(copy(scene, name))
    for claim in two:
        claim.path = scene.named(name)
    if done == "one unlinked" or not all(claim.state == "copied-up" for claim in two):
        pass
    elif done.endswith("one unlinked"):
        two.append(scene.map(name, scene.top, about="b after"))
    else:
        two.append(scene.map(name, scene.top, about="b after"))
        one.append(scene.map("d/a", scene.top if joined else scene.sources[0], below=name if joined else "d/a",
                             about="a after"))
    for claim in one if done.endswith("one unlinked") else ():
        claim.state = "deleted"


def copy(scene: Scene, name: str) -> Path:
    """Return the upper copy: by its name, or in the index."""
    index = Path(f"{scene.top.path}-work/index")
    named = scene.real(scene.top, name)
    return named if named.exists() else next(file for file in index.iterdir() if file.is_file())
