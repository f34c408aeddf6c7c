"""The shipped command on a real pseudo-terminal of a given size."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.cli.command import BOUND, MAPSD

PLAIN = {"TERM": "xterm", "NO_COLOR": "1", "MAPSD_PAGER": ""}
COLOURED = {"TERM": "xterm", "MAPSD_PAGER": ""}
_UNSET = {"COLUMNS", "LINES", "PAGER", "MAPSD_PAGER", "LESS", "NO_COLOR", "TERM"}
Key = tuple[bytes, bytes]  # as soon as the first was sent the second is typed


class Shown:
    """What a terminal was sent, and how the command ended; *errors* is stderr, which is no terminal."""

    def __init__(self, status: int, sent: bytes, errors: bytes) -> None:
        self.status, self.sent, self.errors = status, sent, errors.decode()

    @property
    def text(self) -> str:
        """Return what was sent as text; the terminal made a carriage return and a newline of every newline."""
        return self.sent.decode().replace("\r\n", "\n")

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def on_terminal(*words: object, columns: int = 80, rows: int = 24, environment: dict[str, str] | None = None,
                keys: Sequence[Key] = (), prefix: Sequence[str] = ()) -> Shown:
    """Run `mapsd lookup WORDS` as the only one on a terminal, and type the keys."""
    command = [*prefix, MAPSD, "lookup", *map(str, words)]
    kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
    env = {**kept, **(PLAIN if environment is None else environment)}
    with _terminal(columns, rows) as (ours, theirs), subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=env, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) as process:  # noqa: PLW1509  (one thread)
        os.close(theirs)
        try:
            sent = _sent(ours, list(keys))
        except BaseException:
            process.kill()
            raise
        assert process.stderr is not None
        errors = process.stderr.read()
        return Shown(process.wait(BOUND), sent, errors)


@contextmanager
def _terminal(columns: int, rows: int) -> Iterator[tuple[int, int]]:
    """Give both ends of a terminal; who runs on it closes the second."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    try:
        yield ours, theirs
    finally:
        os.close(ours)


def _sent(ours: int, keys: list[Key]) -> bytes:
    sent, end = b"", time.monotonic() + BOUND
    while select.select([ours], [], [], max(0.0, end - time.monotonic()))[0]:
        try:
            sent += os.read(ours, 1 << 16)
        except OSError:
            # EIO: nobody has the other end any more.
            assert not keys, f"never sent: {keys[0][0]!r}, but {sent!r}"
            return sent
        if keys and keys[0][0] in sent:
            os.write(ours, keys.pop(0)[1])
    raise AssertionError(f"the terminal was not given back: {sent[-200:]!r}")
