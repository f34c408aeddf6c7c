"""Connections that know who is at their other end, for uvicorn."""

import asyncio
from collections.abc import Hashable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from starlette.responses import Response

from mapsd_api.answers.problems import Problem, as_response, busy
from mapsd_api.asker.guard import PRECAUTIONS
from mapsd_api.asker.peer import Connection, Home, peer_of
from mapsd_api.connection.connections import LimitedProtocol
from mapsd_api.listening.listener import Kind

SHARE = 2  # of so many parts of all connections one user has at most one, and so has TCP


def protocols(home: Home) -> Mapping[Kind, type[LimitedProtocol]]:
    """Return what a connection of each kind of socket is, for a daemon whose peers live at *home*."""
    return {"unix": type("UnixProtocol", (_UnixProtocol,), {"home": home}), "tcp": _TcpProtocol}


class _PeerProtocol(LimitedProtocol):
    """Hands the connection to each request as `scope["state"]["connection"]`."""

    asker: Hashable = None  # who uses up a place

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Find out who came, and tell whoever has too many connections to come again."""
        super().connection_made(transport)
        try:
            connection = self._connection(transport.get_extra_info("socket"))
        except OSError:
            self._come_again("the daemon has no descriptor left to find out who asks")
            return
        self.app_state = {**self.app_state, "connection": connection}
        self.asker = _asker(connection)
        same = sum(getattr(other, "asker", None) == self.asker for other in self.connections)
        if same > max(1, self._limits.connections // SHARE):
            self._come_again("too many connections are yours")

    def _connection(self, _: Any) -> Connection:  # noqa: ANN401  (asyncio.TransportSocket, which no stub makes public)
        return Connection("tcp", None)

    def _come_again(self, detail: str) -> None:
        response = _last(busy(detail))
        self.app = response

    def send_400_response(self, msg: str) -> None:
        """Say that this was no HTTP, as a problem, unless an answer is under way."""
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()
            return
        self.transport.write(_written(_last(Problem("invalid", msg))))
        self.transport.close()


class _TcpProtocol(_PeerProtocol):
    """Somebody, from somewhere."""


class _UnixProtocol(_PeerProtocol):
    """Somebody whom the kernel knows."""

    home: ClassVar[Home]

    def _connection(self, given: Any) -> Connection:  # noqa: ANN401  (as above)
        return Connection("unix", peer_of(given, self.home))


def _asker(connection: Connection) -> Hashable:
    # In a user namespace of its own one user can have any number of ids: strangers are one.
    peer = connection.peer
    return connection.via if peer is None or peer.foreign else peer.uid


def _last(problem: Problem) -> Response:
    """Return the response of a problem after which nothing more is heard."""
    response = as_response(problem)
    response.headers["Connection"] = "close"
    response.headers.update(PRECAUTIONS)
    return response


def _written(response: Response) -> bytes:
    head = [f"HTTP/1.1 {response.status_code} {HTTPStatus(response.status_code).phrase}".encode(),
            *(name + b": " + value for name, value in response.raw_headers)]
    return b"\r\n".join([*head, b"", bytes(response.body)])
