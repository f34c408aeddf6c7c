#!/usr/bin/env python3
"""How long a lookup over HTTP takes: of a process with 240 mappings, asked 50 times a second by 8 clients together.

bench/over_http.py [SECONDS]: as root, needs gcc. Whatever it mounts is in a private mount namespace, and the daemon
that it starts listens at a Unix socket in a directory of its own.
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import scene

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))
from mapsd import Session  # noqa: E402

CLIENTS, A_SECOND = 8, 50
SERIAL = 300
SETTLED = 4.0  # seconds: what changed just now is asked about anew each time, as by mapsd.Session(keep=True)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    if os.geteuid() != 0 or shutil.which("gcc") is None:
        sys.exit("bench/over_http.py: needs root, to mount an overlay, and gcc")
    load = os.getloadavg()[0]
    with scene.container() as pid, tempfile.TemporaryDirectory() as directory, daemon(f"{directory}/socket") as path:
        print(f"Python {sys.version.split()[0]}, Linux {os.uname().release}, load {load:.1f}; process {pid}: "
              f"{len(Session().lookup(pid).mappings)} mappings")
        target = f"/v1/processes/{pid}/mappings"
        time.sleep(SETTLED)
        with Session(keep=True) as session:
            inside = serial(lambda: session.lookup(pid))
        show("Session(keep=True).lookup", inside)
        with closing(Client(path, "/v1/healthz")) as client:
            show("GET /v1/healthz", serial(client.ask))
        with closing(Client(path, target)) as client:
            alone = serial(client.ask)
        show("GET mappings, one client", alone)
        show(f"GET mappings, {CLIENTS} clients, {A_SECOND} a second", paced(path, target, seconds))
        print(f"ratio of one client to the session {statistics.median(alone) / statistics.median(inside):.2f}")


@contextmanager
def daemon(path: str) -> Iterator[str]:
    """Give a daemon that answers at a socket."""
    command = [str(CHECKOUT / "bin/mapsd"), "serve", f"--socket={path}", "--audit=off"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        try:
            if b"listening" not in process.stderr.readline():
                sys.exit("bench/over_http.py: the daemon did not start")
            yield path
        finally:
            process.terminate()
            process.stderr.read()


class Client:
    """A connection on which the same is asked again and again."""

    def __init__(self, path: str, target: str) -> None:
        """Connect to a socket."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        self._buffer = bytearray(1 << 20)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def ask(self) -> None:
        """Ask, and take the whole answer."""
        self._socket.sendall(self._request)
        view, got, wanted = memoryview(self._buffer), 0, None
        while wanted is None or got < wanted:
            part = self._socket.recv_into(view[got:])
            if not part:
                sys.exit("bench/over_http.py: the daemon closed a connection")
            got += part
            wanted = wanted or self._wanted(got)

    def _wanted(self, got: int) -> int | None:
        """Return how long the answer is, None as long as its head is not whole."""
        end = self._buffer.find(b"\r\n\r\n", 0, got)
        if end < 0:
            return None
        head = bytes(self._buffer[:end]).lower()
        if not head.startswith(b"http/1.1 200 "):
            sys.exit(f"bench/over_http.py: {head.decode()}")
        return end + 4 + int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])


def serial(ask: Callable[[], object]) -> list[float]:
    """Return the seconds of one question after the other; the first ones only warm up."""
    found = [timed(ask, time.perf_counter()) for _ in range(SERIAL + SERIAL // 5)]
    return found[SERIAL // 5:]


def timed(ask: Callable[[], object], began: float) -> float:
    ask()
    return time.perf_counter() - began


def paced(path: str, target: str, seconds: float) -> list[float]:
    """Return the seconds of each question."""
    found: list[float] = []
    threads = [threading.Thread(target=pace, args=(path, target, number, seconds, found)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def pace(path: str, target: str, number: int, seconds: float, found: list[float]) -> None:
    period = CLIENTS / A_SECOND
    due = time.perf_counter() + number / A_SECOND
    end = due + seconds
    with closing(Client(path, target)) as client:
        while due < end:
            early = due - time.perf_counter()
            time.sleep(max(0.0, early))
            # Whoever had to wait for the answer before waits from the moment on at which the next one was due.
            found.append(timed(client.ask, time.perf_counter() if early > 0 else due))
            due += period


def show(name: str, seconds: list[float]) -> None:
    parts = statistics.quantiles(seconds, n=100, method="inclusive")
    print(f"{name:36} p50 {1000 * parts[49]:7.2f} ms   p99 {1000 * parts[98]:7.2f} ms   {len(seconds)} times")


if __name__ == "__main__":
    main()
