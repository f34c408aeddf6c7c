"""What listeners are told: what they may see, once, in order, and nothing of anything else."""

import asyncio
import mmap
import os
import threading

import pytest

from mapsd import Session
from mapsd.errors import MapsdError
from mapsd.linux.rights import authority
from mapsd.linux.rights.authority import Peer
from mapsd.model import DeviceId
from mapsd_api.answers.problems import KINDS, Problem, busy, of_failure
from mapsd_api.asker.identity import Identity
from mapsd_api.events.sight import MAPPINGS, Means, Sight
from mapsd_api.events.subscription import KEPT
from mapsd_api.events.watcher import WATCHED, Watcher
from tests.api.world import QUICK, ROOT, Reader, World, at_rest, brief, listening, mapping, running, told, user
from tests.cli.command import BOUND, child, ended, mapped, renamed

ALICE, BOB = 1000, 1001


@pytest.fixture
def world() -> World:
    made = World()
    made.add(1, b"init")
    made.add(10, b"editor", 5, ALICE)
    return made


@pytest.fixture
def watcher(world):
    made = Watcher(world.means(), QUICK)
    yield made
    made.close()
    at_rest(lambda: not threads())


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "mapsd-watcher"]


def finish(watcher: Watcher, reader: Reader) -> list[tuple[str, dict]]:
    """Return everything that a reader was told, after all that is so now was looked at."""
    watcher.drain()
    return reader.ended()


def test_what_comes_and_goes_is_told_and_what_is_there_is_no_news(world, watcher):
    reader = listening(watcher, ROOT)
    world.passed()
    world.add(20, b"new", 9)
    reader.until(1)
    world.end(20)
    world.end(1)
    assert brief(reader.until(3)) == [("seen", 20, "new"), ("gone", 1, "init"), ("gone", 20, "new")]
    assert reader.events[0][1] == {"pid": 20, "start_time": 9, "name": "new", "uid": 1000}


def test_another_process_with_the_same_pid_is_another_process(world, watcher):
    reader = listening(watcher, ROOT)
    world.add(10, b"editor", 6)
    assert [(name, data["start_time"]) for name, data in reader.until(2)] == [("gone", 5), ("seen", 6)]


def test_of_a_process_that_may_not_be_seen_nothing_is_told(world, watcher):
    reader = listening(watcher, user(BOB))
    world.add(20, b"secret", 9, ALICE)
    world.passed()
    world.rename(20, b"other")
    world.add(20, b"reused", 10, ALICE)
    world.passed()
    world.end(20)
    world.end(1)
    world.passed()
    world.add(30, b"bob's", 11, BOB)
    reader.until(1)
    assert brief(finish(watcher, reader)) == [("seen", 30, "bob's")]


def test_a_process_that_may_not_be_seen_any_more_is_gone_by_its_last_name(world, watcher):
    reader = listening(watcher, user(ALICE))
    world.rename(10, b"shell")
    world.passed()
    world.add(10, b"su", 5)  # the same one, which is nobody's to see now
    reader.until(1)
    world.rename(10, b"secret")
    world.passed()
    world.end(10)
    world.passed()
    assert brief(finish(watcher, reader)) == [("gone", 10, "shell")]


def test_a_process_that_may_be_seen_now_is_seen_with_the_name_that_it_has_now(world, watcher):
    reader = listening(watcher, user(BOB))
    world.add(10, b"login", 5, BOB)
    assert brief(reader.until(1)) == [("seen", 10, "login")]


def test_a_process_that_was_hidden_while_its_name_was_read_is_not_known(world):
    means = world.means()

    def hiding():
        if world.looks == 1:
            world.seen_by[10] = set()
        return list(world.running())
    watcher = Watcher(means._replace(running=hiding), QUICK)
    reader = listening(watcher, user(ALICE))
    world.end(10)
    world.passed()
    assert finish(watcher, reader) == []
    watcher.close()


