"""Who sees what of an answer: the kernel is asked before and after; what is gone, forbidden or swapped is absent."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import pytest

from mapsd import Session
from mapsd.errors import AccessDenied, KernelLacks, MapsdError, ParseError, ProcessGone, UsageError
from mapsd.linux.rights.authority import Peer
from mapsd.model import ProcessAnswer, ProcessFacts
from mapsd.model.translated import OnHost, Translation, View
from mapsd_api.answers.problems import Problem, as_object
from mapsd_api.asker.identity import Identity
from mapsd_api.lookups.everywhere import ROUNDS, everywhere
from mapsd_api.lookups.flights import Flights
from mapsd_api.lookups.pool import Pool
from mapsd_api.lookups.roster import Roster
from mapsd_api.lookups.service import SHARE, Look, Service
from mapsd_api.lookups.worker import Worker
from tests.api.world import ROOT, user

USER = user(1000)


class Kernel:
    """Processes by pid, and which of them the user may see; *after* is what has happened when a lookup has ended."""

    def __init__(self, *pids: int) -> None:
        self.processes = {pid: ProcessFacts(pid, 10 * pid, b"one", 1000, None, None, None) for pid in pids}
        self.seen = set(pids)
        self.asked: list[tuple[int, ...]] = []
        self.looks: list[Look] = []
        self.lookups = 0
        self.after: Callable[[], object] = lambda: None

    def may_see(self, peer: Peer, pid: int) -> bool:
        return pid in self.visible(peer, (pid,))

    def visible(self, _: Peer, pids: Sequence[int]) -> Collection[int]:
        self.asked.append(tuple(pids))
        return self.seen & self.processes.keys() & set(pids)

    def who(self, pid: int) -> ProcessFacts:
        if pid not in self.processes:
            raise ProcessGone(pid, seen=False)
        return self.processes[pid]

    def answer(self, pid: int, failure: MapsdError | None = None) -> Callable[[object], ProcessAnswer]:
        def question(_: object) -> ProcessAnswer:
            self.lookups += 1
            found = ProcessAnswer(self.who(pid), "6.18", None, 0.0, ())
            self.after()
            if failure is not None:
                raise failure
            return found
        return question

    def swap(self, pid: int) -> None:
        self.processes[pid] = self.processes[pid]._replace(start_time=self.processes[pid].start_time + 1)


def served(kernel: Kernel) -> Service:
    pool = Pool(lambda: Worker(Session), 1, 1.0)
    return Service(kernel, Flights(pool, 4), kernel.who, kernel.looks.append)


def problem(kernel: Kernel, identity: Identity, pid: int, failure: MapsdError | None = None) -> dict:
    with pytest.raises(Problem) as raised:
        served(kernel).ask(identity, "operation", pid, kernel.answer(pid, failure), "key")
    return as_object(raised.value)


def test_what_may_be_seen_is_answered_and_told():
    kernel = Kernel(7)
    found = served(kernel).ask(USER, "operation", 7, kernel.answer(7), "key")
    assert found.process == kernel.processes[7]
    [look] = kernel.looks
    assert look[:5] == (USER, "operation", 7, found.process, "answered")
    assert kernel.asked == [(7,), (7,)]


def test_what_may_not_be_seen_is_not_looked_at_and_is_like_what_is_not_there():
    kernel = Kernel(7)
    kernel.seen.clear()
    hidden = problem(kernel, USER, 7)
    assert kernel.lookups == 0
    assert hidden == problem(Kernel(), USER, 7)
    assert hidden == problem(Kernel(), ROOT, 7)
    assert hidden["status"] == 404
    assert [(look.process, look.outcome) for look in kernel.looks] == [(None, "absent")]


@pytest.mark.parametrize("happens", ["hidden", "swapped", "gone"])
@pytest.mark.parametrize("failure", [None, AccessDenied("7: maps", "CAP_SYS_PTRACE"), ParseError("maps", b"?", "torn")])
def test_a_process_that_was_another_one_at_the_end_is_absent_whatever_its_lookup_said(happens, failure):
    kernel = Kernel(7)
    kernel.after = {"hidden": kernel.seen.clear, "gone": kernel.processes.clear, "swapped": lambda: (
        kernel.swap(7), kernel.seen.clear() if failure else None)}[happens]
    assert problem(kernel, USER, 7, failure) == problem(Kernel(), USER, 7)
    assert kernel.looks[0].process is None


def test_a_pid_that_was_taken_meanwhile_is_absent_also_for_those_who_see_everything():
    kernel = Kernel(7)
    kernel.after = lambda: kernel.swap(7)
    assert problem(kernel, ROOT, 7)["status"] == 404


@pytest.mark.parametrize(("failure", "status", "kind"), [
    (ProcessGone(7, seen=True), 410, "gone"),
    (AccessDenied("7: maps", "CAP_SYS_PTRACE"), 403, "not-readable"),
    (UsageError("not an absolute path"), 400, "invalid"),
    (KernelLacks("openat2"), 501, "kernel-lacks"),
    (ParseError("maps", b"?", "torn"), 500, "internal"),
])
def test_a_failure_is_said_to_whom_may_see_the_process(failure, status, kind):
    kernel = Kernel(7)
    said = problem(kernel, USER, 7, failure)
    assert (said["status"], said["type"]) == (status, f"urn:mapsd:problem:{kind}")
    assert kernel.looks[0].outcome == kind
    assert said.get("needs") == (["CAP_SYS_PTRACE"] if kind == "not-readable" else None)


def test_a_daemon_without_descriptors_left_says_that_it_is_busy():
    kernel = Kernel(7)

    def exhausted(*_: object) -> bool:
        raise OSError(24, "Too many open files")
    kernel.visible = exhausted
    assert problem(kernel, USER, 7)["status"] == 503


def test_without_descriptors_left_at_the_end_a_process_is_not_taken_for_absent():
    kernel = Kernel(7)

    def exhausted(_: int) -> ProcessFacts:
        raise OSError(24, "Too many open files")
    kernel.who = exhausted
    assert problem(kernel, ROOT, 7)["status"] == 503


def test_a_listing_has_those_that_may_be_seen_before_and_after_they_are_looked_at():
    kernel = Kernel(*range(1, 2 * SHARE + 10))
    kernel.seen -= {5, SHARE + 5}
    who = kernel.who

    def swapping(pid: int) -> ProcessFacts:
        found = who(pid)
        if pid == 9:
            kernel.swap(9)
        return found
    service = Service(kernel, Flights(Pool(lambda: None, 1, 1.0), 1), swapping, kernel.looks.append)
    listed = [process.pid for process in service.processes(USER, sorted(kernel.processes))]
    assert listed == [pid for pid in sorted(kernel.processes) if pid not in {5, SHARE + 5, 9}]


def test_a_roster_gives_of_a_listing_only_those_that_are_the_same_processes_still():
    kernel = Kernel(1, 2, 3, 4)
    roster = Roster(served(kernel), lambda: sorted(kernel.processes), ours=True)
    listed = roster.known(USER)
    kernel.swap(2)
    del kernel.processes[3]
    assert [process.pid for process in roster.rows(USER, listed)] == [1, 4]
    assert kernel.looks == []


def test_a_listing_by_whom_sees_everything_is_told():
    kernel = Kernel(1)
    Roster(served(kernel), lambda: [1], ours=True).known(ROOT)
    assert [(look.operation, look.pid) for look in kernel.looks] == [("list_processes", None)]


def test_a_user_has_a_name_only_where_our_user_database_is_that_of_the_processes():
    process = ProcessFacts(1, 100, b"init", 0, None, None, None)
    rows = [Roster(served(Kernel()), list, ours=ours).as_object(process, None) for ours in (True, False)]
    assert [row["user"] for row in rows] == ["root", None]
    unknown = Roster(served(Kernel()), list, ours=True).as_object(process._replace(uid=4_000_000_000), {"current": 1})
    assert (unknown["user"], unknown["states"]) == (None, {"current": 1})


class Several(NamedTuple):
    """What was answered about several processes."""

    processes: tuple[ProcessFacts, ...]


def together(kernel: Kernel, *pids: int, fails: Exception | None = None) -> tuple[Several, frozenset[int]]:
    def question(_: object, asked: Sequence[int]) -> Several:
        found = Several(tuple(kernel.who(pid) for pid in asked))
        kernel.after()
        if fails is not None:
            raise fails
        return found
    return served(kernel).together(USER, "operation", pids, question, "key")


def test_of_several_only_those_are_asked_and_told_of_that_may_be_seen():
    kernel = Kernel(7, 8, 9)
    kernel.seen = {7, 9}
    found, seen = together(kernel, 7, 8, 9)
    assert [process.pid for process in found.processes] == [7, 9]
    assert seen == {7, 9}
    assert [(look.pid, look.outcome) for look in kernel.looks] == [(7, "answered"), (9, "answered")]


@pytest.mark.parametrize("becomes", ["hidden", "another", "nothing"])
def test_of_several_those_that_were_another_one_meanwhile_are_not_told_of(becomes):
    kernel = Kernel(7, 8)
    kernel.after = {"hidden": lambda: kernel.seen.discard(8), "another": lambda: kernel.swap(8),
                    "nothing": lambda: kernel.processes.pop(8)}[becomes]
    _, seen = together(kernel, 7, 8)
    assert seen == {7}
    assert [(look.pid, look.process is not None, look.outcome) for look in kernel.looks] == [
        (7, True, "answered"), (8, False, "absent")]


@pytest.mark.parametrize(("failure", "kind"), [
    (UsageError("why"), "invalid"), (ParseError("maps", b"a secret", "why"), "internal"),
    (OSError(24, "Too many open files"), "busy")])
def test_a_failure_of_several_tells_nothing_of_any(failure, kind):
    with pytest.raises(Problem) as raised:
        together(Kernel(7), 7, fails=failure)
    assert raised.value.kind == kind
    assert "secret" not in str(as_object(raised.value))


def test_whoever_may_see_other_processes_shares_no_answer():
    kernel = Kernel(7, 8)
    assert together(kernel, 7)[1] == {7}
    assert together(kernel, 7, 8)[1] == {7, 8}


def gathered(kernel: Kernel, roots: Sequence[Sequence[int]]) -> Translation:
    """Return what is told of processes by their roots, of which the first that is left answers for each."""
    wanted = OnHost(b"/file")

    def question(_: object, asked: Sequence[int]) -> Translation:
        kernel.lookups += 1
        left = [[pid for pid in pids if pid in asked] for pids in roots]
        found = tuple(View(kernel.who(pids[0]), "6.18", 1.0, tuple(pids), ()) for pids in left if pids)
        kernel.after()
        return Translation(wanted, "6.18", 1.0, found)
    every = sorted(pid for pids in roots for pid in pids)
    return everywhere(served(kernel), USER, "operation", every, question, wanted)


def test_whoever_exits_before_the_answer_is_told_takes_no_other_process_along():
    kernel = Kernel(1, 2, 3, 7)
    kernel.after = lambda: kernel.processes.pop({1: 1, 2: 2}.get(kernel.lookups, 0), None)
    assert [view.pids for view in gathered(kernel, [[1, 2, 3], [7]]).views] == [(3,), (7,)]
    assert kernel.lookups == 3


def test_of_processes_that_exit_one_after_the_other_no_end_is_waited_for():
    kernel = Kernel(*range(1, 20))
    kernel.after = lambda: kernel.processes.pop(kernel.lookups, None)
    assert gathered(kernel, [range(1, 20)]).views == ()
    assert kernel.lookups == ROUNDS


def test_nobody_is_asked_of_whom_nothing_may_be_told():
    kernel = Kernel(1, 2)
    kernel.seen = set()
    assert gathered(kernel, [[1], [2]]).views == ()
    assert kernel.looks == []
