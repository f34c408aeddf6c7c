"""The BPF iterator is tested before it is believed, and what it cannot do is said."""

import os
from pathlib import Path

import pytest

from mapsd.linux import ownoverlay
from mapsd.linux.bpf import same, skeleton
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


@pytest.fixture(params=[VmFileIterator.of, VmFileIterator.identities])
def asking(request):
    """Each of the two questions, which are answered by a program each."""
    return request.param


def of_self(asking):
    loaded = VmFileIterator()
    try:
        return asking(loaded, os.getpid())
    finally:
        loaded.close()


@pytest.mark.usefixtures("lab")
def test_it_works_on_this_kernel(asking):
    assert not isinstance(of_self(asking), Refused)


@pytest.mark.usefixtures("lab")
def test_where_no_overlay_may_be_mounted_known_mappings_are_the_evidence(asking, monkeypatch):
    def refuse():
        raise OSError(1, "not here")
    monkeypatch.setattr(ownoverlay, "made", refuse)
    assert not isinstance(of_self(asking), Refused)


def compared(one):
    return one.end, one.offset, one.key, one.device, one.inode, one.user_device, one.user_inode


def test_both_programs_see_the_same_files(copied_up):
    pid, address = copied_up
    loaded = VmFileIterator()
    try:
        for one in (pid, os.getpid()):
            small, great = loaded.identities(one), loaded.of(one)
            lines = [line.split() for line in Path(f"/proc/{one}/maps").read_text().splitlines()]
            starts = [int(line[0].split("-")[0], 16) for line in lines if line[4] != "0"]
            assert starts
            for start in starts:
                assert compared(small.at(start)) == compared(great.at(start))
        seen = loaded.identities(pid).at(address)
        assert (seen.device, seen.inode) != (seen.user_device, seen.user_inode)
    finally:
        loaded.close()


@pytest.fixture
def loads(monkeypatch):
    """The names of the programs that are loaded."""
    names, read = [], skeleton.read
    monkeypatch.setattr(skeleton, "read", lambda name: names.append(name) or read(name))
    return names


def test_a_comparison_alone_loads_the_small_program(copied_up, loads):
    pid, address = copied_up
    found = asked(pid)[address]
    assert (found["state"], found["proof"], found["backing"]["layer"]["role"]) == ("copied-up", "bpf", "lower")
    assert loads == ["same"]


@pytest.mark.usefixtures("lab")
def test_a_comparison_asks_the_program_that_is_loaded(loads):
    loaded = VmFileIterator()
    try:
        loaded.of(os.getpid())
        assert not isinstance(loaded.identities(os.getpid()), Refused)
    finally:
        loaded.close()
    assert loads == ["held"]


@pytest.mark.usefixtures("lab")
def test_a_test_that_could_not_be_made_is_made_again(asking, monkeypatch):
    loaded, forget = VmFileIterator(), ownoverlay.forget

    def fail(own):
        forget(own)
        raise OSError(12, "not now")
    monkeypatch.setattr(ownoverlay, "forget", fail)
    try:
        for _ in range(2):
            with pytest.raises(OSError, match="not now"):
                asking(loaded, os.getpid())
        monkeypatch.setattr(ownoverlay, "forget", forget)
        assert not isinstance(asking(loaded, os.getpid()), Refused)
    finally:
        loaded.close()


def test_a_program_that_says_something_else_is_switched_off(copied_up, asking, monkeypatch):
    read = skeleton.read
    monkeypatch.setattr(skeleton, "read", lambda _: read("maps"))
    refused = of_self(asking)
    assert isinstance(refused, Refused)
    assert refused.reason.startswith("the BPF iterator failed its test: ")
    pid, address = copied_up
    found = asked(pid)[address]
    assert (found["state"], found["backing"]) == ("unknown", None)
    assert "failed its test" in found["reason"]


def test_a_program_that_names_wrong_files_is_switched_off(copied_up, asking, monkeypatch):
    own = ownoverlay.made

    def swapped():
        made = own()
        return made._replace(before=made.after, after=made.before)
    monkeypatch.setattr(ownoverlay, "made", swapped)
    refused = of_self(asking)
    assert refused == Refused("the BPF iterator failed its test: it names other files than an overlay of our own holds")
    pid, address = copied_up
    assert asked(pid)[address]["backing"] is None


def test_where_maps_contradicts_the_small_program_the_great_one_answers(copied_up, monkeypatch):
    printed = same.printed
    monkeypatch.setattr(same, "printed", lambda *starts: {
        start: vma._replace(inode=vma.inode + 1) for start, vma in printed(*starts).items()})
    refused = of_self(VmFileIterator.identities)
    assert refused == Refused("the BPF iterator failed its test: it names other files than maps does")
    pid, address = copied_up
    found = asked(pid)[address]
    assert (found["state"], found["proof"], found["backing"]["layer"]["role"]) == ("copied-up", "bpf", "lower")


def test_a_program_that_the_kernel_refuses_is_named(copied_up, asking, monkeypatch):
    broken = skeleton.read("held")
    monkeypatch.setattr(skeleton, "read", lambda _: broken._replace(insns=b"\0" * 16))
    refused = of_self(asking)
    assert isinstance(refused, Refused)
    assert "cannot be loaded" in refused.reason
    pid, address = copied_up
    assert "cannot be loaded" in asked(pid)[address]["reason"]


def held_by_us():
    mappings = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith("/file")]
    return sorted(os.listdir("/proc/self/fd")), Path("/proc/self/mountinfo").read_text(), mappings


@pytest.mark.usefixtures("lab")
def test_nothing_of_it_is_left(asking):
    before = held_by_us()
    of_self(asking)
    assert held_by_us() == before
