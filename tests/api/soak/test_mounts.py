"""A container that mounts and unmounts all the time: what is said of its files is right, or unknown."""

import mmap
import os
import signal
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.api.crowd import is_busy
from tests.api.running import Daemon, daemon, until
from tests.overlay import kernel
from tests.overlay.inside import opened
from tests.overlay.scenes import Claim, Scene
from tests.overlay.truth import _backing, _paths, compare, scene_is_true

ASKED = 150
NAMES = [f"file{number}" for number in range(6)]
COVERED = NAMES[0]  # by the next one, half of the time; nobody touches the others


@pytest.fixture
def scene(base, mapper) -> Iterator[Scene]:
    """A container whose process maps files of two layers that nobody touches any more."""
    with Scene("mounts", base, mapper) as made:
        layers = [made.lower(made.base / f"lower{number}") for number in (1, 2)]
        made.upper(made.base / "upper")
        for place, name in enumerate(NAMES):
            made.fill(layers[place % 2], name)
        for directory in ("proc", "there"):
            (layers[0].path / directory).mkdir()
        made.mount()
        made.start()
        made.contain()
        for place, name in enumerate(NAMES):
            made.map(name, layers[place % 2], "s" if place % 3 else "p")
        yield made


@contextmanager
def mounting(pid: int) -> Iterator[mmap.mmap]:
    """Mount and unmount in the mount namespace of a process, without a pause; how often is in what is given."""
    counter = mmap.mmap(-1, 8)
    namespace, root = (os.open(f"/proc/{pid}/{name}", os.O_RDONLY) for name in ("ns/mnt", "root"))
    child = os.fork()
    if not child:
        try:
            kernel.setns(namespace, kernel.CLONE_NEWNS)
            os.fchdir(root)
            os.chroot(".")
            mount_for_ever(counter)
        finally:
            os._exit(1)
    os.close(namespace)
    os.close(root)
    try:
        yield counter
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def mount_for_ever(counter: mmap.mmap) -> None:
    times = 0
    while True:
        kernel.mount("/there", "/there", None, kernel.MS_BIND)
        kernel.mount(f"/{NAMES[1]}", f"/{COVERED}", None, kernel.MS_BIND)
        kernel.umount("/there", kernel.MNT_DETACH)
        kernel.umount(f"/{COVERED}", kernel.MNT_DETACH)
        times += 4
        struct.pack_into("q", counter, 0, times)


def changes(counter: mmap.mmap) -> int:
    return struct.unpack_from("q", counter)[0]


def told(served: Daemon, scene: Scene, touched: Claim, seen: Counter) -> list[str]:
    """Return what is wrong in an answer, and count what was said of the files."""
    answer = served.answer(f"/v1/processes/{scene.target.pid}/mappings")
    if is_busy(answer):
        seen["busy"] += 1
        return []
    assert answer.status == 200
    found = {int(one["start"], 16): one for one in answer.json()["mappings"]}
    seen.update(found[claim.address]["state"] for claim in scene.claims)
    said = found[touched.address]
    seen[f"touched, {said['state']}"] += 1
    return [*compare(scene, "the daemon, outside", found, opened), *wrongly_touched(touched, said)]


def wrongly_touched(claim: Claim, said: dict) -> list[str]:
    """Return what is wrong of a file that is covered and uncovered: it is the same file all the time."""
    wrong = [] if said["state"] in {"current", "covered", "unknown"} else [f"WRONG state {said}"]
    wrong += [] if said["user_path"] in {claim.path, None} else [f"WRONG user path {said}"]
    backing = said["backing"]
    return wrong + (_backing(claim, backing, opened(_paths(said))) if backing else [])


def test_what_nobody_touches_is_told_right_while_mounts_change(scene, tmp_path, capsys):
    seen, touched = Counter(), scene.claims.pop(0)
    with daemon(tmp_path, "--watch-interval=0.1") as served:
        before = served.held()
        assert told(served, scene, touched, seen) == []
        with mounting(scene.target.pid) as counter:
            until(lambda: changes(counter) > 1000)
            began, at_first = time.monotonic(), changes(counter)
            wrong = [line for _ in range(ASKED) for line in told(served, scene, touched, seen)]
            a_second = (changes(counter) - at_first) / (time.monotonic() - began)
            assert served.answer(f"/v1/processes/{scene.target.pid}/layers").status in {200, 503}
            assert served.answer(f"/v1/processes/{scene.target.pid}/fds").status in {200, 503}
        assert wrong == []
        scene_is_true(scene)
        calm = Counter()
        assert told(served, scene, touched, calm) == []
        covered = f" /{COVERED} " in Path(f"/proc/{scene.target.pid}/mountinfo").read_text()
        assert calm == {"current": len(scene.claims), f"touched, {'covered' if covered else 'current'}": 1}
        served.gives_back(before)
    with capsys.disabled():
        print(f"\n{a_second:.0f} changes of mounts a second, told: {dict(seen)}")
