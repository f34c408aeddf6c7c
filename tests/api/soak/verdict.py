"""What the daemon says beside what a session that keeps nothing says just before and just after."""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing, nullcontext
from itertools import cycle
from pathlib import Path
from typing import Self

from mapsd import Session
from mapsd.errors import MapsdError
from mapsd.views import openfiles, overlayjson
from mapsd.views.render import as_json
from tests.api.running import Daemon, UnixConnection, asked
from tests.api.soak.stage import Stage

PAUSE = 0.1  # seconds between two questions
PF_EXITING = 0x4  # include/linux/sched.h
Fresh = Callable[[Session, int], dict]
KINDS: dict[str, Fresh] = {
    "/mappings": lambda session, pid: as_json(session.lookup(pid)),
    "/fds": lambda session, pid: openfiles.as_object(session.fds(pid)),
    "/which?path=/a/write-s": lambda session, pid: overlayjson.which_object(session.which(pid, b"/a/write-s")),
    "/layers": lambda session, pid: overlayjson.layers_object(session.layers(pid))}
ASKED = ("/mappings", "/mappings", "/mappings", "/fds", "/which?path=/a/write-s", "/layers")
_NOT_THE_ANSWER = {"as_of"}


class Verdict:
    """Compares while the block lasts; *wrong* is what differs though both sessions agree."""

    def __init__(self, served: Daemon, stage: Stage) -> None:
        self._served, self._stage = served, stage
        self.wrong, self.counts = list[str](), Counter[str]()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            with Session(frame_numbers=False) as session, closing(UnixConnection(self._served.path)) as connection:
                for kind, still in zip(cycle(ASKED), cycle([True, False, False, True, False]), strict=False):
                    if self._over.wait(PAUSE):
                        return
                    with self._stage.still if still else nullcontext():
                        self._compare(session, connection, kind)
        except Exception as error:  # noqa: BLE001  (told in the thread of the test)
            self.wrong.append(repr(error))

    def _compare(self, session: Session, connection: UnixConnection, kind: str) -> None:
        scene = self._stage.scene
        if scene is None:
            return
        pid, moves = scene.target.pid, self._stage.moves
        before = fresh(session, kind, pid)
        answer = asked(connection, f"/v1/processes/{pid}{kind}")
        after = fresh(session, kind, pid)
        calm = moves == self._stage.moves and moves % 2 == 0
        if answer.status == 503:
            self.counts["busy"] += 1
        elif None in (before, after) or not lives(pid):
            self.counts[f"{kind} gone"] += 1
        elif answer.status != 200:
            self.wrong.append(f"{kind}: {answer.status} {answer.body!r}")
        else:
            self._parts(kind, parts(before), parts(answer.json()), parts(after), calm=calm)

    def _parts(self, kind: str, before: dict, said: dict, after: dict, *, calm: bool) -> None:
        for name in said.keys() | (before.keys() & after.keys()):
            wanted, found = [before.get(name), after.get(name)], said.get(name)
            if found in wanted:
                self.counts[f"{kind} {'calm' if calm else 'moving'}"] += 1
            elif calm or (wanted[0] is not None and wanted[0] == wanted[1]):
                self.wrong.append(f"{kind} {name}:\n    said  {found}\n    true  {wanted}")
            else:
                self.counts[f"{kind} between"] += 1


def fresh(session: Session, kind: str, pid: int) -> dict | None:
    """Return what a session says, None for a process that is not there."""
    try:
        return KINDS[kind](session, pid)
    except MapsdError:
        return None


def lives(pid: int) -> bool:
    """Return whether a process is not about to exit: what is, may have no files any more and not be a zombie yet."""
    try:
        return not int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[6]) & PF_EXITING
    except (FileNotFoundError, ProcessLookupError):
        return False


def parts(found: dict) -> dict[str, object]:
    """Return an answer in the parts that are compared: each mapping and open file by itself, and the rest."""
    listed = {f"{name} {one.get('start', one.get('fd'))}": one
              for name in ("mappings", "open_files") for one in found.get(name, ())}
    return {**listed, **{name: value for name, value in found.items()
                         if name not in {"mappings", "open_files"} | _NOT_THE_ANSWER}}