def test_a_name_of_any_bytes_comes_with_its_bytes(world, watcher):
    reader = listening(watcher, ROOT)
    world.add(20, b"\x1b[31m\xff\\", 9)
    [(_, data)] = reader.until(1)
    assert data["name"] == "\\x1b[31m\\xff\\\\"
    assert data["name_base64"] == "G1szMW3/XA=="


def test_each_is_told_what_it_may_see(world, watcher):
    readers = {uid: listening(watcher, user(uid)) for uid in (ALICE, BOB)}
    everything = listening(watcher, ROOT)
    world.add(20, b"alice's", 9, ALICE)
    everything.until(1)
    world.add(21, b"bob's", 9, BOB)
    world.add(22, b"both", 9, ALICE, BOB)
    assert brief(everything.until(3)) == [("seen", 20, "alice's"), ("seen", 21, "bob's"), ("seen", 22, "both")]
    assert brief(readers[ALICE].until(2)) == [("seen", 20, "alice's"), ("seen", 22, "both")]
    assert brief(readers[BOB].until(2)) == [("seen", 21, "bob's"), ("seen", 22, "both")]


def test_a_state_that_changed_is_told_to_those_who_watch_the_process(world, watcher):
    world.mappings[10] = (mapping("current"), mapping("current", 0x8000), mapping(None, 0x9000))
    watching, only_listening = listening(watcher, ROOT, [10]), listening(watcher, ROOT)
    world.mappings[10] = (mapping("copied-up"), mapping("current", 0x8000), mapping(None, 0x9000))
    assert watching.until(1) == [("state", {
        "pid": 10, "start_time": 5, "start": "0x1000", "end": "0x2000", "user_path": "/lib/a.so", "before": "current",
        "now": "copied-up"})]
    world.passed()
    assert len(finish(watcher, watching)) == 1
    assert only_listening.ended() == []


@pytest.mark.parametrize("other", [
    mapping("deleted", 0x3000), mapping("deleted", inode=6), mapping("deleted", held=8), mapping(None),
    mapping("deleted", device=DeviceId(0, 9)), mapping("deleted", offset=0x1000)])
def test_another_mapping_at_the_place_is_no_change_of_state(world, watcher, other):
    world.mappings[10] = (mapping("current"), mapping("current", 0x8000))
    reader = listening(watcher, ROOT, [10])
    world.mappings[10] = (other, mapping("current", 0x8000))
    world.passed()
    world.mappings[10] = (mapping("current", 0x8000), )
    world.passed()
    world.mappings[10] = (mapping("deleted", 0x8000), )
    reader.until(1)
    assert [data["start"] for _, data in finish(watcher, reader)] == ["0x8000"]


def test_a_mapping_stays_the_same_where_what_it_holds_is_not_known_at_times(world, watcher):
    world.mappings[10] = (mapping("current"),)
    reader = listening(watcher, ROOT, [10])
    world.mappings[10] = (mapping("unknown", held=None),)
    reader.until(1)
    world.mappings[10] = (mapping("deleted"),)
    assert [(data["before"], data["now"]) for _, data in reader.until(2)] == [
        ("current", "unknown"), ("unknown", "deleted")]


def test_a_process_that_took_the_pid_has_states_of_its_own(world, watcher):
    world.mappings[10] = (mapping("current"),)
    reader = listening(watcher, ROOT, [10])
    world.refuses = busy("so many")
    world.passed()
    world.mappings[10] = (mapping("deleted"),)
    world.add(10, b"editor", 6)
    world.refuses = None
    world.passed()
    world.mappings[10] = (mapping("replaced"),)
    reader.until(3)
    assert [(data["start_time"], data["before"], data["now"]) for name, data in finish(watcher, reader)
            if name == "state"] == [(6, "deleted", "replaced")]


