"""Processes that take long to look up, and crowds that ask about them."""

import ctypes
import json
import mmap
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.api.running import Answer, Daemon, Held, connected, received
from tests.cli.command import child

PAGE = 4096
MAPPINGS = 20_000


def divided(path: Path, mappings: int) -> None:
    """Map a file so that the kernel has to keep so many mappings of it apart."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    fd = os.open(path, os.O_RDONLY)
    size = ctypes.c_size_t(mappings * PAGE)
    start = libc.mmap(None, size, 0, mmap.MAP_PRIVATE, fd, ctypes.c_long(0))
    for page in range(0, mappings, 2):
        assert libc.mprotect(ctypes.c_void_p(start + page * PAGE), ctypes.c_size_t(PAGE), mmap.PROT_READ) == 0


@contextmanager
def large(directory: Path, mappings: int = MAPPINGS) -> Iterator[int]:
    """Give a process whose lookup takes some tenths of a second, and whose answer is some megabytes."""
    path = directory / "divided"
    path.touch()
    os.truncate(path, mappings * PAGE)
    with child(lambda: divided(path, mappings)) as pid:
        yield pid


def request(target: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


@contextmanager
def asking(daemon: Daemon, *targets: str) -> Iterator[list[socket.socket]]:
    """Give a connection for each target on which it was asked, and nothing taken; all were asked at once."""
    with ExitStack() as stack:
        made = [stack.enter_context(connected(daemon.path)) for _ in targets]
        for one, target in zip(made, targets, strict=True):
            one.sendall(request(target, "Connection: close"))
        yield made


def warmed(daemon: Daemon) -> Held:
    """Return what a daemon holds when all of its workers have what they keep."""
    targets = [f"/v1/processes/{os.getpid()}/mappings?address={number:#x}" for number in range(16)]
    for _ in range(2):
        all_at_once(daemon, *targets)
    return daemon.held()


def all_at_once(daemon: Daemon, *targets: str) -> list[Answer]:
    """Return the answers to questions that are asked at the same time."""
    with asking(daemon, *targets) as connections:
        return in_threads([lambda one=one: parsed(received(one)) for one in connections])


def parsed(said: bytes) -> Answer:
    head, _, body = said.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.title(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert len(body) == int(headers["Content-Length"])
    return Answer(int(first.split(" ")[1]), headers, body)


def in_threads(works: list[Callable[[], object]]) -> list:
    """Return what each returns, all run at the same time."""
    found: list[object] = [None] * len(works)

    def run(place: int) -> None:
        found[place] = works[place]()
    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def is_busy(answer: Answer) -> bool:
    """Return whether the daemon said that one should come again, in the right form."""
    if answer.status != 503:
        return False
    assert answer.headers["Retry-After"] == "1"
    assert json.loads(answer.body)["type"] == "urn:mapsd:problem:busy"
    return True
