"""What a recording lacks is what is unknown, also once it has more: the rules are about facts, not about kernels."""

import json
import os
from collections import Counter

import pytest

from mapsd.recording import form
from tests.recording.test_kernels import answered, differing, lacked, unpacked, verdicts, wrong

KERNELS = ["5.10.0-46", "6.1.0-50", "6.12.107+deb13", "7.3.4+deb13"]


@pytest.fixture(scope="module", params=KERNELS)
def timed(request, tmp_path_factory):
    """Return each case with mapsd's answer, and what is lacking, where times of untouched files had been noted."""
    cases = json.loads(unpacked(f"{request.param}.truth"))
    path = tmp_path_factory.mktemp("timed") / request.param
    path.write_bytes(with_times(unpacked(f"{request.param}.rec"), cases))
    return answered(path, cases), lacked(path.read_text(), cases)


def with_times(text, cases):
    """Return a recording in which lower files that were never changed show one time, in their layer and above."""
    untouched = [case for case in cases if (case["state"], case["role"]) == ("current", "lower") and case["file"]]
    sections = [(one.name, iter(_timed(one, untouched))) for one in form.parsed(text, b"f")]
    return b"".join(form.rendered(iter(sections)))


def _timed(section, untouched):
    seen, met = _shown_times(section), _layer_times(section)
    times = {}
    for number, case in enumerate(untouched, 1):
        if section.name == f"process {case['pid']}" and case["start"] in seen and tuple(case["file"]) in met:
            times |= dict.fromkeys((seen[case["start"]], met[tuple(case["file"])]), number)
    for line in section.lines:
        head, mark, time = line.partition('"changed": ')
        digits = time[:len(time) - len(time.lstrip("0123456789"))]
        yield f"{head}{mark}{times[int(digits)]}{time[len(digits):]}" if digits and int(digits) in times else line


def _shown_times(section):
    """Return the time of what each map_files link opens."""
    found = {}
    for line in section.lines:
        question, _, answer = line.partition("\t")
        if question.startswith("map_files [") and "file" in json.loads(answer):
            start = json.loads(question.removeprefix("map_files "))[0][0].partition("-")[0]
            found[int(start, 16)] = json.loads(answer)["file"]["changed"]
    return found


def _layer_times(section):
    """Return the time of each file of a layer by its device and inode."""
    answers = [json.loads(line.partition("\t")[2]) for line in section.lines if line.startswith("entry ")]
    return {(one["file"]["st_dev"], one["file"]["inode"]): one["file"]["changed"] for one in answers if "file" in one}


def test_with_times_unknown_is_what_the_recording_lacks_still(timed):
    kernel, holes = timed
    assert differing(kernel, holes) == []
    assert wrong(kernel) == []


def test_with_times_most_files_that_nobody_changed_are_known_to_be_current(timed):
    kernel, _ = timed
    known = Counter(case["label"] for case, answer in kernel if case["state"] == "current" == answer["state"])
    assert known["lower_shared_ro"] > 8
    assert known["lower_exec_priv"] > 8


@pytest.fixture(scope="module", params=KERNELS)
def framed(request, tmp_path_factory):
    """Return each case with mapsd's answer, and what is lacking, where page frames had been compared as well."""
    cases = json.loads(unpacked(f"{request.param}.truth"))
    path = tmp_path_factory.mktemp("framed") / request.param
    path.write_bytes(with_frames(unpacked(f"{request.param}.rec"), cases))
    return answered(path, cases), lacked(path.read_text(), cases)


def with_frames(text, cases):
    """Return a recording with what the page frames of the mappings would have shown of the files that were asked."""
    held = {(case["pid"], case["start"]): case for case in cases}
    sections = [(one.name, iter(_framed(one, held))) for one in form.parsed(text, b"f")]
    return b"".join(form.rendered(iter(sections)))


def _framed(section, held):
    pid = int(section.name.partition(" ")[2] or 0)
    entries = dict(line.split("\t", 1) for line in section.lines if line.startswith("entry "))
    for line in section.lines:
        question, _, answer = line.partition("\t")
        if question.startswith("page frames "):
            _, vma, candidate = json.loads(question.removeprefix("page frames "))
            case = held.get((pid, int(vma[0].partition("-")[0], 16)))
            if case is not None:
                answer = json.dumps(["same" if _is_same(case, candidate, entries) else "different", "a frame"])
        yield f"{question}\t{answer}" if answer else line


def _is_same(case, candidate, entries):
    if "mapping" in candidate:
        return case["state"] != "copied-up"
    directory, path = candidate["layer"]
    found = [json.loads(answer).get("file") for question, answer in entries.items()
             if json.loads(question.removeprefix("entry "))[:2] == [directory, path]]
    return case["file"] is not None and any(
        one["inode"] == case["file"][1] and (one["st_dev"] == case["file"][0] or case["combination"] == "btrfs")
        for one in found if one is not None)


def test_with_page_frames_unknown_is_what_the_recording_lacks_still(framed):
    kernel, holes = framed
    assert differing(kernel, holes) == []
    assert wrong(kernel) == []


def test_with_page_frames_the_state_of_every_name_is_known(framed):
    kernel, _ = framed
    unknown = Counter(case["combination"] for case, answer in kernel if verdicts(case, answer)["path"] == "right"
                      and verdicts(case, answer)["state"] == "unknown")
    assert unknown == {}


def test_the_rules_import_nothing_of_mapsd():
    for name in ("lacking", "recorded"):
        with open(os.path.join(os.path.dirname(__file__), f"{name}.py")) as source:
            assert not [line for line in source if line.startswith(("from mapsd", "import mapsd"))]
