"""`mapsd which` and `mapsd layers` while names, layers and processes change under them: an answer, never a failure."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from mapsd import layers, which
from mapsd.errors import AccessDenied, ProcessGone
from tests.hostile.cli import never_opened
from tests.hostile.conftest import storm
from tests.hostile.scenes import forked, overlay
from tests.layerschemas import of_layers, of_which
from tests.overlay import kernel

ASKED = 40


def write_anew(merged: Path) -> None:
    """Let a name be a lower file, a copy, nothing, a whiteout's, and another file."""
    with (merged / "one").open("ab") as file:
        file.write(b".")
    (merged / "one").unlink()
    (merged / "new").write_bytes(b"anew")
    (merged / "new").rename(merged / "one")


def move_layer(base: Path) -> None:
    """Let a layer's name lead nowhere for a moment."""
    (base / "lower").rename(base / "gone")
    (base / "gone").rename(base / "lower")


def cover(merged: Path) -> None:
    """Let another mount cover the name for a moment."""
    kernel.mount("cover", merged / "dir", "tmpfs")
    kernel.umount(merged / "dir", kernel.MNT_DETACH)


def turn_link(merged: Path) -> None:
    """Let a link lead elsewhere."""
    for target in ("one", "two", "link"):
        (merged / "next").symlink_to(target)
        (merged / "next").rename(merged / "link")


STORMS = {"a file that is written anew": (lambda base: write_anew(base / "merged"), "one"),
          "a layer that is moved": (move_layer, "two"), "a cover": (lambda base: cover(base / "merged"), "dir/deep"),
          "a link that turns": (lambda base: turn_link(base / "merged"), "link")}


@pytest.mark.parametrize("what", STORMS)
def test_a_storm_at_a_name_ends_in_an_answer(base, what):
    merged = overlay(base)
    step, name = STORMS[what]
    with storm(lambda: step(base)):
        for _ in range(ASKED):
            of_which(os.getpid(), os.fsencode(merged / name))
            of_layers(os.getpid())


def test_a_process_that_exits_meanwhile_is_gone_or_was_answered(base):
    merged = overlay(base)
    for _ in range(ASKED):
        child = forked(lambda: None)
        with contextlib.suppress(ProcessGone, AccessDenied):
            found = which(child, os.fsencode(merged / "one"))
            # A dying process has left its root, and then nothing is said of names.
            assert found.winner is not None
            assert layers(child).overlays
        os.waitpid(child, 0)


def test_a_process_that_is_stopped_is_answered(base):
    merged = overlay(base)
    child = forked(signal.pause)
    os.kill(child, signal.SIGSTOP)
    try:
        assert which(child, os.fsencode(merged / "one")).winner is not None
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_nothing_is_opened_for_reading(base):
    merged = overlay(base)
    os.mkfifo(base / "lower" / "fifo")
    with (never_opened(merged / "one"), never_opened(base / "lower" / "one"), never_opened(base / "lower" / "fifo"),
          never_opened(merged / "fifo")):
        for name in ("one", "fifo"):
            assert of_which(os.getpid(), os.fsencode(merged / name))["backing"] is not None
        of_layers(os.getpid())


def test_paths_as_long_as_the_kernel_takes_are_answered(base):
    merged = os.fsencode(overlay(base))
    deep = merged
    while len(deep) + 201 < 4095:
        deep += b"/" + b"d" * 200
    os.makedirs(deep)
    name = deep + b"/" + b"f" * (4095 - len(deep) - 1)
    with open(name, "wb") as file:
        file.write(b"deep")
    answer = of_which(os.getpid(), name)
    assert (answer["kind"], answer["backing"]["layer"]["role"]) == ("file", "upper")
    assert of_which(os.getpid(), name + b"x")["reason"] == "File name too long"
    os.symlink(deep, merged + b"/short")
    assert of_which(os.getpid(), merged + b"/short/" + os.path.basename(name))["user_path"] == os.fsdecode(name)
    os.chdir(deep)
    try:
        os.makedirs("e" * 200)
        os.chdir("e" * 200)
        with open("beyond", "wb") as file:
            file.write(b"beyond")
        longer = of_which(os.getpid(), merged + b"/short/" + b"e" * 200 + b"/beyond")
        assert longer["exists"] or "longer than the kernel resolves" in longer["reason"]
    finally:
        os.chdir("/")
