"""Containers that come and go, whose files are written, renamed, replaced and deleted while they are mapped."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path
from typing import Self

from tests.overlay import battery
from tests.overlay.files import fill
from tests.overlay.scenes import Scene

PAUSE = 0.1  # seconds between two things that happen
# Forks processes that live for some milliseconds, until it is ended.
CHURN = """
import os, time
while True:
    pid = os.fork()
    if not pid:
        time.sleep(0.005)
        os._exit(0)
    os.waitpid(pid, 0)
"""


class Stage:
    """One container at a time. Nothing happens in it while *still* is held.

    *moves* counts when something begins to happen, and when it has happened: it is odd in between.
    """

    def __init__(self, lab: Path, mapper: Path) -> None:
        self._lab, self._mapper = lab, mapper
        self.still = threading.Lock()
        self.moves, self.containers = 0, 0
        self.scene: Scene | None = None
        self._over = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def wait(self, seconds: float) -> None:
        """Let things happen for so long."""
        self._over.wait(seconds)

    def _run(self) -> None:
        try:
            with subprocess.Popen([sys.executable, "-S", "-I", "-c", CHURN]) as churn:
                try:
                    for number in count():
                        if self._over.is_set():
                            return
                        self._perform(f"soak{number}")
                finally:
                    churn.kill()
        except BaseException as error:  # noqa: BLE001  (raised in the thread of the test)
            self._failure = error

    def _perform(self, name: str) -> None:
        """Have a container come, everything happen in it, and it go."""
        with self._container(name) as scene:
            self._move(lambda: _map_late(scene))
            for mode in "sp":
                for what, layer in zip(battery.LOWER, cycle(scene.sources), strict=False):
                    self._move(lambda what=what, layer=layer, mode=mode: battery._DO[what](
                        scene, f"a/{what}-{mode}", layer, mode))
                self._move(lambda mode=mode: battery._fresh(scene, f"a/fresh-{mode}", mode))
                for happen in LATE.values():
                    self._move(lambda happen=happen, mode=mode: happen(scene, mode))

    @contextmanager
    def _container(self, name: str) -> Iterator[Scene]:
        with Scene(name, self._lab, self._mapper) as scene:
            with self._moving():
                _set_up(scene)
                self.containers, self.scene = self.containers + 1, scene
            try:
                yield scene
            finally:
                with self._moving():
                    self.scene = None

    def _move(self, happen: Callable[[], None]) -> None:
        if self._over.wait(PAUSE):
            return
        with self._moving():
            happen()

    @contextmanager
    def _moving(self) -> Iterator[None]:
        with self.still:
            self.moves += 1
            try:
                yield
            finally:
                self.moves += 1


def _set_up(scene: Scene) -> None:
    for number in (1, 2):
        scene.lower(scene.base / f"lower{number}")
    scene.upper(scene.base / "upper")
    battery.lay(scene, "a")
    for layer, mode in zip(scene.sources, "sp", strict=True):
        scene.fill(layer, *(f"{name}-{mode}" for name in LATE))
    scene.mount()
    scene.start()
    scene.contain()


def _map_late(scene: Scene) -> None:
    for layer, mode in zip(scene.sources, "sp", strict=True):
        for name in LATE:
            scene.map(f"{name}-{mode}", layer, mode)


def _swapped(scene: Scene, mode: str) -> None:
    fill(scene.reach(f"new-{mode}"), "the new one")
    scene.reach(f"new-{mode}").rename(scene.reach(f"swapped-{mode}"))


# What happens to files that have been mapped for a while, so that those who listen are told.
LATE: dict[str, Callable[[Scene, str], object]] = {
    "written": lambda scene, mode: battery.write(scene.reach(f"written-{mode}")),
    "gone": lambda scene, mode: scene.reach(f"gone-{mode}").unlink(),
    "swapped": _swapped}