def test_whoever_may_not_see_a_process_is_not_told_of_its_states(world, watcher):
    world.mappings[10] = (mapping("current"),)
    reader, other = listening(watcher, user(BOB), [10]), listening(watcher, user(ALICE), [10])
    world.mappings[10] = (mapping("deleted"),)
    other.until(1)
    world.passed()
    world.seen_by[10] = {ALICE, BOB}
    reader.until(1)
    world.passed()
    world.mappings[10] = (mapping("replaced"),)
    reader.until(2)
    events = finish(watcher, reader)
    assert [name for name, _ in events] == ["seen", "state"]
    assert (events[1][1]["before"], events[1][1]["now"]) == ("deleted", "replaced")


def test_a_look_that_was_refused_for_now_forgets_nothing_and_one_that_found_nothing_does(world, watcher):
    world.mappings[10] = (mapping("current"),)
    reader = listening(watcher, ROOT, [10])
    for refusal, state in ((busy("so many"), "deleted"), (Problem("absent", "gone"), "current")):
        world.refuses = refusal
        world.passed()
        world.mappings[10] = (mapping(state),)
        world.refuses = None
        world.passed()
    assert [(data["before"], data["now"]) for _, data in finish(watcher, reader)] == [("current", "deleted")]


def test_whoever_begins_to_watch_takes_no_news_from_those_who_watch_already(world):
    world.mappings[10] = (mapping("current"),)
    sight = Sight(ROOT, world.means())
    sight.begin(frozenset({10}))
    world.mappings[10] = (mapping("deleted"),)
    sight.begin(frozenset({10}))
    assert [told(change)[1]["now"] for change in sight.states(10)] == ["deleted"]


def test_what_nobody_watched_for_a_while_has_no_state_before(world, watcher):
    world.mappings[10] = (mapping("current"),)
    first, _ = watcher.subscribe(ROOT, [10]), watcher.subscribe(ROOT)
    first.close()
    world.passed()
    world.mappings[10] = (mapping("deleted"),)
    again = listening(watcher, ROOT, [10])
    world.passed()
    assert finish(watcher, again) == []


def test_only_what_somebody_watches_is_looked_up(world, watcher):
    first = watcher.subscribe(ROOT, [10])
    at_rest(lambda: world.looked)
    first.close()
    second = watcher.subscribe(ROOT, [1])
    world.passed()
    world.looked.clear()
    world.passed()
    assert {pid for _, pid in world.looked} == {1}
    second.close()


def test_a_reader_who_is_too_slow_is_told_so_and_no_more(world):
    watcher = Watcher(world.means(), QUICK, kept=500)
    slow, fast = watcher.subscribe(ROOT), listening(watcher, ROOT)
    for pid in range(100, 150):
        world.add(pid)
        fast.until(pid - 99)
    at_rest(lambda: slow.over)
    assert watcher.subscribers == 1
    assert Reader(slow).ended() == [("lagged", {"kept": 500})]
    assert len(finish(watcher, fast)) == 50
    watcher.close()


def test_what_is_kept_is_told_before_the_end(world, watcher):
    subscription = watcher.subscribe(ROOT)
    world.add(20)
    world.passed()
    watcher.drain()
    assert brief(Reader(subscription).ended()) == [("seen", 20, "one")]


def test_so_many_may_listen_and_one_user_may_not_be_all_of_them(world):
    watcher = Watcher(world.means(), QUICK, subscribers=5, of_one=3)
    held = [watcher.subscribe(user(ALICE, group)) for group in range(3)]
    refused = [user(ALICE), user(ALICE, 7), user(ALICE)._replace(via="tcp")]
    for identity in refused:
        with pytest.raises(Problem) as refusal:
            watcher.subscribe(identity)
        assert (refusal.value.kind, KINDS[refusal.value.kind].status) == ("busy", 503)
        assert "Retry-After" in refusal.value.headers
    held += [watcher.subscribe(user(BOB)), watcher.subscribe(ROOT)]
    with pytest.raises(Problem):
        watcher.subscribe(user(1002))
    held.pop().close()
    held.append(watcher.subscribe(user(1002)))
    assert watcher.subscribers == 5
    watcher.close()


