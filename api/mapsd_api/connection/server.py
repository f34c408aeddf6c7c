"""uvicorn with sockets of two kinds in one event loop: TLS is for TCP, and each kind knows its peers in its own way."""

import asyncio
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import NamedTuple

import uvicorn
from starlette.types import ASGIApp

from mapsd.errors import MapsdError
from mapsd_api.connection.connections import LimitedProtocol, LimitedState, Limits
from mapsd_api.listening.listener import Kind, Listener

_KEEP_ALIVE = 30  # seconds between two requests of a connection
_HEAD = 32 * 1024  # bytes: a path of 4,096 takes three times as many in a query
_FAREWELL = 1.0  # seconds for a client to take leave of TLS
_AT_A_TIME = 1  # connections: where no descriptor is left asyncio logs each that it tries to accept, again and again
_DATE = 1.0  # seconds that a response's date may be late

Protocols = Mapping[Kind, type[LimitedProtocol]]


class NotStarted(MapsdError):
    """The application failed before it could answer anything; the log says why."""


class Door(NamedTuple):
    """What is served: the sockets, what connections of each kind are, and the TLS of TCP, None without."""

    listeners: Sequence[Listener]
    protocols: Protocols
    tls: ssl.SSLContext | None


class Server(uvicorn.Server):
    """Serves one application until stop(); signals are the daemon's business."""

    server_state: LimitedState

    def __init__(self, app: ASGIApp, door: Door, on_start: Callable[[], None], on_stop: Callable[[], None]) -> None:
        """Serve *app* at *door*; *on_start* is called when connections are accepted, *on_stop* when no more are."""
        # A header must not say where a request comes from; websockets there are none.
        super().__init__(uvicorn.Config(
            app, ws="none", lifespan="on", interface="asgi3", log_config=None, access_log=False, proxy_headers=False,
            server_header=False, timeout_keep_alive=_KEEP_ALIVE, h11_max_incomplete_event_size=_HEAD))
        self.server_state = LimitedState(Limits())
        self._door, self._on_start, self._on_stop = door, on_start, on_stop
        self._stop = asyncio.Event()

    def bound(self, limits: Limits, drain: float) -> None:
        """Use these limits for connections to come, and *drain* seconds for the last requests."""
        self.server_state.limits = limits
        self.config.timeout_graceful_shutdown = drain  # type: ignore[assignment]  # (asyncio takes parts of a second)

    def stop(self) -> None:
        """Accept no more connections and finish what was asked; told again, finish nothing."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._stop.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: uvicorn would raise them again at the end."""
        yield

    async def startup(self, sockets: object = None) -> None:
        """Start the application and accept connections. Raises NotStarted."""
        del sockets
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise NotStarted("the application did not start")
        self.servers = [await self._accepting(listener) for listener in self._door.listeners]
        self.started = True
        self._on_start()

    async def _accepting(self, listener: Listener) -> asyncio.Server:
        made = await self._made(listener)
        # asyncio has one number for how many may wait in the kernel and for how many are accepted at a time.
        listener.socket.listen(self.config.backlog)
        return made

    async def _made(self, listener: Listener) -> asyncio.Server:
        loop, tls = asyncio.get_running_loop(), self._door.tls
        if listener.kind == "tcp" and tls is not None:
            return await loop.create_server(
                self._handshake, sock=listener.socket, backlog=_AT_A_TIME, ssl=tls,
                ssl_handshake_timeout=self.server_state.limits.arrives, ssl_shutdown_timeout=_FAREWELL)
        make = partial(self._connection, listener.kind)
        return await loop.create_server(make, sock=listener.socket, backlog=_AT_A_TIME)

    def _connection(self, kind: Kind) -> LimitedProtocol:
        return self._door.protocols[kind](self.config, self.server_state, self.lifespan.state)

    def _handshake(self) -> LimitedProtocol:
        made = self._connection("tcp")
        made.shake_hands()
        return made

    async def main_loop(self) -> None:
        """Wait for stop(). uvicorn looks ten times a second."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _DATE)

    async def shutdown(self, sockets: object = None) -> None:
        """Finish what was asked as long as there is time, and end every connection."""
        del sockets
        for server in self.servers:
            server.close()
        self._on_stop()
        await super().shutdown()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
