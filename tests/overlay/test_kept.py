"""A session that keeps its answers: never another one than a lookup that knows nothing would give."""

import os
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from mapsd import Session
from mapsd.answer.kept import Recollection
from mapsd.linux import witness
from mapsd.views.render import as_json
from tests.overlay import kernel
from tests.overlay.battery import write
from tests.overlay.model import Mapping, identity
from tests.overlay.scenes import Scene, gone
from tests.overlay.test_histories import Histories, grounds, modes, picks  # noqa: F401  (grounds is a fixture)

HISTORIES = int(os.environ.get("MAPSD_HISTORIES", "150"))
# A file must not have changed for this long. The kernel's clock for it ticks every 1 to 10 ms, so a test need not wait
# for as long as what the product allows filesystems with coarser ones.
YOUNG = 25_000_000  # nanoseconds
recalled: Counter[str] = Counter()


@pytest.fixture
def counted(monkeypatch):
    monkeypatch.setattr(witness, "_YOUNG", YOUNG)
    answer = Recollection.answer

    def counting(self, vma):
        found = answer(self, vma)
        if found is not None:
            recalled[found.state] += 1
        return found
    monkeypatch.setattr(Recollection, "answer", counting)


class Kept(Histories):
    """The histories, asked by one session that keeps its answers; some steps let it learn."""

    @rule()
    def remember(self):
        time.sleep(2 * YOUNG / 1e9)
        for _ in range(2):
            self.session().lookup(self.target.pid)

    @rule(number=picks, other=picks, mode=modes, page=st.integers(0, 1))
    def map_over(self, number, other, mode, page):
        """Map a file where another one is mapped."""
        node = self.file(number)
        if node is not None:
            self.put(other % len(self.mappings), node, mode, page)

    @rule(number=picks)
    def map_again(self, number):
        """Map once more what is mapped, at the same place: maps prints the same, and what is held may be another."""
        place = number % len(self.mappings)
        before = self.mappings[place]
        if not before.node.dead and not before.node.covered():
            self.put(place, before.node, before.mode, before.page)

    def put(self, place, node, mode, page):
        data = node.file.data
        address = self.target.map_over(self.mappings[place].address, self.real(node), mode, page)
        if not data.index and data.device_inode is None:
            data.device_inode = identity(self.upper_of(node))
        self.mappings[place] = Mapping(address, node, data, mode, page)

    def session(self):
        if not hasattr(self, "kept"):
            self.kept = self.stack.enter_context(Session(keep=True))
        return self.kept

    def check(self, state, root=""):
        answers = {int(one["start"], 16): one for one in as_json(self.session().lookup(self.target.pid))["mappings"]}
        for mapping in self.mappings:
            self.check_one(mapping, answers[mapping.address], state(mapping), root, whole=True)

    def check_lacking(self, state, root=""):
        """The other histories put these questions."""


@pytest.mark.usefixtures("counted")
def test_no_history_ends_in_a_wrong_answer_that_was_kept(lab, mapper, grounds, capsys):  # noqa: F811
    Kept.lab, Kept.mapper, Kept.grounds = lab, mapper, grounds
    rules = settings(max_examples=HISTORIES, stateful_step_count=40, deadline=None, database=None,
                     suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    run_state_machine_as_test(Kept, settings=rules)
    with capsys.disabled():
        print(f"\n{HISTORIES} histories, kept:", ", ".join(f"{name} {many}" for name, many in sorted(recalled.items())))
    assert set(recalled) == {"current", "copied-up", "replaced", "deleted"}


@pytest.mark.usefixtures("counted")
def test_what_is_mapped_again_by_another_mount_is_asked_about_anew(lab, mapper):
    with Scene("twice", lab, mapper) as scene, Session(keep=True) as session:
        lower = scene.lower(scene.base / "lower")
        scene.upper(scene.base / "upper")
        scene.fill(lower, "held", "written")
        scene.mount()
        target = scene.start()
        # What was copied up after it was mapped is compared by the iterator, where there is one.
        target.map(scene.merged / "written")
        write(scene.merged / "written")
        address = target.map(scene.merged / "held")
        kernel.mount(scene.merged, scene.merged, None, kernel.MS_BIND)
        scene.stack.callback(gone, scene.merged)
        time.sleep(2 * YOUNG / 1e9)
        for _ in range(3):
            before = session.lookup(target.pid)
        text = Path(f"/proc/{target.pid}/maps").read_bytes()
        target.map_over(address, scene.merged / "held")
        assert Path(f"/proc/{target.pid}/maps").read_bytes() == text
        after = session.lookup(target.pid)
        with Session() as fresh:
            assert after.mappings == fresh.lookup(target.pid).mappings != before.mappings