def test_so_many_processes_may_be_watched(watcher):
    with pytest.raises(Problem) as refusal:
        watcher.subscribe(ROOT, range(1, WATCHED + 2))
    assert refusal.value.kind == "invalid"
    watcher.subscribe(ROOT, [*range(1, WATCHED + 1), 1, 2])
    assert watcher.subscribers == 1


def test_the_states_of_so_many_mappings_can_be_watched(world, watcher):
    whole = tuple(mapping("current", 0x1000 * place) for place in range(1, MAPPINGS + 2))
    world.mappings[10], world.mappings[1] = whole, whole[1:]
    with pytest.raises(Problem) as refusal:
        watcher.subscribe(ROOT, [1, 10])
    assert (refusal.value.kind, watcher.subscribers) == ("invalid", 0)
    reader, other = listening(watcher, ROOT, [1]), listening(watcher, ROOT)
    world.mappings[1] = whole
    assert reader.ended() == [("lagged", {"kept": KEPT})]
    world.add(20)
    assert brief(other.until(1)) == [("seen", 20, "one")]


def test_there_is_a_thread_only_while_somebody_listens(world, watcher):
    assert threads() == []
    for _ in range(3):
        first, second = watcher.subscribe(ROOT), watcher.subscribe(user(ALICE))
        assert len(threads()) == 1
        first.close()
        world.passed()
        second.close()
        at_rest(lambda: not threads())
        looks = world.looks
    assert world.looks == looks
    assert watcher.subscribers == 0


def test_whoever_comes_while_the_last_one_goes_is_let_in(watcher):
    for _ in range(500):
        watcher.subscribe(ROOT).close()


def test_nothing_is_left_of_many_listeners(watcher):
    def state() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()
    listening(watcher, ROOT).subscription.close()
    at_rest(lambda: threading.active_count() == 1)
    before = state()
    for _ in range(20):
        readers = [listening(watcher, user(uid)) for uid in range(5)]
        for reader in readers:
            reader.subscription.close()
            reader.ended()
    at_rest(lambda: state() == before)


def test_closing_ends_every_stream_and_lets_nobody_in(watcher):
    readers = [listening(watcher, ROOT, [10]), listening(watcher, user(ALICE))]
    watcher.close()
    assert [reader.ended() for reader in readers] == [[], []]
    assert threads() == []
    with pytest.raises(Problem) as refusal:
        watcher.subscribe(ROOT)
    assert refusal.value.kind == "busy"


