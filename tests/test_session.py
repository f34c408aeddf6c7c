"""A session: many questions, one loaded program; and addresses, found in their mappings."""

import inspect
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mapsd
from mapsd.answer.located import holding, located
from mapsd.errors import ProcessGone, UsageError
from mapsd.linux.bpf.program import Program
from mapsd.model import Answer, DeviceId, Refused, Vma
from tests.cli.command import child, mapped

PAGE = 4096
PIECES = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.sampled_from(["file", "heap"])), max_size=8)


def ascending(pieces: list[tuple[int, int, str]]) -> list[Answer]:
    """Return mappings with the given gaps before them, sizes (in pages) and kinds."""
    found, at = [], 0
    for gap, size, kind in pieces:
        start = at + gap * PAGE
        at = start + size * PAGE
        found.append(Answer(Vma(start, at, "r--p", 7 * PAGE, DeviceId(0, 1), 1, b""), kind))
    return found


def plainly(mappings: list[Answer], address: int) -> tuple[Answer | None, int | None]:
    for one in mappings:
        if one.vma.start <= address < one.vma.end:
            return one, one.vma.offset + address - one.vma.start if one.kind == "file" else None
    return None, None


@given(PIECES, st.lists(st.integers(0, 24 * PAGE) | st.integers(0, 24).map(lambda page: page * PAGE - 1), max_size=20))
def test_each_address_is_located_in_the_mapping_that_holds_it(pieces, addresses):
    mappings = ascending(pieces)
    found = located(mappings, addresses)
    assert [one.address for one in found] == addresses
    assert [(one.mapping, one.offset) for one in found] == [plainly(mappings, address) for address in addresses]
    wanted = [one.vma for one in mappings if any(one.vma.start <= at < one.vma.end for at in addresses)]
    assert holding([one.vma for one in mappings], addresses) == wanted


def test_addresses_of_a_process_are_those_of_its_maps(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"." * PAGE)
    with child(lambda: mapped(path)) as pid, mapsd.Session() as session:
        lines = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
        ranges = [[int(edge, 16) for edge in line[0].split("-")] for line in lines]
        mine = next(ranges[n] for n, line in enumerate(lines) if line[-1] == str(path))
        addresses = [end - 1 for _, end in ranges] + [mine[0] + 5, 0]
        found = session.locate(pid, addresses)
    ends = [end for _, end in ranges]
    assert [one.mapping.vma.end if one.mapping else None for one in found] == [*ends, mine[1], None]
    assert (found[-2].mapping.user_path, found[-2].offset) == (os.fsencode(path), 5)
    assert (found[-1].mapping, found[-1].offset) == (None, None)


def test_a_session_answers_one_process_after_another_and_keeps_nothing_open():
    before = set(os.listdir("/proc/self/fd"))
    with mapsd.Session() as session, child(lambda: None) as pid:
        asked = [session.lookup(one) for one in (pid, os.getpid(), pid)]
        assert [one.process.pid for one in asked] == [pid, os.getpid(), pid]
        assert asked[0].mappings == asked[2].mappings
        with pytest.raises(ProcessGone):
            session.lookup((1 << 22) + 1)
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_session_that_was_closed_can_be_asked_again():
    session = mapsd.Session()
    session.close()
    assert session.lookup(os.getpid()).mappings
    session.close()
    session.close()


def test_a_session_loads_each_program_once(monkeypatch):
    loads = []

    def load(self: Program) -> None:
        loads.append(self)
        self.refused = Refused("not here")
    monkeypatch.setattr(Program, "_load", load)
    with mapsd.Session("bpf") as session:
        iterator = session._live.iterator
        for _ in range(3):
            iterator.of(os.getpid())
            iterator.identities(os.getpid())
            session.lookup(os.getpid())
    assert sorted(one.name for one in loads) == ["held", "same"]


def test_a_thread_that_is_none_of_the_processs_is_gone():
    with child(lambda: None) as pid, pytest.raises(ProcessGone):
        mapsd.lookup(pid, thread=os.getpid())
    assert mapsd.lookup(os.getpid(), thread=os.getpid()).mappings


def test_a_proof_that_there_is_not_is_refused():
    with pytest.raises(UsageError):
        mapsd.Session("guess")
    with pytest.raises(UsageError):
        mapsd.lookup(os.getpid(), "guess")


def test_every_public_name_is_there_documented_and_typed():
    for name in mapsd.__all__:
        public = getattr(mapsd, name)
        if callable(public):
            assert len(inspect.getdoc(public) or "") > 40, name
            assert inspect.signature(public).return_annotation is not inspect.Signature.empty or inspect.isclass(public)
    with pytest.raises(AttributeError):
        mapsd.guess  # noqa: B018


def test_who_a_process_is_is_what_its_lookup_says():
    with mapsd.Session() as session:
        assert session.who(os.getpid()) == session.lookup(os.getpid()).process
