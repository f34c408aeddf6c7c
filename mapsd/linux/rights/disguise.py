"""A moment in which one thread is somebody else to the kernel, and the rest of the process does not notice.

What happens meanwhile is held against it:
- Handlers of signals run in the main thread, between any two steps: another thread is taken. No other gets exceptions
  from outside.
- The garbage collector runs finalizers in whichever thread allocates: it waits.
- "Dumpable" is of the whole process: the last thread that is itself again gives it back. In between the files of
  /proc/self belong to root, which a daemon that is not root and has no CAP_DAC_READ_SEARCH notices at pagemap.
"""

import gc
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mapsd.linux.rights import credentials

BROKEN = 70  # EX_SOFTWARE: a thread with another's credentials must not go on
Found = TypeVar("Found")


def asked_as(uid: int, gid: int, groups: tuple[int, ...], ask: Callable[[], Found]) -> Found:
    """Return what *ask* returns, and raise what it raises, as somebody without any capability.

    Raises OSError where these credentials cannot be taken on. A thread that cannot become itself again ends the
    process with the status BROKEN.
    """
    if threading.current_thread() is not threading.main_thread():
        return _asked_as(uid, gid, groups, ask)
    with ThreadPoolExecutor(1) as other:
        return other.submit(_asked_as, uid, gid, groups, ask).result()


def _asked_as(uid: int, gid: int, groups: tuple[int, ...], ask: Callable[[], Found]) -> Found:
    mine = credentials.own()
    _process.enter()
    try:
        credentials.become(uid, gid, groups, mine)
        return ask()
    finally:
        # In this very frame: a call may fail before its first line, as when there is no memory for it.
        try:
            credentials.restore(mine)
            _process.leave()
        except BaseException:  # noqa: BLE001  (nothing at all may go on as somebody else)
            _end()


def _end() -> None:
    try:
        os.write(2, b"mapsd: a thread could not take its own credentials back, so the process ends\n")
    finally:
        os._exit(BROKEN)


class _Process:
    """What a change of one thread does to the whole process."""

    def __init__(self) -> None:
        self._lock, self._threads, self._dumpable, self._collects = threading.Lock(), 0, 0, False

    def enter(self) -> None:
        with self._lock:
            if not self._threads:
                self._dumpable, self._collects = credentials.dumpable(), gc.isenabled()
                gc.disable()
            self._threads += 1

    def leave(self) -> None:
        with self._lock:
            self._threads -= 1
            if self._threads:
                return
            credentials.set_dumpable(self._dumpable)
            if self._collects:
                gc.enable()


_process = _Process()  # there is one, whoever asks
