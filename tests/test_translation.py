"""Which processes are asked for the names of a file: one for each mount namespace and root."""

from collections.abc import Hashable

import pytest

from mapsd.answer.translation import Asking, among, in_process
from mapsd.errors import AccessDenied, ProcessGone, UsageError
from mapsd.model import ProcessFacts
from mapsd.model.translated import Inside, OnHost, Translation, View, Wanted

FILE = OnHost(b"/file")


class Machine:
    """Processes by their roots; some are gone or denied when they are asked."""

    def __init__(self, roots: dict[int, Hashable]) -> None:
        self.roots, self.asked, self.fails = roots, [], dict[int, Exception]()

    def root(self, pid: int) -> Hashable:
        found = self.roots[pid]
        if isinstance(found, Exception):
            raise found
        return found

    def answer(self, pid: int) -> View:
        self.asked.append(pid)
        if pid in self.fails:
            raise self.fails[pid]
        return View(ProcessFacts(pid, 1, b"", 0, None, None, None), "6.18", 1.0, (pid,), ())

    def asking(self) -> Asking:
        return Asking(lambda _, pid: self.answer(pid), self.root, "6.18", 1.0)


def asked(machine: Machine, wanted: Wanted = FILE) -> Translation:
    return among(wanted, list(machine.roots), machine.asking())


def test_one_process_answers_for_all_that_have_its_root():
    machine = Machine({1: "host", 2: "host", 7: "box", 8: "host", 9: "box"})
    found = asked(machine)
    assert [view.pids for view in found.views] == [(1, 2, 8), (7, 9)]
    assert machine.asked == [1, 7]


def test_where_it_ends_or_may_not_be_read_the_next_one_is_asked():
    machine = Machine({1: "box", 2: "box", 3: "box"})
    machine.fails = {1: ProcessGone(1, seen=True), 2: AccessDenied("2: root", "CAP_SYS_PTRACE")}
    found = asked(machine)
    assert [view.pids for view in found.views] == [(3,)]
    assert (found.gone, found.denied) == (1, 1)


def test_what_has_no_root_that_may_be_looked_at_is_counted():
    found = asked(Machine({1: ProcessGone(1, seen=True), 2: AccessDenied("2: root", "CAP_SYS_PTRACE"), 3: "host"}))
    assert [view.pids for view in found.views] == [(3,)]
    assert (found.gone, found.denied) == (1, 1)


def test_a_process_that_changed_its_root_meanwhile_answers_for_nobody():
    machine = Machine({1: "host", 2: "host"})
    before = machine.answer

    def answer(pid: int) -> View:
        found = before(pid)
        machine.roots[1] = "elsewhere"
        return found
    machine.answer = answer
    found = asked(machine)
    assert [view.pids for view in found.views] == [(2,)]


def test_a_relative_path_is_refused_before_anybody_is_asked():
    machine = Machine({1: "host"})
    for wanted in (OnHost(b"file"), Inside(b"file")):
        with pytest.raises(UsageError):
            asked(machine, wanted)
        with pytest.raises(UsageError):
            in_process(wanted, 1, machine.asking())
    assert machine.asked == []
