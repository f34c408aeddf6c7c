"""Kernels that show layers' and branches' paths, or a bare slash: nothing wrong is said, and what is held is known.

Which mounts a file's own mount is among was to be seen on none of them (statmount(2), Linux 6.8): a name can then be
that of a mount which has left the namespace, so no user path follows from it.
"""

import json
import subprocess

import pytest

from tests.cli.command import MAPSD
from tests.recording.patched import KERNELS, recording, truth
from tests.recording.test_kernels import answered, verdicts

# Where maps prints the overlay's device or the union's, the held file is one of the layers', and not said which.
HIDDEN = {"shiftfs", "aufs"}


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


def test_a_name_that_the_kernel_shows_rightly_is_believed(kernel):
    name, _, answers = kernel
    found = {case["label"]: answer["user_path"] for case, answer in answers if answer["user_path"] is not None}
    assert found == ({case["label"]: case["path"] for case, _ in answers} if name == "aufs" else {})


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
