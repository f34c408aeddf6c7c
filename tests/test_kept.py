"""What a session keeps is bounded: by processes, and by the mappings of all of them."""

from contextlib import ExitStack

import pytest

from mapsd import Session
from mapsd.answer import kept
from tests.cli.command import child


def remembered(children: int) -> list[int]:
    """Ask about so many processes twice, and return of which of them something is kept, in their order."""
    with ExitStack() as stack:
        pids = [stack.enter_context(child(lambda: None)) for _ in range(children)]
        session = stack.enter_context(Session(keep=True))
        for pid in pids * 2:
            session.lookup(pid)
        known = session._asking.kept
        assert known._texts.keys() == known._processes.keys()
        return [number for number, pid in enumerate(pids) if b"/proc/%d" % pid in known._processes]


@pytest.mark.parametrize(("name", "bound", "left"), [
    ("PROCESSES", 2, [2, 3]), ("MAPPINGS", 1, [3]), ("MAPPINGS", 50_000, [0, 1, 2, 3])])
def test_what_was_asked_about_longest_ago_is_forgotten(monkeypatch, name, bound, left):
    monkeypatch.setattr(kept, name, bound)
    assert remembered(4) == left


def test_what_has_ended_is_forgotten_when_another_process_is_asked_about():
    with Session(keep=True) as session, child(lambda: None) as lasting:
        with child(lambda: None) as ended:
            session.lookup(ended)
            session.lookup(lasting)
        session.lookup(lasting)
        known = session._asking.kept
        assert b"/proc/%d" % ended in known._processes
        with child(lambda: None) as another:
            session.lookup(another)
            assert {*known._processes} == {*known._texts} == {b"/proc/%d" % pid for pid in (lasting, another)}
