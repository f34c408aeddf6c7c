"""A mapper process that is brought into an exact state, and what it really has in memory."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

PAGE = 4096


class Refused(OSError):
    """The process's own system call failed."""


class Target:
    """One mapper process; ended by pid at the end."""

    def __init__(self, program: Path, *before: object, pass_fds: Sequence[int] = ()) -> None:
        """Start the mapper; *before* is a command that replaces itself by it."""
        words = [*map(str, before), str(program)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=pass_fds)
        self.pid = self.process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)

    def ask(self, command: str, *arguments: object) -> int:
        words = [os.fsencode(a).hex() if isinstance(a, Path | bytes) else str(a) for a in arguments]
        self.process.stdin.write(" ".join([command, *words]).encode() + b"\n")
        self.process.stdin.flush()
        word, value = self.process.stdout.readline().split()
        if word == b"err":
            raise Refused(int(value), os.strerror(int(value)))
        return int(value, 16)

    def map(self, path: Path | bytes, mode: str = "s", page: int = 0, pages: int = 1) -> int:
        """Return the address of a new mapping."""
        return self.ask("map", mode, path, page, pages)

    def map_over(self, address: int, path: Path | bytes, mode: str = "s", page: int = 0) -> int:
        """Put a mapping of one page in the place of another one."""
        return self.ask("map", mode, path, page, 1, f"{address:x}")

    def proc(self) -> str:
        """Return the directory of a living thread: the leader may have exited."""
        return f"/proc/{self.pid}/task/{max(map(int, os.listdir(f'/proc/{self.pid}/task')))}"

    def memory(self, address: int, length: int = PAGE) -> bytes:
        """Return what the process has in memory: the oracle."""
        with open(f"{self.proc()}/mem", "rb", 0) as file:
            return os.pread(file.fileno(), length, address)

    def inside(self, path: str | bytes) -> bytes:
        """Return how the observer reaches a path of the process's root."""
        return b"/proc/%d/root" % self.pid + os.fsencode(path)
