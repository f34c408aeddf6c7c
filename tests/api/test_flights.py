"""One lookup for all who ask the same at once, and few lookups at a time."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from mapsd.errors import ProcessGone
from mapsd_api.answers.problems import Problem
from mapsd_api.lookups.apart import Apart
from mapsd_api.lookups.flights import Flights
from mapsd_api.lookups.pool import Pool
from tests.cli.command import BOUND, until


class Worker:
    """Answers with the number of its question, as soon as it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.begun, self.go = threading.Semaphore(0), threading.Semaphore(0)

    def answer(self) -> int:
        self.asked += 1
        number = self.asked
        self.begun.release()
        assert self.go.acquire(timeout=BOUND)
        return number


@pytest.fixture
def worker():
    return Worker()


@pytest.fixture
def threads():
    with ThreadPoolExecutor(16) as executor:
        yield executor


def flights(*workers: Worker, waiting: int = 8, patience: float = BOUND) -> Flights[Worker]:
    left = list(workers)
    return Flights(Pool(left.pop, len(workers), patience), waiting)


def asking(threads: ThreadPoolExecutor, made: Flights[Worker], key: str = "key",
           question: Callable[[Worker], int] = Worker.answer) -> Future[int]:
    return threads.submit(made.ask, key, question)


def test_who_asks_while_a_lookup_is_under_way_shares_the_next_one(threads, worker):
    made = flights(worker)
    first = asking(threads, made)
    assert worker.begun.acquire(timeout=BOUND)
    later = [asking(threads, made) for _ in range(5)]
    until(lambda: made.waiting == 1)
    worker.go.release()
    assert first.result(BOUND) == 1
    worker.go.release()
    assert [one.result(BOUND) for one in later] == [2] * 5
    assert (worker.asked, made.waiting, made.running) == (2, 0, 0)


def test_who_asks_something_else_does_not_wait_where_a_worker_is_free(threads):
    one, other = Worker(), Worker()
    made = flights(one, other)
    first = asking(threads, made, "a")
    second = asking(threads, made, "b")
    assert one.begun.acquire(timeout=BOUND)
    assert other.begun.acquire(timeout=BOUND)
    assert made.running == 2
    one.go.release()
    other.go.release()
    assert (first.result(BOUND), second.result(BOUND)) == (1, 1)


def test_what_fails_fails_for_all_who_share_it_and_the_next_one_is_asked_anew(threads, worker):
    made = flights(worker)

    def fail(worker):
        worker.answer()
        raise ProcessGone(1, seen=True)
    first = asking(threads, made)
    assert worker.begun.acquire(timeout=BOUND)
    sharing = [asking(threads, made, question=fail) for _ in range(3)]
    until(lambda: made.waiting == 1)
    worker.go.release()
    worker.go.release()
    assert first.result(BOUND) == 1
    for one in sharing:
        with pytest.raises(ProcessGone):
            one.result(BOUND)
    worker.go.release()
    assert asking(threads, made).result(BOUND) == 3
    assert made.waiting == 0


def test_too_many_different_questions_are_told_to_come_again(threads, worker):
    made = flights(worker, waiting=1)
    first = asking(threads, made, "a")
    assert worker.begun.acquire(timeout=BOUND)
    second = asking(threads, made, "b")
    until(lambda: made.waiting == 1)
    with pytest.raises(Problem) as refused:
        made.ask("c", Worker.answer)
    assert (refused.value.kind, refused.value.headers) == ("busy", {"Retry-After": "1"})
    worker.go.release()
    worker.go.release()
    assert (first.result(BOUND), second.result(BOUND)) == (1, 2)


@pytest.mark.parametrize("key", ["a", "b"])
def test_who_waits_too_long_is_told_to_come_again_and_nothing_stays_behind(threads, worker, key):
    made = flights(worker, patience=0.05)
    first = asking(threads, made, "a")
    assert worker.begun.acquire(timeout=BOUND)
    with pytest.raises(Problem, match=r"still being asked|no lookup ended"):
        made.ask(key, Worker.answer)
    assert made.waiting == 0
    worker.go.release()
    assert first.result(BOUND) == 1
    worker.go.release()
    assert made.ask(key, Worker.answer) == 2


def test_a_pool_gives_every_worker_back_at_its_end():
    made, ended = [], []

    def make():
        made.append(len(made))
        return made[-1]
    pool = Pool(make, 2, BOUND)
    with pool.worker() as one, pool.worker() as other:
        assert {one, other} == {0, 1}
        assert pool.given == 2
    with pool.worker() as again:
        assert again in {0, 1}
    pool.close(ended.append)
    assert (sorted(ended), pool.given) == ([0, 1], 0)


def test_a_worker_that_cannot_be_made_leaves_its_place_to_the_next_one():
    tries = iter([OSError(24, "too many"), None])

    def make():
        failure = next(tries)
        if failure is not None:
            raise failure
        return "worker"
    pool = Pool(make, 1, 0.05)
    with pytest.raises(OSError, match="too many"), pool.worker():
        pass
    with pool.worker() as found:
        assert found == "worker"


def test_what_takes_long_leaves_a_worker_for_the_rest(threads):
    left = [Worker(), Worker()]
    pool = Pool(left.pop, 2, BOUND)
    one, other = reversed(left)
    plain, slow = Flights(pool, 8), Flights(Apart(pool, 1, BOUND, lambda: None), 8)
    first = asking(threads, slow, "a")
    assert one.begun.acquire(timeout=BOUND)
    second = asking(threads, slow, "b")
    until(lambda: slow.waiting == 1)
    for number in (1, 2, 3):
        quick = asking(threads, plain, "c")
        other.go.release()
        assert quick.result(BOUND) == number
    assert (slow.waiting, one.asked, pool.given) == (1, 1, 1)
    one.go.release()
    assert first.result(BOUND) == 1
    one.go.release()
    other.go.release()
    assert second.result(BOUND) in {2, 4}


def test_who_waits_too_long_for_what_takes_long_is_refused(threads):
    worker, tidied = Worker(), []
    slow = Flights(Apart(Pool(lambda: worker, 2, BOUND), 1, 0.01, lambda: tidied.append(1)), 8)
    first = asking(threads, slow, "a")
    assert worker.begun.acquire(timeout=BOUND)
    with pytest.raises(Problem, match="packages"):
        slow.ask("b", Worker.answer)
    worker.go.release()
    assert first.result(BOUND) == 1
    worker.go.release()
    assert slow.ask("b", Worker.answer) == 2
    assert tidied == [1, 1]
