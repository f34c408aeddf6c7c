"""The means of proof asked of the same mappings: they agree with each other and with the bytes wherever they speak."""

import ctypes
import os
from collections import Counter

import pytest

from tests.overlay import kernel
from tests.overlay.battery import happen, lay, write
from tests.overlay.conftest import asked
from tests.overlay.files import fill
from tests.overlay.scenes import Scene
from tests.overlay.target import PAGE
from tests.overlay.truth import MEANS, agreement, both_spoke, check

ROUNDS = ("one", "two", "three", "four")
LEAST = {("page-frame", "build-id"): 20, ("page-frame", "bpf"): 100, ("build-id", "bpf"): 20}
_PUNCH = 1 | 2  # FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE
_libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(params=["tmpfs", "ext4"])
def scene(request, lab, mapper):
    with Scene(f"agreement, {request.param}", lab, mapper) as made:
        ground = made.stack.enter_context(kernel.filesystem(request.param, made.base / "ground"))
        made.upper(ground / "upper")
        for name in ("lower1", "lower2"):
            made.lower(ground / name)
        yield made


def test_wherever_two_means_speak_they_agree(scene, capsys):
    lay(scene, *ROUNDS)
    scene.mount()
    scene.start()
    scene.contain()
    for which in ROUNDS:
        happen(scene, which, singles=False)
    said = {proof: asked(scene.target.pid, proof) for proof in MEANS}
    assert agreement(scene, said) == []
    spoke = Counter(pair for _, pair, _ in both_spoke(scene, said))
    found = asked(scene.target.pid)
    mine = [found[claim.address] for claim in scene.claims]
    proven = sum(one["confidence"] == "proven" for one in mine)
    with capsys.disabled():
        print(f"\n{scene.name}: no disagreement;", ", ".join(f"{' and '.join(pair)} {n}" for pair, n in spoke.items()),
              f"mappings; of {len(mine)} overlay mappings of the container {proven / len(mine):.1%} are proven")
    assert all(spoke[pair] >= least for pair, least in LEAST.items()), spoke
    assert proven >= 0.99 * len(mine)


def _truncated(path):
    os.truncate(path, 2 * PAGE)


def _punched(path):
    with path.open("r+b") as file:
        where = ctypes.c_long(PAGE), ctypes.c_long(PAGE)
        assert _libc.fallocate(file.fileno(), _PUNCH, *where) == 0, os.strerror(ctypes.get_errno())


def _rewritten(path):
    with path.open("r+b") as file:
        file.write(os.urandom(4 * PAGE))


@pytest.mark.parametrize("change", [_truncated, _punched, _rewritten])
def test_an_upper_file_that_changes_while_it_is_mapped(scene, change):
    """The lower file's mapping stays what it was, the upper copy's is what the copy has become."""
    fill(scene.sources[0].path / "file", "four pages", 4)
    scene.mount()
    scene.start()
    before = [scene.map("file", scene.sources[0], mode, page=page, about=f"before {page}")
              for mode in "sn" for page in (0, 1)]
    write(scene.reach("file"))
    after = [scene.map("file", scene.top, mode, page=page, about=f"after {page}") for mode in "sn" for page in (0, 1)]
    change(scene.reach("file"))
    for claim in before:
        claim.state = "copied-up"
    for claim in after:
        claim.held = scene.real(scene.top, "file").read_bytes()[claim.page * PAGE:][:PAGE]
    check(scene)


def test_two_containers_that_share_a_lower_file(lab, mapper):
    """One writes and copies up; the other's mapping of the same lower file stays current."""
    with Scene("one of two containers", lab, mapper) as one, Scene("the other container", lab, mapper) as other:
        shared = one.base / "shared"
        for scene in (one, other):
            scene.upper(scene.base / "upper")
            scene.lower(shared)
        one.fill(one.sources[0], "lib")
        (shared / "proc").mkdir()
        for scene in (one, other):
            scene.mount()
            scene.start()
            scene.contain()
            scene.map("lib", scene.sources[0], about="before")
        write(one.reach("lib"))
        one.claims[0].state = "copied-up"
        one.map("lib", one.top, about="after")
        other.map("lib", other.sources[0], "n", about="untouched")
        check(one)
        check(other)
