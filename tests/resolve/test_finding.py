"""What two findings make together: gaps are filled, a contradiction is believed on neither side."""

import pytest

from mapsd.model import Backing, DeviceId, Evidence
from mapsd.resolve.finding import Finding, Possible, confirmed, contradiction, disagree, joined

EXT4 = DeviceId(8, 1)
LOWER = Backing(b"/l/f", EXT4, 11, b"ext4", True, "lower", 1, b"/l")
UPPER = Backing(b"/u/f", EXT4, 22, b"ext4", True, "upper", 0, b"/u")
UNNAMED = Backing(None, EXT4, None, b"ext4", True, "upper", 0, b"/u")


def finding(backing, proof="page-frame", agrees=None, reason=None):
    return Finding(backing, proof, agrees, (Evidence(proof, f"{proof} said {backing and backing.inode}"),), reason)


@pytest.mark.parametrize(("one", "other", "differ"), [
    (LOWER, UPPER, True), (LOWER, LOWER, False), (LOWER, None, False), (UPPER, UNNAMED, False), (LOWER, UNNAMED, True),
    (LOWER, LOWER._replace(device=DeviceId(8, 2)), True), (LOWER, LOWER._replace(path=None, layer_index=None), False)])
def test_two_backing_files_disagree_where_something_known_of_both_differs(one, other, differ):
    assert disagree(one, other) is disagree(other, one) is differ


def test_a_lookup_that_another_means_contradicts_is_unknown_and_keeps_what_both_said():
    found = confirmed(finding(LOWER, "sole-candidate", agrees=True), finding(UPPER, "bpf"))
    assert (found.backing, found.proof, found.agrees) == (None, "none", None)
    assert found.reason == "sole-candidate and bpf disagree: sole-candidate said 11; bpf said 22"
    assert [item.kind for item in found.evidence] == ["sole-candidate", "bpf"]


def test_a_lookup_that_another_means_confirms_has_that_proof():
    found = confirmed(finding(LOWER, "sole-candidate", agrees=True), finding(LOWER, "bpf"))
    assert (found.backing, found.proof, found.agrees) == (LOWER, "bpf", True)
    assert [item.kind for item in found.evidence] == ["sole-candidate", "bpf"]


def test_a_lookup_of_which_the_other_means_is_silent_stays():
    found = confirmed(finding(LOWER, "sole-candidate", agrees=True), finding(None, "none", reason="no page"))
    assert (found.backing, found.proof, found.reason) == (LOWER, "sole-candidate", None)


def test_what_was_possible_and_the_build_id_that_was_read_are_kept():
    possible, build_id = Possible((LOWER, UPPER), "yes"), b"id"
    before, after = finding(None)._replace(build_id=build_id), finding(LOWER)._replace(possible=possible)
    sole = finding(LOWER, "sole-candidate")._replace(possible=possible)
    assert joined(before, after).build_id == contradiction(after, before).build_id == build_id
    assert confirmed(sole, before).build_id == build_id
    assert confirmed(sole, finding(LOWER)).possible == contradiction(before, after).possible == possible


def test_what_one_means_leaves_open_the_next_one_fills():
    found = joined(finding(None, "page-frame", reason="no page"), finding(UPPER, "bpf", agrees=True))
    assert (found.backing, found.proof, found.agrees, found.reason) == (UPPER, "bpf", True, None)
    found = joined(finding(LOWER, "page-frame"), finding(None, "none", agrees=False))
    assert (found.backing, found.proof, found.agrees) == (LOWER, "page-frame", False)


@pytest.mark.parametrize("pair", [
    (finding(LOWER, "page-frame"), finding(UPPER, "build-id")),
    (finding(LOWER, "page-frame", agrees=True), finding(LOWER, "bpf", agrees=False))])
def test_two_means_that_contradict_each_other_are_believed_neither(pair):
    found = joined(*pair)
    assert (found.backing, found.proof, found.agrees) == (None, "none", None)
    assert "disagree" in found.reason


def test_two_means_that_do_not_know_say_why_both():
    found = joined(finding(None, "none", reason="no page"), finding(None, "none", reason="no id"))
    assert (found.backing, found.reason) == (None, "no page; no id")
