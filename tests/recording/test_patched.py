"""Kernels that show layers' and branches' paths, or a bare slash: nothing wrong is said, and what is held is known.

Which mounts a file's own mount is among was to be seen on none of them (statmount(2), Linux 6.8): a name can then be
that of a mount which has left the namespace. So it is only known where a mapping of our own is shown in the same way.
"""

import json
import subprocess

import pytest

from tests.cli.command import MAPSD
from tests.recording.patched import KERNELS, recording, truth
from tests.recording.test_kernels import answered, verdicts

# Where maps prints the overlay's device or the union's, the held file is one of the layers', and not said which.
HIDDEN = {"shiftfs", "aufs"}
THERE = {"bin/cat", "lib/libc-2.27.so", "data/made"}
# Whose path is known, and whose state. What was unlinked from an overlay leaves no mark on a file of its layer, and an
# upper file may have had another link, since Linux 4.13 shown by the same text; on shiftfs the overlay below may have
# copied up; and of two overlays on one another the kernel shows the inner one's.
NAMED = {"bare": THERE - {"data/made"} | {"data/written"}, "inside-layer": THERE, "shiftfs": THERE | {"data/written"},
         "shiftfs-backing": THERE | {"data/written"}, "aufs-branch": THERE, "nested": set(),
         "aufs": THERE | {"data/written", "data/gone"}}
JUDGED = NAMED | {"shiftfs": set(), "shiftfs-backing": set(), "aufs": {"data/gone"}}


@pytest.fixture(params=KERNELS)
def kernel(request, tmp_path):
    path = tmp_path / request.param
    path.write_bytes(recording(request.param))
    return request.param, path, answered(path, truth())


def test_nothing_is_wrong_and_what_is_unknown_says_why(kernel):
    _, _, answers = kernel
    for case, answer in answers:
        told = verdicts(case, answer)
        assert set(told.values()) <= {"right", "unknown"}, (case, told)
        assert answer["reason"] or "unknown" not in told.values()


def test_the_file_that_is_held_is_proven_where_the_kernel_shows_its_number(kernel):
    name, _, answers = kernel
    assert {answer["confidence"] for _, answer in answers} == ({"unknown"} if name in HIDDEN else {"proven"})


def test_names_are_found_that_are_shown_in_the_same_way_where_we_map_them(kernel):
    name, _, answers = kernel
    assert {case["label"] for case, answer in answers if answer["user_path"] is not None} == NAMED[name]
    assert {case["label"] for case, answer in answers if answer["state"] != "unknown"} == JUDGED[name]


def test_a_recording_of_before_that_was_asked_says_less_and_nothing_else(kernel, tmp_path):
    name, _, answers = kernel
    path = tmp_path / "before"
    path.write_bytes(recording(name, without="mapped again "))
    for (_, now), (case, before) in zip(answers, answered(path, truth()), strict=True):
        told = verdicts(case, before)
        assert set(told.values()) <= {"right", "unknown"}
        assert {key: before["backing"] and before["backing"][key] for key in ("device", "inode")} == {
            key: now["backing"] and now["backing"][key] for key in ("device", "inode")}
        if name != "aufs":
            assert (before["user_path"], before["state"]) == (None, "unknown")


def test_it_is_explained(kernel):
    _, path, answers = kernel
    for _, answer in answers:
        told = subprocess.run([MAPSD, "explain", "4242", answer["start"], "--from", path], capture_output=True,
                              check=True)
        assert answer["shown"]["path"].encode() in told.stdout


def test_what_the_program_is_called_is_told_by_its_own_link(kernel):
    _, path, _ = kernel
    told = subprocess.run([MAPSD, "lookup", "4242", "--json", "--from", path], capture_output=True, check=True)
    assert json.loads(told.stdout)["process"]["exe"] == "/bin/cat"
