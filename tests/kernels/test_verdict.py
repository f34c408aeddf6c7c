"""What a booted kernel is found guilty of: nothing that did not happen passes for right."""

import pytest

from tests.kernels.qemu import Booted
from tests.kernels.verdict import PROOFS, faults, table
from tests.kernels.work import PYZ

NEEDS = {"plain": "", "by user": "userxattr"}
FACTS = {"release": "6.1", "mapsd": f"{PYZ}/mapsd/__init__.py", "page-frame": True, "userxattr": False}
SCENES = [{"scene": "plain", "outcome": "passed", "why": ""},
          {"scene": "by user", "outcome": "lacking", "why": "userxattr"}]
LAST = {"ended": 0, "wrong": {"root": 0}, "evidence": {"page-frame": 3},
        "census": {"root": {"answers": 3, "state unknown": 1, "unknown backing": 0, "proof page-frame": 3}}}
RIGHT = Booted("6.1", "", FACTS, SCENES, LAST, 60.0, "")


def test_where_everything_ran_and_was_right_there_is_no_fault():
    assert faults(RIGHT, NEEDS) == []


@pytest.mark.parametrize(("booted", "said"), [
    (RIGHT._replace(ended="it did not end within 9 seconds"), "did not end within"),
    (RIGHT._replace(console="Kernel panic - not syncing: Oops"), "Kernel panic"),
    (RIGHT._replace(last=None), "did not come to an end"),
    (RIGHT._replace(facts=None, scenes=[], last=None), "did not come to an end"),
    (RIGHT._replace(scenes=SCENES[1:]), "plain: did not run"),
    (RIGHT._replace(scenes=[{**SCENES[0], "outcome": "failed", "why": "WRONG role"}, SCENES[1]]), "WRONG role"),
    (RIGHT._replace(scenes=[{**SCENES[0], "outcome": "skipped"}, SCENES[1]]), "plain: skipped"),
    (RIGHT._replace(facts={**FACTS, "userxattr": True}), "by user: did not run"),
    (RIGHT._replace(last={**LAST, "wrong": {"root": 2}}), "2 wrong answers, root"),
    (RIGHT._replace(last={**LAST, "ended": 4}), "pytest ended with 4"),
    (RIGHT._replace(last={**LAST, "evidence": {}}), "page-frame is a proof that this kernel has"),
    (RIGHT._replace(facts={**FACTS, "release": "5.10"}), "another kernel was booted"),
    (RIGHT._replace(facts={**FACTS, "mapsd": "/work/mapsd/__init__.py"}), "another mapsd was asked"),
])
def test_what_went_wrong_is_said(booted, said):
    assert said in "\n".join(faults(booted, NEEDS))


def test_the_table_says_how_much_was_answered_and_how_much_was_wrong():
    lines = table(RIGHT._replace(last={**LAST, "wrong": {"root": 2}})).splitlines()
    assert lines[0] == "6.1: 1 scenes in 60 s; the kernel has no userxattr"
    assert lines[1].split() == ["observer", "answers", "state", "?", "backing", "?", *PROOFS, "wrong"]
    assert lines[2].split() == ["root", "3", "1", "0", "0", "0", "3", "0", "0", "0", "0", "2"]
    assert lines[3].split() == ["all", "3", "1", "0", "0", "0", "3", "0", "0", "0", "0", "2"]


def test_a_kernel_that_answered_nothing_is_in_no_table():
    assert table(RIGHT._replace(last=None)) == "6.1: no answers"
