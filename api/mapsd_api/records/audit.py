"""Who looked at whose processes: one JSON object a line, for each look at what is not the asker's own."""

import json
import logging
import os
import select
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from mapsd.errors import UsageError
from mapsd.model import ProcessFacts
from mapsd_api.asker.identity import Identity

_log = logging.getLogger("mapsd.audit")


class Looked(Protocol):
    """A question that was asked about a process, as mapsd_api.lookups.service has it."""

    @property
    def identity(self) -> Identity:
        """Return who asked."""

    @property
    def operation(self) -> str:
        """Return what was asked."""

    @property
    def pid(self) -> int | None:
        """Return about which process, None for all."""

    @property
    def process(self) -> ProcessFacts | None:
        """Return who that was, None where there is none or none that the asker may see."""

    @property
    def outcome(self) -> str:
        """Return how it ended."""


class Audit:
    """Writes lines. One that cannot be written ends no request: it is counted, and a later line says how many."""

    def __init__(self, opener: Callable[[], int], now: Callable[[], datetime], fails: Callable[[], None],
                 lost: Callable[[], None]) -> None:
        """Write to the descriptor that *opener* returns, at once and at each reopen().

        It *fails* when lines begin to get lost; each of them is *lost*.
        """
        self._opener, self._now, self._fails, self._tell = opener, now, fails, lost
        self._lock = threading.Lock()
        self._fd, self._lost, self._torn = opener(), 0, False

    def noted(self, look: Looked) -> None:
        """Write a line unless the asker looked at a process of its own.

        What the asker may not see and what is not there make the same line, in the same time.
        """
        if look.process is not None and not look.identity.everything and look.process.uid == look.identity.peer.uid:
            return
        with self._lock:
            self._write(self._line(_object(look)))

    def reopen(self) -> None:
        """Open the file anew, which may have been renamed; where that fails, go on with the one that is open."""
        with self._lock:
            try:
                new = self._opener()
            except (OSError, UsageError) as error:
                _log.error("the audit is not opened anew", extra={"fields": {"reason": str(error)}})
                return
            old, self._fd, self._torn = self._fd, new, False
            os.close(old)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    def _line(self, members: dict[str, object]) -> bytes:
        time = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return json.dumps({"audit": "mapsd/v1", "time": time, **members}).encode() + b"\n"

    def _write(self, line: bytes) -> None:
        if self._lost and self._put(self._line({"lost": self._lost})):
            self._lost = 0
        if not self._lost and self._put(line):
            return
        if not self._lost:
            self._fails()
        self._lost += 1
        self._tell()

    def _put(self, line: bytes) -> bool:
        """Return whether a whole line was written, after the end of a line of which only a part was."""
        data = b"\n" * self._torn + line
        try:
            # A reader that has stopped must not stop us; fewer bytes than PIPE_BUF go whole or not at all.
            written = os.write(self._fd, data) if _takes(self._fd) else 0
        except OSError:
            return False
        self._torn = self._torn if written == 0 else written < len(data)
        return written == len(data)


def _takes(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))


def _object(look: Looked) -> dict[str, object]:
    peer, process = look.identity.peer, look.process
    return {"uid": peer.uid, "gid": peer.gid, "via": look.identity.via, "everything": look.identity.everything,
            "foreign": peer.foreign, "operation": look.operation, "pid": look.pid,
            "start_time": None if process is None else process.start_time,
            "process_uid": None if process is None else process.uid, "outcome": look.outcome}


def to(where: str, lost: Callable[[], None]) -> Audit | None:
    """Return what writes to `stderr` or a file, None for `off`; each line that is not written is *lost*.

    Raises UsageError where the file cannot be opened.
    """
    if where == "off":
        return None
    # The log goes to stderr as well, and may wait for it.
    opener, fails = ((lambda: os.dup(2)), (lambda: None)) if where == "stderr" else ((lambda: _file(where)), _complain)
    return Audit(opener, lambda: datetime.now(UTC), fails, lost)


def _complain() -> None:
    _log.error("the audit cannot be written: lines are lost, and counted")


def _file(path: str) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        raise UsageError(f"audit: {path}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise UsageError(f"audit: {path}: not a regular file")
    return fd
