"""The BPF iterator is tested before it is believed, and what it cannot do is said."""

import os
from pathlib import Path

import pytest

from mapsd.linux import ownoverlay
from mapsd.linux.bpf import skeleton
from mapsd.linux.bpf.iterator import VmFileIterator
from mapsd.model import Refused
from tests.overlay import kernel
from tests.overlay.conftest import asked
from tests.overlay.files import fill
from tests.overlay.target import Target


@pytest.fixture
def copied_up(base, mapper):
    """A mapping without a page in memory, made before its file was copied up."""
    for name in ("lower", "upper", "work", "merged"):
        (base / name).mkdir()
    fill(base / "lower/file", "lower")
    options = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work"
    with kernel.mounted("overlay", base / "merged", "overlay", 0, options) as merged, Target(mapper) as target:
        address = target.map(merged / "file", "n")
        (merged / "file").chmod(0o600)
        yield target.pid, address


def of_self():
    loaded = VmFileIterator()
    try:
        return loaded.of(os.getpid())
    finally:
        loaded.close()


@pytest.mark.usefixtures("lab")
def test_it_works_on_this_kernel():
    assert not isinstance(of_self(), Refused)


@pytest.mark.usefixtures("lab")
def test_where_no_overlay_may_be_mounted_known_mappings_are_the_evidence(monkeypatch):
    def refuse():
        raise OSError(1, "not here")
    monkeypatch.setattr(ownoverlay, "made", refuse)
    assert not isinstance(of_self(), Refused)


def test_a_program_that_says_something_else_is_switched_off_with_the_reason(copied_up, monkeypatch):
    read = skeleton.read
    monkeypatch.setattr(skeleton, "read", lambda _: read("maps"))
    refused = of_self()
    assert isinstance(refused, Refused)
    assert refused.reason.startswith("the BPF iterator failed its test: ")
    pid, address = copied_up
    found = asked(pid)[address]
    assert (found["state"], found["backing"]) == ("unknown", None)
    assert "failed its test" in found["reason"]


def test_a_program_that_names_wrong_files_is_switched_off(copied_up, monkeypatch):
    own = ownoverlay.made

    def swapped():
        made = own()
        return made._replace(before=made.after, after=made.before)
    monkeypatch.setattr(ownoverlay, "made", swapped)
    refused = of_self()
    assert refused == Refused("the BPF iterator failed its test: it names other files than an overlay of our own holds")
    pid, address = copied_up
    assert asked(pid)[address]["backing"] is None


def test_a_program_that_the_kernel_refuses_is_named(copied_up, monkeypatch):
    broken = skeleton.read("held")
    monkeypatch.setattr(skeleton, "read", lambda _: broken._replace(insns=b"\0" * 16))
    refused = of_self()
    assert isinstance(refused, Refused)
    assert "cannot be loaded" in refused.reason
    pid, address = copied_up
    assert "cannot be loaded" in asked(pid)[address]["reason"]


def held_by_us():
    mappings = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith("/file")]
    return sorted(os.listdir("/proc/self/fd")), Path("/proc/self/mountinfo").read_text(), mappings


@pytest.mark.usefixtures("lab")
def test_nothing_of_it_is_left():
    before = held_by_us()
    of_self()
    assert held_by_us() == before
