"""Many at once: lookups are shared, too many are told to come again, processes come and go, signals arrive."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

from tests.api.crowd import all_at_once, asking, in_threads, is_busy, large, parsed, warmed
from tests.api.running import Daemon, UnixConnection, asked, connected, daemon, received, until
from tests.api.test_contract import events
from tests.cli.command import child

OF_US = f"/v1/processes/{os.getpid()}"
NDJSON = "application/x-ndjson"
CLIENTS = 40
WAVES, WAVE, FLEETING = 4, 250, 4000
# Forks as many processes as a line says, tells their pids, and ends them at the next line.
SPAWNER = """
import os, signal, sys
for line in sys.stdin:
    made = []
    for _ in range(int(line)):
        made.append(os.fork())
        if not made[-1]:
            signal.pause()
    print(*made, flush=True)
    sys.stdin.readline()
    for pid in made:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
"""
FORKER = f"""
import os
for _ in range({FLEETING}):
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
"""


def test_many_who_ask_the_same_at_once_share_two_lookups(tmp_path):
    with daemon(tmp_path) as served, large(tmp_path) as pid:
        before, count = warmed(served), served.metric('mapsd_lookups_total{outcome="answered"}')
        answers = all_at_once(served, *[f"/v1/processes/{pid}/mappings"] * CLIENTS)
        assert {answer.status for answer in answers} == {200}
        # The one that was under way when the others came, and the one that they share.
        assert len({re.search(rb'"as_of": "([^"]+)"', answer.body)[1] for answer in answers}) <= 2
        assert served.metric('mapsd_lookups_total{outcome="answered"}') == count + CLIENTS
        served.gives_back(before)


def test_too_many_different_questions_are_told_to_come_again(tmp_path):
    with daemon(tmp_path, "--lookups=1", "--waiting=2") as served, large(tmp_path) as pid:
        before = served.held()
        targets = [f"/v1/processes/{pid}/mappings?thread={pid}&address={number:#x}" for number in range(CLIENTS)]
        with asking(served, *targets) as connections:
            until(lambda: served.metric("mapsd_lookups_waiting") == 2)
            unready = served.answer("/v1/readyz")
            assert unready.status == 200 or is_busy(unready)
            assert served.answer("/v1/healthz").status == 200
            answers = in_threads([lambda one=one: parsed(received(one)) for one in connections])
        assert {200, 503} == {answer.status for answer in answers}
        assert [is_busy(answer) for answer in answers] == [answer.status == 503 for answer in answers]
        assert sum(answer.status == 200 for answer in answers) >= 3
        assert served.metric('mapsd_lookups_total{outcome="busy"}') == sum(answer.status == 503 for answer in answers)
        assert served.answer(targets[0]).status == 200
        assert served.answer("/v1/readyz").status == 200
        served.gives_back(before)


def test_all_kinds_of_questions_at_once_are_answered_as_alone(tmp_path):
    with daemon(tmp_path) as served, child(lambda: None) as pid:
        before = warmed(served)
        of_it = f"/v1/processes/{pid}"
        targets = [of_it, f"{of_it}/mappings", f"{of_it}/mappings?files=true", f"{of_it}/mappings?fields=start",
                   f"{of_it}/fds", f"{of_it}/layers", f"{of_it}/which?path=/bin/sh", f"{of_it}/explain?path=/",
                   f"{of_it}/mappings?proof=lookup", f"{of_it}/mappings?state=deleted", "/v1/processes/2147483647",
                   f"{of_it}/mappings?state=no", "/v1/kernel", "/v1/nowhere"]
        alone = {target: timeless(served.answer(target).json()) for target in targets}
        for target, answer in zip(targets * 5, all_at_once(served, *targets * 5), strict=True):
            assert (target, timeless(answer.json())) == (target, alone[target])
        served.gives_back(before)


def timeless(found: dict) -> dict:
    return {name: value for name, value in found.items() if name != "as_of"}


@contextmanager
def meanwhile(*works: Callable[[], object]) -> Iterator[None]:
    """Do all of it again and again during the block, each at least once; what fails fails the block."""
    done, failures = threading.Event(), []

    def run(work: Callable[[], object]) -> None:
        try:
            while True:
                work()
                if done.is_set():
                    return
        except BaseException as error:  # noqa: BLE001  (told in the thread of the test)
            failures.append(error)
    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []


class Told(threading.Thread):
    """Reads a stream of events: which processes were seen, and which of them are gone."""

    def __init__(self, served: Daemon) -> None:
        super().__init__()
        self.seen, self.gone, self.lagged = dict[int, int](), dict[int, int](), False
        self._asking = UnixConnection(served.path)
        self._asking.request("GET", "/v1/events")
        self._stream = self._asking.getresponse()
        assert self._stream.readline()
        self.start()

    def run(self) -> None:
        for name, data in events(self._stream):
            if name == "lagged":
                self.lagged = True
                return
            whom = (self.seen if name == "seen" else self.gone)
            assert whom.get(data["pid"]) != data["start_time"], "told twice"
            whom[data["pid"]] = data["start_time"]

    def close(self) -> None:
        self._asking.sock.shutdown(2)
        self.join()
        self._stream.close()
        self._asking.close()


def lists(served: Daemon, query: str, **headers: str) -> dict[int, dict]:
    """Return the processes of a listing, which is whole, in order, and without what nobody has."""
    answer = served.answer(f"/v1/processes{query}", **headers)
    assert answer.status == 200
    rows = answer.lines() if headers else answer.json()["processes"]
    pids = [row["pid"] for row in rows]
    assert pids == sorted({*pids})
    return {row["pid"]: row for row in rows}


def test_thousands_of_processes_come_and_go(tmp_path):
    def lined() -> None:
        assert {os.getpid(), served.pid} <= lists(served, "", Accept=NDJSON).keys()

    def paged() -> None:
        assert lists(served, "?limit=1000")

    def counted() -> None:
        assert lists(served, "?states=true", Accept=NDJSON)[os.getpid()]["states"]["current"]
    with (daemon(tmp_path, "--watch-interval=0.1") as served, closing(Told(served)) as told,
          subprocess.Popen([sys.executable, "-S", "-I", "-c", FORKER]),
          subprocess.Popen([sys.executable, "-S", "-I", "-c", SPAWNER], stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, text=True) as spawner):
        before = warmed(served)
        with meanwhile(lined, paged, counted):
            for _ in range(WAVES):
                wave(spawner, told, served)
        spawner.stdin.close()
        assert not told.lagged
        served.gives_back(before)


def wave(spawner: subprocess.Popen, told: Told, served: Daemon) -> None:
    """Have processes come, which are told and listed, and go, which is told as well."""
    spawner.stdin.write(f"{WAVE}\n")
    spawner.stdin.flush()
    pids = {int(word) for word in spawner.stdout.readline().split()}
    assert len(pids) == WAVE
    until(lambda: told.seen.keys() >= pids)
    assert lists(served, "", Accept=NDJSON).keys() >= pids
    spawner.stdin.write("end\n")
    spawner.stdin.flush()
    until(lambda: all(told.gone.get(pid) == told.seen[pid] for pid in pids))


def test_a_signal_ends_it_when_all_that_was_asked_is_answered(tmp_path):
    with daemon(tmp_path, "--drain=3600", ends=False) as served, large(tmp_path) as pid, ExitStack() as stack:
        told, idle = stack.enter_context(closing(Told(served))), stack.enter_context(connected(served.path))
        kept = stack.enter_context(closing(UnixConnection(served.path)))
        assert asked(kept, "/v1/healthz").status == 200
        forms = ["/mappings", "/mappings?files=true", "/fds", "/explain?path=/"]
        connections = stack.enter_context(asking(served, *[f"/v1/processes/{pid}{form}" for form in forms * 3]))
        until(lambda: served.metric("mapsd_lookups_running") == 2)
        served.signal(signal.SIGTERM)
        answers = in_threads([lambda one=one: parsed(received(one)) for one in connections])
        assert [answer.status for answer in answers] == [200] * len(answers)
        told.join()
        assert received(idle) == b""
        assert served.ended()[0] == 0
        assert served.complaints() == []


def test_who_takes_nothing_does_not_keep_it_from_its_end(tmp_path):
    with daemon(tmp_path, "--drain=0.5", ends=False) as served, large(tmp_path) as pid:
        with asking(served, *[f"/v1/processes/{pid}/mappings"] * 4, "/v1/events"):
            until(lambda: served.metric("mapsd_lookups_running") == 0)
            served.signal(signal.SIGTERM)
            assert served.ended()[0] == 0
        assert not os.path.exists(served.path)


def test_reloads_lose_no_question(tmp_path):
    with daemon(tmp_path, audit=tmp_path / "audit") as served, ExitStack() as stack:
        before = warmed(served)

        def one_after_the_other(asking: http.client.HTTPConnection) -> None:
            assert asked(asking, f"{OF_US}/mappings").status == 200
        connections = [stack.enter_context(closing(UnixConnection(served.path))) for _ in range(4)]
        told = stack.enter_context(closing(Told(served)))
        with meanwhile(*[lambda one=one: one_after_the_other(one) for one in connections],
                       lambda: served.answer("/v1/processes?states=true")):
            for times in range(1, 16):
                served.signal(signal.SIGHUP)
                served.until_said("reloaded", times)
        assert told.is_alive()
        stack.close()
        served.gives_back(before)
        looked = [json.loads(line) for line in (tmp_path / "audit").read_text().splitlines()]
        assert {"list_mappings", "list_processes"} <= {line["operation"] for line in looked}


def test_one_that_was_killed_under_load_is_followed_by_another_at_the_same_socket(tmp_path):
    with (daemon(tmp_path, ends=False) as killed, large(tmp_path) as pid,
          asking(killed, *[f"/v1/processes/{pid}/mappings"] * 5, "/v1/events") as connections):
        until(lambda: killed.metric("mapsd_lookups_running"))
        killed.signal(signal.SIGKILL)
        assert killed.ended()[0] == -signal.SIGKILL
        assert os.path.exists(killed.path)
        with daemon(tmp_path) as served:
            assert served.path == killed.path
            assert served.answer(f"/v1/processes/{pid}").status == 200
        for one in connections:
            received(one)


def test_no_thread_is_left_by_a_crowd(tmp_path):
    with daemon(tmp_path) as served:
        assert served.answer(f"{OF_US}/mappings").status == 200
        before = warmed(served)
        answers = all_at_once(served, *[f"{OF_US}/mappings?address={number:#x}" for number in range(60)])
        assert {answer.status for answer in answers} == {200}
        # Threads that had nothing to do for ten seconds end when the next one is needed.
        until(lambda: served.answer("/v1/processes/1").status in {200, 404} and served.held().threads <= before.threads)
        served.gives_back(before)
