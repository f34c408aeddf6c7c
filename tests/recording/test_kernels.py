"""Twelve kernels from 4.9 to 7.3, each with 13 combinations of layers: what mapsd answers of them is true or unknown.

kernels/NAME.rec.xz was made by kernellab.py of what the kernel showed, kernels/NAME.truth.xz by truth.py of what was
done to the files.
"""

import json
import lzma
import subprocess
import tempfile
from base64 import b64decode
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest

from tests.cli.command import MAPSD
from tests.recording.lacking import lacking
from tests.recording.recorded import processes

KERNELS = Path(__file__).with_name("kernels")
NAMES = sorted(path.name.removesuffix(".rec.xz") for path in KERNELS.glob("*.rec.xz"))
agreement = defaultdict(Counter)  # printed at the end of a run


@pytest.fixture(scope="module", params=NAMES)
def release(request):
    return request.param


@pytest.fixture(scope="module")
def kernel(release):
    return told(release)[0]


@pytest.fixture(scope="module")
def holes(release):
    return told(release)[1]


@cache
def told(release):
    """Return each case of a kernel with mapsd's answer about its mapping, and what the recording lacks for each."""
    cases = json.loads(unpacked(f"{release}.truth"))
    with tempfile.TemporaryDirectory() as where:
        recording = Path(where) / release
        recording.write_bytes(unpacked(f"{release}.rec"))
        return answered(recording, cases), lacked(recording.read_text(), cases)


def unpacked(name):
    return lzma.decompress((KERNELS / f"{name}.xz").read_bytes())


def answered(recording, cases):
    printed = subprocess.check_output([MAPSD, "lookup", "--all", "--ndjson", "--from", recording])
    answers = {(answer["process"]["pid"], int(one["start"], 16)): one for answer in map(
        json.loads, printed.splitlines()) for one in answer["mappings"]}
    return [(case, answers[case["pid"], case["start"]]) for case in cases]


def lacked(text, cases):
    found = {(pid, vma.start): lacking(process, vma) for pid, process in processes(text).items()
             for vma in process.vmas()}
    return [found[case["pid"], case["start"]] for case in cases]


def verdicts(case, answer):
    """Return for each question "right", "unknown", or what is wrong."""
    state = None if answer["state"] == "unknown" else answer["state"]
    return {"path": _judged(named(answer), case["path"]), "state": _judged(state, case["state"]),
            "backing": _backing(answer["backing"], case)}


def named(answer):
    exact = answer.get("user_path_base64")
    return answer["user_path"] if exact is None else b64decode(exact).decode("utf-8", "surrogateescape")


def _judged(told, true):
    return "right" if told == true else "unknown" if told is None else f"{told}, not {true}"


def _backing(told, case):
    if told is None:
        return "unknown"
    role = told["layer"]["role"] if told["layer"] else None
    if role is not None and role != case["role"]:
        return f"a file of the {role}, not of the {case['role']}"
    if case["file"] is None:
        return "right"  # the file is gone, and its number was not noted
    device, inode = case["file"]
    # A subvolume of btrfs has a device of its own for stat(2), which no mount table has.
    same = told["inode"] == inode and (told["device"] == device or case["combination"] == "btrfs")
    return "right" if same else f"{told['device']} {told['inode']}, not {device} {inode}"


def test_nothing_is_wrong(kernel):
    assert wrong(kernel) == []


def wrong(kernel):
    return [(case["combination"], case["label"], question, verdict) for case, answer in kernel
            for question, verdict in verdicts(case, answer).items() if verdict not in {"right", "unknown"}]


def test_unknown_is_what_the_recording_lacks_and_nothing_else(kernel, holes, release):
    agreement[release].update(counted(kernel, holes))
    assert differing(kernel, holes) == []


def counted(kernel, holes):
    """Return how many questions were answered in which way, and what was lacking."""
    counts = Counter()
    for (case, answer), lacks in zip(kernel, holes, strict=True):
        for question, verdict in verdicts(case, answer).items():
            lacking = verdict == "unknown" and bool(lacks[question])
            told = "lacking" if lacking else verdict if verdict in {"right", "unknown"} else "wrong"
            counts[f"{question} {told}"] += 1
            if lacking:
                counts[question, lacks[question]] += 1
    return counts


def differing(kernel, holes):
    """Return what is unknown although nothing is lacking, and what is known although something is.

    The latter was not established by anything that the rules say.
    """
    return [(case["combination"], case["label"], question, verdict, lacks[question])
            for (case, answer), lacks in zip(kernel, holes, strict=True)
            for question, verdict in verdicts(case, answer).items() if (verdict == "unknown") != bool(lacks[question])]


def test_what_is_unknown_says_why(kernel):
    for case, answer in kernel:
        if "unknown" in verdicts(case, answer).values():
            assert answer["reason"], case


def test_a_backing_file_that_maps_shows_is_known(kernel):
    """Up to Linux 6.7 maps shows the real inode: nothing else is needed."""
    shown = [(case, answer) for case, answer in kernel if case["printed"] == case["file"]]
    assert shown
    assert [case["label"] for case, answer in shown if verdicts(case, answer)["backing"] != "right"] == []


def test_a_name_is_known_where_the_mount_of_the_file_is(kernel, release):
    """Before Linux 5.8 statx has no mount ids; 6.8 and 6.12 print the inner name of a nested file."""
    unknown = {case["combination"] for case, answer in kernel if verdicts(case, answer)["path"] == "unknown"}
    if release.startswith("4."):
        assert len(unknown) > 6
    else:
        assert unknown <= {"nested"}


def test_there_are_twelve_kernels_with_every_combination_that_they_have():
    assert len(NAMES) == 12
    for name in NAMES:
        cases = json.loads(lzma.decompress((KERNELS / f"{name}.truth.xz").read_bytes()))
        assert len({case["combination"] for case in cases}) >= 7, name
        assert len(cases) > 250, name
