"""The commands through the daemon itself: what root is told is the same, and an ordinary user is told more."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.api.test_serve import Running
from tests.cli.command import BOUND, MAPSD
from tests.overlay import kernel
from tests.overlay.battery import happen, lay, write
from tests.overlay.scenes import Scene
from tests.overlay.test_nested import Nested
from tests.schema import validate

USER, GROUP = 65534, 65533
AS_USER = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--groups", str(GROUP)]
FORMS = ["lookup PID", "lookup PID --output-all --raw", "lookup PID --files --output-all", "lookup PID --json",
         "lookup PID --format=proc", "lookup PID --overlay-only --state copied-up,deleted,unknown",
         "lookup PID --proof bpf", "lookup PID ADDRESS --json", "explain PID ADDRESS PATH",
         "explain PID ADDRESS PATH --json", "fds PID", "fds PID --json", "layers PID", "layers PID --json",
         "which PID PATH", "which PID PATH --json", "translate PID FILE", "translate PID FILE --json",
         "translate PID --inside /round/write-s"]


@contextmanager
def serving(*words: str) -> Iterator[str]:
    """Give the socket of a daemon that says it listens."""
    process = subprocess.Popen([MAPSD, "serve", "--audit=off", *words], text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    daemon = Running(process, "")
    try:
        yield daemon.until_said("listening")["addresses"][0]
    finally:
        daemon.close()


def run(*words: object, prefix: list[str] | None = None) -> tuple[int, bytes, bytes]:
    done = subprocess.run([*(prefix or []), MAPSD, *map(str, words)], capture_output=True, timeout=BOUND, check=False)
    timeless = re.sub(rb'"as_of": "[^"]*"', b'"as_of": "2026-01-01T00:00:00.000Z"', done.stdout)
    return done.returncode, timeless, done.stderr


FRAMES = [(rb"is frame 0x[0-9a-f]+ in both", b"is one frame in both"),
          (rb"is frame 0x[0-9a-f]+ in the mapping and frame 0x[0-9a-f]+ in", b"is another frame in"),
          (rb"is frame 0x[0-9a-f]+ in the mapping and not in memory in", b"is not in memory in")]


def without_frames(text: bytes) -> bytes:
    """Return what was printed as the daemon says it, which numbers no page frame: lines then break elsewhere."""
    found = b" ".join(text.replace(rb"\x20", b" ").split()).replace(b'", "', b" ")
    for numbered, plain in FRAMES:
        found = re.sub(numbered, plain, found)
    return found


def is_told_the_same(local: tuple[int, bytes, bytes], remote: tuple[int, bytes, bytes]) -> bool:
    if b"frame" not in local[1]:
        return local == remote
    assert b"0x" not in b" ".join(re.findall(rb"frame\s+\S+", remote[1]))
    return (local[0], without_frames(local[1]), local[2]) == (remote[0], without_frames(remote[1]), remote[2])


def differences(scene: Scene, socket: str) -> list[str]:
    """Return the commands that print something else through a daemon, but for the time and the numbers of frames."""
    claim = next(one for one in scene.claims if one.state == "copied-up")
    named = {"PID": scene.target.pid, "ADDRESS": hex(claim.address), "PATH": claim.path,
             "FILE": claim.where()}
    asked = [[named.get(word, word) for word in form.split()] for form in FORMS]
    return [" ".join(map(str, words)) for words in asked
            if not is_told_the_same(run(*words), run("--socket", socket, *words))]


@pytest.mark.parametrize("container", [False, True])
def test_root_is_told_the_same(lab, mapper, base, container):
    with Scene("through a daemon", lab, mapper) as scene, serving(f"--socket={base}/s") as socket:
        ground = scene.stack.enter_context(kernel.filesystem("ext4", scene.base / "ground"))
        for name in ("lower1", "lower2"):
            scene.lower(ground / name)
        scene.upper(ground / "upper")
        lay(scene, "round")
        scene.mount(",metacopy=on")
        scene.start()
        if container:
            scene.contain()
        happen(scene, "round")
        assert differences(scene, socket) == []


def test_root_is_told_the_same_of_an_overlay_on_an_overlay(lab, mapper, base):
    with Nested("nested, through a daemon", lab, mapper) as scene, serving(f"--socket={base}/s") as socket:
        scene.deepen(1, "ext4", inner_upper=True, outer_upper=True)
        scene.start()
        happen(scene, "one")
        assert differences(scene, socket) == []


def test_a_user_is_told_of_its_own_process_what_only_the_daemon_can_know(lab):
    with (kernel.mounted(lab, Path("/mnt"), None, kernel.MS_BIND),
          Scene("through a daemon, a user", Path("/mnt"), Path("/mnt/mapper")) as scene,
          serving(f"--socket={scene.base}/s", "--socket-mode=0660", f"--socket-group={GROUP}") as socket):
        ground = scene.stack.enter_context(kernel.filesystem("ext4", scene.base / "ground"))
        lower, upper = scene.lower(ground / "store" / "lower"), scene.upper(ground / "store" / "upper")
        scene.fill(lower, "plain", "changed")
        # As the stores of container engines are.
        (ground / "store").chmod(0o700)
        scene.mount()
        scene.start("setpriv", "--reuid", USER, "--regid", USER, "--clear-groups")
        scene.map("plain", lower)
        before = scene.map("changed", lower)
        write(scene.reach("changed"))
        before.state = "copied-up"
        scene.map("changed", upper)
        alone = told(scene, run("lookup", scene.target.pid, "--json", prefix=AS_USER))
        through = told(scene, run("--socket", socket, "lookup", scene.target.pid, "--json", prefix=AS_USER))
        asked_by_root = told(scene, run("lookup", scene.target.pid, "--json"))
        # It may connect, and sees no process of another user's, in no list either.
        refused = run("--socket", socket, "lookup", os.getpid(), prefix=AS_USER)
        listed = run("--socket", socket, "lookup", "--all", "-n", "-o", "PID", prefix=AS_USER)
        outside = run("--socket", socket, "lookup", scene.target.pid, prefix=[*AS_USER[:-2], "--clear-groups"])
    assert through == asked_by_root == {
        claim.address: (claim.state, claim.path, "proven", *claim.identity) for claim in scene.claims}
    assert all(confidence != "proven" for _, _, confidence, *_ in alone.values())
    assert (refused[0], refused[1]) == (1, b"")
    pids = set(map(int, listed[1].split()))
    assert scene.target.pid in pids
    assert os.getpid() not in pids
    assert (outside[0], outside[1]) == (5, b"")
    assert outside[2].endswith(b"cannot be asked: Permission denied\n")


def told(scene: Scene, ended: tuple[int, bytes, bytes]) -> dict[int, tuple]:
    """Return state, user path, confidence and backing file of the scene's mappings."""
    assert ended[::2] == (0, b"")
    found = {int(one["start"], 16): one for one in validate(json.loads(ended[1]))["mappings"]}
    return {claim.address: (one["state"], one["user_path"], one["confidence"],
                            *((one["backing"]["device"], one["backing"]["inode"]) if one["backing"] else ()))
            for claim in scene.claims for one in [found[claim.address]]}