def test_a_reader_that_is_cancelled_is_forgotten(watcher):
    async def read() -> None:
        task = asyncio.ensure_future(anext(watcher.subscribe(ROOT).events(heartbeat=BOUND)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    asyncio.run(read())
    assert watcher.subscribers == 0


def test_a_reader_whose_loop_is_no_more_is_forgotten_when_something_happens(world, watcher):
    subscription = watcher.subscribe(ROOT)
    loop = asyncio.new_event_loop()
    subscription._listen(loop, asyncio.Event())
    loop.close()
    world.add(20)
    at_rest(lambda: watcher.subscribers == 0)


def test_a_silent_stream_has_heartbeats(watcher):
    reader = listening(watcher, ROOT)
    at_rest(lambda: reader.beats > 3)
    assert finish(watcher, reader) == []


def test_where_it_cannot_be_read_which_processes_there_are_none_is_gone(world, watcher):
    reader = listening(watcher, ROOT)
    for failure in (OSError(24, "Too many open files"), MapsdError("a form nobody knows"), busy("so many")):
        world.fails = failure
        world.passed()
    world.end(10)
    world.fails = None
    assert brief(reader.until(1)) == [("gone", 10, "editor")]


def test_nobody_listens_where_it_cannot_be_read_what_is_there(world, watcher):
    world.fails = OSError(24, "Too many open files")
    with pytest.raises(Problem) as refusal:
        watcher.subscribe(ROOT)
    assert refusal.value.kind == "busy"
    at_rest(lambda: not threads())
    world.fails = None
    assert watcher.subscribe(ROOT).over is False


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_fails_ends_every_stream_and_the_next_listener_has_another_one(world, watcher):
    reader = listening(watcher, ROOT)
    world.fails = ZeroDivisionError()
    assert reader.ended() == []
    with pytest.raises(Problem):
        watcher.subscribe(ROOT)
    world.fails = None
    again = listening(watcher, ROOT)
    world.add(20)
    assert brief(again.until(1)) == [("seen", 20, "one")]


def test_whoever_waits_too_long_for_the_first_look_is_refused(world):
    held = threading.Event()

    def stuck() -> list:
        held.wait(BOUND)
        return []
    watcher = Watcher(world.means()._replace(running=stuck), QUICK, patience=0.01)
    with pytest.raises(Problem):
        watcher.subscribe(ROOT)
    assert watcher.subscribers == 0
    held.set()
    at_rest(lambda: not threads())


class Machine:
    """This very machine, asked as the daemon asks it."""

    def __init__(self) -> None:
        self._authority = authority.established()
        self._session = Session("lookup")

    def means(self) -> Means:
        return Means(running, self.visible, self.who, self.look)

    def visible(self, identity, pids):
        return pids if identity.everything else self._authority.visible(identity.peer, pids)

    def who(self, identity, pids):
        for pid in self.visible(identity, pids):
            try:
                yield self._session.who(pid)
            except MapsdError:
                continue

    def look(self, identity, pid):
        if not self.visible(identity, [pid]):
            raise Problem("absent", "no such process")
        try:
            return self._session.lookup(pid)
        except MapsdError as error:
            raise of_failure(error) from error


def become_nobody() -> None:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    os.execv("/bin/sleep", ["nobody's", "1000"])


@pytest.mark.usefixtures("root")
def test_real_processes_are_told_of_to_their_user_and_to_root():
    machine = Machine()
    watcher = Watcher(machine.means(), 0.05)
    nobody = listening(watcher, Identity(Peer(65534, 65534, ()), everything=False, via="unix"))
    everything = listening(watcher, ROOT)
    with child(lambda: renamed(b"root's")) as secret:
        at_rest(lambda: ("seen", secret, "root's") in brief(everything.events))
        pid = os.fork()
        if not pid:
            become_nobody()
        try:
            at_rest(lambda: ("seen", pid) in [one[:2] for one in brief(nobody.events)])
        finally:
            ended(pid)
        at_rest(lambda: ("gone", pid) in [one[:2] for one in brief(nobody.events)])
    at_rest(lambda: ("gone", secret, "root's") in brief(everything.events))
    watcher.close()
    assert secret not in {one[1] for one in brief(nobody.ended())}
    assert [one[0] for one in brief(nobody.events) if one[1] == pid] == ["seen", "gone"]
    everything.ended()


def test_the_state_of_a_real_mapping_changes_when_its_file_is_deleted(tmp_path):
    path = tmp_path / "mapped \\"
    path.write_bytes(b"x" * mmap.PAGESIZE)
    machine = World()
    session = Session("lookup")
    with child(lambda: mapped(path)) as pid:
        machine.add(pid)
        watcher = Watcher(machine.means()._replace(look=lambda _, pid: session.lookup(pid)), QUICK)
        reader = listening(watcher, ROOT, [pid])
        path.unlink()
        [(name, data)] = [one for one in reader.until(1) if one[0] == "state"]
        watcher.close()
    assert (name, data["before"], data["now"]) == ("state", "current", "deleted")
    assert data["user_path"] == f"{tmp_path}/mapped \\\\"
    assert "user_path_base64" in data
    assert reader.ended() == [(name, data)]
