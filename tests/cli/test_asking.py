"""Questions to one process after the other: what is told of those that failed, and how it ends."""

import pytest

from mapsd.cli.asking import Asking
from mapsd.errors import AccessDenied, KernelLacks, ParseError, ProcessGone, UsageError
from mapsd.views.selection import overlaid
from tests.cli.answers import mapping, process

MISSING, GONE = ProcessGone(1, seen=False), ProcessGone(2, seen=True)
DENIED = AccessDenied("3: maps", "CAP_SYS_PTRACE")
BROKEN, FAILED = ParseError("maps", b"\x1b", "not a mapping"), OSError(5, "Input/output error")
FOUND = process(mapping(1, b"/a"), pid=7)
PLAIN = process(mapping(1, b"/a", None), pid=8)


def told(*outcomes, everything=False, filters=(), capfd):
    def ask(number):
        if isinstance(outcomes[number], Exception):
            raise outcomes[number]
        return outcomes[number]
    asking = Asking(ask, filters, everything=everything)
    answers = list(asking.answers([(number, []) for number in range(len(outcomes))]))
    return asking.end(), answers, capfd.readouterr().err.splitlines()


@pytest.mark.parametrize(("outcomes", "status", "lines"), [
    ([FOUND], 0, []), ([FOUND, MISSING], 1, ["1: no such process"]),
    ([GONE, MISSING], 4, ["2: process exited during the lookup", "1: no such process"]),
    ([DENIED, GONE], 3, ["3: maps: permission denied: needs CAP_SYS_PTRACE", "2: process exited during the lookup"]),
    ([FAILED, DENIED], 70, ["0: [Errno 5] Input/output error", "3: maps: permission denied: needs CAP_SYS_PTRACE"]),
    ([BROKEN], 70, ["maps: not a mapping: b'\\x1b'"]), ([ProcessGone(1, seen=False, thread=2)], 1, ["1: no thread 2"]),
    ([KernelLacks("statx"), FOUND], 70, ["this kernel has no statx"])])
def test_of_processes_that_were_named_each_failure_is_told(outcomes, status, lines, capfd):
    found = told(*outcomes, capfd=capfd)
    assert found == (status, [one for one in outcomes if one is FOUND], [f"mapsd: {line}" for line in lines])


@pytest.mark.parametrize(("outcomes", "status", "lines"), [
    ([FOUND, MISSING, GONE], 0, ["2 processes exited meanwhile"]), ([GONE, FOUND], 0, ["1 process exited meanwhile"]),
    ([DENIED, FOUND, DENIED, GONE], 0, ["1 process exited meanwhile, 2 processes may not be read"]),
    ([DENIED], 3, ["1 process may not be read"]), ([FOUND], 0, []), ([], 1, []), ([MISSING], 1, [
        "1 process exited meanwhile"]),
    ([FOUND, FAILED], 70, ["1: [Errno 5] Input/output error"]),
    ([DENIED, FAILED], 70, ["1: [Errno 5] Input/output error", "1 process may not be read"])])
def test_of_all_processes_failures_are_counted(outcomes, status, lines, capfd):
    found = told(*outcomes, everything=True, capfd=capfd)
    assert found == (status, [one for one in outcomes if one is FOUND], [f"mapsd: {line}" for line in lines])


def test_what_a_filter_leaves_out_is_gone_and_nothing_left_is_status_1(capfd):
    assert told(FOUND, PLAIN, filters=[overlaid], capfd=capfd) == (0, [FOUND, PLAIN._replace(mappings=())], [])
    assert told(PLAIN, filters=[overlaid], capfd=capfd) == (1, [PLAIN._replace(mappings=())], [])
    assert told(PLAIN, DENIED, filters=[overlaid], capfd=capfd)[0] == 3


def test_of_all_processes_only_those_that_match_are_told(capfd):
    assert told(PLAIN, FOUND, PLAIN, everything=True, filters=[overlaid], capfd=capfd) == (0, [FOUND], [])
    assert told(PLAIN, everything=True, filters=[overlaid], capfd=capfd) == (1, [], [])
    assert told(PLAIN, everything=True, capfd=capfd) == (0, [PLAIN], [])


def test_an_address_selects_beside_the_filters(capfd):
    asking = Asking(lambda _: FOUND, [overlaid], everything=False)
    assert [one.mappings for one in asking.answers([(7, [4096, 0])])] == [FOUND.mappings]
    assert asking.end() == 1
    assert capfd.readouterr().err == "mapsd: 7: no mapping holds 0x0\n"


def test_a_question_that_is_not_understood_is_the_user_s(capfd):
    with pytest.raises(UsageError):
        told(UsageError("no such proof"), capfd=capfd)
