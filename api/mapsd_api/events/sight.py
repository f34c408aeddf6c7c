"""What one identity sees of the processes, and what has changed since it last looked."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from mapsd.model import Answer, DeviceId, ProcessAnswer, ProcessFacts
from mapsd.views.render import JsonObject, process_object
from mapsd_api.answers import forms
from mapsd_api.answers.problems import Problem
from mapsd_api.asker.identity import Identity
from mapsd_api.events.subscription import Event, event

Place = tuple[int, int, int, DeviceId, int]  # a mapping: start, end, offset, and what maps prints of its file
Held = tuple[DeviceId, int]
MAPPINGS = 10_000  # of files of a process that is watched: their states are kept
_PASSING = {"busy", "internal"}  # what may be otherwise the next time


class Running(NamedTuple):
    """A process that is there, as its stat line has it. See proc_pid_stat(5)."""

    pid: int
    start_time: int
    name: bytes


class Means(NamedTuple):
    """Whom to ask.

    *running* returns every process there is; it raises OSError where it cannot say. *visible* returns those of some
    pids that an identity may see now. *processes* yields who those of some pids are that it may see before and after
    they are looked at. *look* returns a process's mappings under the same condition, and raises Problem.
    """

    running: Callable[[], Iterable[Running]]
    visible: Callable[[Identity, Sequence[int]], Collection[int]]
    processes: Callable[[Identity, Sequence[int]], Iterable[ProcessFacts]]
    look: Callable[[Identity, int], ProcessAnswer]


class _State(NamedTuple):
    state: str
    held: Held | None


class _Looked(NamedTuple):
    start_time: int
    states: dict[Place, _State]


class Sight:
    """What one identity sees."""

    def __init__(self, identity: Identity, means: Means) -> None:
        """Begin with what is there now, which is no news. Raises OSError where that cannot be said."""
        self._identity, self._means = identity, means
        before = self._visible([one.pid for one in means.running()])
        # The names are read between two questions of authority, as later ones are.
        listed = {one.pid: one for one in means.running() if one.pid in before}
        self._known = {pid: listed[pid] for pid in self._visible(list(listed))}
        self._looked: dict[int, _Looked] = {}

    def changes(self, listed: Mapping[int, Running]) -> Iterator[Event]:
        """Yield which processes are seen for the first time and which are gone, given those that there are now."""
        visible = self._visible(list(listed))
        before, self._known = self._known, {}
        for pid, one in before.items():
            now = listed.get(pid)
            if now is not None and now.start_time == one.start_time and pid in visible:
                self._known[pid] = now
            else:
                yield event("gone", _named(one))
        for process in self._means.processes(self._identity, sorted(visible - self._known.keys())):
            self._known[process.pid] = Running(process.pid, process.start_time, process.name)
            yield event("seen", _named(process) | {"uid": process.uid})

    def _visible(self, pids: Sequence[int]) -> frozenset[int]:
        return frozenset(self._means.visible(self._identity, pids))

    def begin(self, pids: frozenset[int]) -> None:
        """Look at the states of processes that nobody watched before: what they are now is no news. Raises Problem."""
        for pid in pids - self._looked.keys():
            for _ in self.states(pid):
                pass

    def states(self, pid: int) -> Iterator[Event]:
        """Yield which mappings of a process have another state than when it was last looked at.

        A mapping is the same while maps prints the same of it and it is not known to hold another file. What comes and
        goes is no change, nor is anything of a process that took the pid. Raises Problem (invalid) for a process with
        more than MAPPINGS mappings of files.
        """
        try:
            answer = self._means.look(self._identity, pid)
        except Problem as problem:
            if problem.kind not in _PASSING:
                self._looked.pop(pid, None)
            return
        before = self._looked.get(pid)
        now = {_place(mapping): mapping for mapping in answer.mappings if mapping.state is not None}
        if len(now) > MAPPINGS:
            self._looked.pop(pid, None)
            raise Problem("invalid", f"{pid}: too many files are mapped for their states to be watched")
        self._looked[pid] = _Looked(answer.process.start_time, {place: _state(one) for place, one in now.items()})
        if before is not None and before.start_time == answer.process.start_time:
            for place, mapping in now.items():
                if place in before.states and _changed(before.states[place], _state(mapping)):
                    yield event("state", _changed_mapping(answer, mapping, before.states[place]))

    def forget(self, watched: Collection[int]) -> None:
        """Keep no states but those of the processes that are still *watched*."""
        for pid in self._looked.keys() - set(watched):
            del self._looked[pid]


def _named(process: Running | ProcessFacts) -> JsonObject:
    facts = ProcessFacts(process.pid, process.start_time, process.name, 0, None, None, None)
    return {name: value for name, value in process_object(facts).items()
            if name in {"pid", "start_time", "name", "name_base64"}}


def _place(mapping: Answer) -> Place:
    vma = mapping.vma
    return vma.start, vma.end, vma.offset, vma.device, vma.inode


def _state(mapping: Answer) -> _State:
    backing = mapping.backing
    if backing is None or backing.device is None or backing.inode is None:
        return _State(mapping.state or "", None)
    return _State(mapping.state or "", (backing.device, backing.inode))


def _changed(before: _State, now: _State) -> bool:
    another = before.held is not None and now.held is not None and before.held != now.held
    return before.state != now.state and not another


def _changed_mapping(answer: ProcessAnswer, mapping: Answer, before: _State) -> JsonObject:
    whole = forms.mappings(answer._replace(mappings=(mapping,)), ("start", "end", "user_path"))
    [told] = cast("list[JsonObject]", whole["mappings"])
    return {"pid": answer.process.pid, "start_time": answer.process.start_time, **told, "before": before.state,
            "now": mapping.state}
