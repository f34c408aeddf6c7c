"""The real daemon as a process of its own, who asks it, and what it holds."""

import gzip
import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.api.test_serve import Running, UnixConnection, connected
from tests.cli.command import BOUND, MAPSD

TOKEN = "0123456789abcdef"
PATIENCE = 120  # seconds: of a machine that has much else to do
PROBLEM = "application/problem+json"


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def unpacked(self) -> bytes:
        return gzip.decompress(self.body) if self.headers["Content-Encoding"] == "gzip" else self.body

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.unpacked().splitlines()]


class Held(NamedTuple):
    """What a process has of the kernel."""

    descriptors: int
    threads: int


class Daemon(Running):
    """A daemon, and questions to it at its Unix socket."""

    @property
    def pid(self) -> int:
        return self.process.pid

    def opened(self) -> int:
        """Return how many descriptors it has, but for the programs that each worker loads once and keeps."""
        return sum(not link.startswith("anon_inode:bpf") for link in self.links())

    def links(self) -> list[str]:
        """Return what its descriptors are of."""
        found = []
        for name in os.listdir(f"/proc/{self.pid}/fd"):
            with suppress(FileNotFoundError):
                found.append(os.readlink(f"/proc/{self.pid}/fd/{name}"))
        return sorted(found)

    def answer(self, target: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        """Return the answer to one request on a connection of its own; `_` in a header's name is a hyphen."""
        with closing(UnixConnection(self.path)) as asking:
            return asked(asking, target, method, body, **headers)

    def exchange(self, *parts: bytes) -> bytes:
        """Send bytes, and return all that comes until the daemon ends the connection."""
        with connected(self.path) as one:
            # The daemon need not read all that it is sent.
            with suppress(BrokenPipeError):
                for part in parts:
                    one.sendall(part)
            return received(one)

    def held(self) -> Held:
        return Held(self.opened(), len(os.listdir(f"/proc/{self.pid}/task")))

    def resident(self) -> int:
        """Return how many bytes of its memory are in the machine's. See VmRSS in proc_pid_status(5)."""
        text = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return 1024 * int(text.partition("VmRSS:")[2].split()[0])

    def gives_back(self, before: Held) -> None:
        """Wait until it holds no more descriptors than before."""
        try:
            until(lambda: self.opened() <= before.descriptors)
        except AssertionError as error:
            raise AssertionError(f"{before.descriptors} descriptors, now {self.links()}") from error

    def metric(self, name: str) -> float:
        """Return the value of one series, as it is written: name and labels."""
        for line in self.answer("/v1/metrics").body.decode().splitlines():
            series, _, value = line.rpartition(" ")
            if series == name:
                return float(value)
        raise AssertionError(f"there is no {name}")

    def complaints(self) -> list[dict]:
        """Return what the log says of failures."""
        return [line for line in self.said if line.get("level", "error") not in {"info", "warning"}]


def until(true: Callable[[], object]) -> None:
    """Wait for something that another process does, without keeping it from it."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "never became true"
        time.sleep(0.01)


def asked(asking: http.client.HTTPConnection, target: str, method: str = "GET", body: bytes | None = None,
          **headers: str) -> Answer:
    asking.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
    with asking.getresponse() as response:
        return Answer(response.status, response.headers, response.read())


def received(one: socket.socket) -> bytes:
    """Return what comes on a connection until its end, be it a reset: some of what was sent was not read."""
    said = bytearray()
    with suppress(ConnectionResetError):
        while part := one.recv(1 << 16):
            said += part
    return bytes(said)


@contextmanager
def daemon(directory: Path, *words: str, before: tuple[str, ...] = (), audit: str | Path = "off",
           ends: bool = True) -> Iterator[Daemon]:
    """Give a daemon that listens at a Unix socket; at the end a signal ends it, and it has failed at nothing.

    *before* is a command that replaces itself by the daemon. One that does not end so is killed by the test.
    """
    command = [*before, str(MAPSD), "serve", f"--socket={directory}/s", f"--audit={audit}", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    made = Daemon(process, f"{directory}/s")
    try:
        made.until_said("listening")
        yield made
        if ends:
            process.terminate()
            assert made.ended()[0] == 0
            assert made.complaints() == []
    finally:
        made.close()


def token_file(directory: Path) -> str:
    """Return the option for a file with TOKEN in it."""
    path = directory / "token"
    path.write_text(TOKEN, encoding="ascii")
    path.chmod(0o600)
    return f"--token-file={path}"


def port(made: Daemon) -> tuple[str, int]:
    """Return where it listens for TCP."""
    host, _, number = made.until_said("listening")["addresses"][1].rpartition(":")
    return host, int(number)


__all__ = ["BOUND", "PROBLEM", "TOKEN", "Answer", "Daemon", "Held", "asked", "daemon", "port", "received", "token_file",
           "until"]
