"""A machine that a test moves, for what looks at processes again and again; and readers of what is told of it."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from mapsd.errors import ParseError
from mapsd.linux.rights.authority import Peer
from mapsd.model import Answer, Backing, DeviceId, ProcessAnswer, ProcessFacts, Vma
from mapsd.parse import stat
from mapsd_api import schemas
from mapsd_api.answers.problems import Problem
from mapsd_api.asker.identity import Identity
from mapsd_api.events.sight import Means, Running
from mapsd_api.events.subscription import Event, Subscription
from mapsd_api.events.watcher import Watcher
from tests.cli.command import BOUND

MODELS = {"seen": schemas.ProcessSeen, "gone": schemas.ProcessGone, "state": schemas.StateChanged,
          "lagged": schemas.Lagged}
ROOT = Identity(Peer(0, 0, (0,)), everything=True, via="unix")
DISK = DeviceId(254, 0)
PATH = b"/lib/a.so"
QUICK = 0.005  # seconds


def user(uid: int, *groups: int) -> Identity:
    return Identity(Peer(uid, uid, groups), everything=False, via="unix")


class World:
    """A machine of processes, each with the users who may see it, and the mappings that it has."""

    def __init__(self) -> None:
        self.processes: dict[int, ProcessFacts] = {}
        self.seen_by: dict[int, set[int]] = {}
        self.mappings: dict[int, tuple[Answer, ...]] = {}
        self.fails: BaseException | None = None
        self.refuses: Problem | None = None
        self.looks = 0
        self.looked: list[tuple[Identity, int]] = []

    def means(self) -> Means:
        return Means(self.running, self.visible, self.who, self.look)

    def add(self, pid: int, name: bytes = b"one", start_time: int = 1, *seen_by: int) -> None:
        self.seen_by[pid] = set(seen_by)
        self.processes = {**self.processes, pid: ProcessFacts(pid, start_time, name, 1000, None, None, None)}

    def rename(self, pid: int, name: bytes) -> None:
        self.processes = {**self.processes, pid: self.processes[pid]._replace(name=name)}

    def end(self, pid: int) -> None:
        self.processes = {other: facts for other, facts in self.processes.items() if other != pid}

    def running(self) -> Iterator[Running]:
        self.looks += 1
        if self.fails is not None:
            raise self.fails
        for facts in self.processes.values():
            yield Running(facts.pid, facts.start_time, facts.name)

    def visible(self, identity: Identity, pids: Sequence[int]) -> Collection[int]:
        return [pid for pid in pids if pid in self.processes and (
            identity.everything or identity.peer.uid in self.seen_by[pid])]

    def who(self, identity: Identity, pids: Sequence[int]) -> Iterator[ProcessFacts]:
        processes = self.processes
        yield from (processes[pid] for pid in self.visible(identity, pids) if pid in processes)

    def look(self, identity: Identity, pid: int) -> ProcessAnswer:
        self.looked.append((identity, pid))
        if self.refuses is not None:
            raise self.refuses
        facts = self.processes.get(pid)
        if facts is None or not self.visible(identity, [pid]):
            raise Problem("absent", "no such process")
        return ProcessAnswer(facts, "6.18", None, 0.0, self.mappings.get(pid, ()))

    def passed(self) -> None:
        """Wait until all that is so now was looked at."""
        before = self.looks
        at_rest(lambda: self.looks > before + 2)


def mapping(state: str | None, start: int = 0x1000, held: int | None = 7, inode: int = 5, device: DeviceId = DISK,
            offset: int = 0) -> Answer:
    vma = Vma(start, start + 0x1000, "r--p", offset, device, inode, PATH)
    if state is None:
        return Answer(vma, "anonymous")
    return Answer(vma, "file", PATH, state=state,
                  backing=None if held is None else Backing(PATH, DISK, held, b"ext4"))


class Reader:
    """Reads a subscription in an event loop of its own."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.events: list[tuple[str, dict]] = []
        self.beats = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._read()))
        self._thread.start()

    async def _read(self) -> None:
        async for one in self.subscription.events(heartbeat=QUICK):
            if one is None:
                self.beats += 1
            else:
                self.events.append(told(one))

    def ended(self) -> list[tuple[str, dict]]:
        """Return everything that was told, once the stream has ended."""
        self._thread.join(BOUND)
        assert not self._thread.is_alive()
        return self.events

    def until(self, count: int) -> list[tuple[str, dict]]:
        at_rest(lambda: len(self.events) >= count)
        return list(self.events)


def told(one: Event) -> tuple[str, dict]:
    """Return an event's name and data, which is as its model says."""
    data = json.loads(one.data)
    model = MODELS[one.name].model_validate(data, strict=True, extra="forbid")
    assert model.model_dump(mode="json", exclude_unset=True) == data
    return one.name, data


def brief(events: list[tuple[str, dict]]) -> list[tuple[str, int, str]]:
    """Return name, pid and the process's name of events."""
    return [(name, data["pid"], data.get("name", "")) for name, data in events]


def listening(watcher: Watcher, identity: Identity, pids: Collection[int] = ()) -> Reader:
    return Reader(watcher.subscribe(identity, pids))


def at_rest(true: Callable[[], object]) -> None:
    """Wait for something that another thread does, without keeping it from it."""
    end = time.monotonic() + BOUND
    while not true():
        assert time.monotonic() < end, "never became true"
        time.sleep(QUICK)


def running() -> Iterator[Running]:
    """Yield the processes of this machine."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = stat.parse((entry / "stat").read_bytes())
            except (FileNotFoundError, ProcessLookupError, ParseError):
                continue
            yield Running(int(entry.name), line.start_time, line.name)
