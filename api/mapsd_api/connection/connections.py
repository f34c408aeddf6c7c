"""A connection that cannot be held for ever: how many there may be, and how long each side may take."""

import asyncio
from typing import Any, NamedTuple

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from mapsd_api.answers.problems import as_response, busy

SPARE = 64  # further connections, which are told to come again


class Limits(NamedTuple):
    """How many connections there may be at the same time, and seconds.

    *arrives*: for a request to arrive whole, a TLS handshake included; *takes*: for the client to take what it is sent.
    """

    connections: int = 512
    arrives: float = 10.0
    takes: float = 30.0


class LimitedState(ServerState):
    """What the connections of a server share, and their limits."""

    def __init__(self, limits: Limits) -> None:
        """Keep the limits, which may be changed while the server runs."""
        super().__init__()
        self.limits = limits
        self.handshakes = set[LimitedProtocol]()


class LimitedProtocol(H11Protocol):
    """One connection of HTTP/1.1.

    uvicorn's own `limit_concurrency` refuses without Retry-After and has no end for a client that says nothing.
    """

    def __init__(self, config: Config, server_state: LimitedState, app_state: dict[str, Any],
                 _loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Serve one connection; uvicorn's Server makes them."""
        super().__init__(config, server_state, app_state, _loop)
        self._limits = server_state.limits
        self._arriving: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._handshakes = server_state.handshakes

    def shake_hands(self) -> None:
        """Be one of those whose TLS handshake is under way. Raises ConnectionRefusedError where there are too many.

        Nothing else knows of this connection until connection_made(), and that never comes if the handshake fails. A
        failure in making a protocol has asyncio drop the connection.
        """
        if len(self._handshakes) >= SPARE:
            raise ConnectionRefusedError
        self._handshakes.add(self)
        self.loop.call_later(self._limits.arrives, self._handshakes.discard, self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, which is told to come again when there are too many connections."""
        self._handshakes.discard(self)
        super().connection_made(transport)
        over = len(self.connections) - self._limits.connections
        if over > SPARE:
            transport.abort()
        elif over > 0:
            self._come_again("there are too many connections")
        self._arriving = self._after(self._limits.arrives)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        for timer in (self._arriving, self._taking, self._leaving):
            _cancelled(timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request."""
        super().data_received(data)
        if not self._waits() or self.transport.is_closing():
            self._arriving = _cancelled(self._arriving)
        elif self._arriving is None:
            self._arriving = self._after(self._limits.arrives)
        self._leave()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the end of the connection."""
        super().on_response_complete()
        self._leave()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection on which nothing more is asked."""
        super().timeout_keep_alive_handler()
        self._leave()

    def pause_writing(self) -> None:
        """Wait for the client to take what it was sent."""
        super().pause_writing()
        self._taking = self._after(self._limits.takes)

    def resume_writing(self) -> None:
        """Go on sending."""
        self._taking = _cancelled(self._taking)
        super().resume_writing()

    def _come_again(self, detail: str) -> None:
        """Answer whatever is asked with 503, for the reason of *detail*, and close the connection."""
        response = as_response(busy(detail))
        response.headers["Connection"] = "close"
        self.app = response

    def _leave(self) -> None:
        """Wait no longer than for an answer that the client takes what is left to be sent on a connection that ends."""
        if self.transport.is_closing() and self._leaving is None:
            self._leaving = self._after(self._limits.takes)

    def _waits(self) -> bool:
        """Return whether a request has begun and is not whole. Between two of them uvicorn waits as long as it does."""
        theirs = self.conn.their_state
        return theirs is h11.SEND_BODY or (theirs is h11.IDLE and bool(self.conn.trailing_data[0]))

    def _after(self, seconds: float) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, self._abort)

    def _abort(self) -> None:
        self.transport.abort()


def _cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Return no timer, for whoever kept this one."""
    if timer is not None:
        timer.cancel()
    return None
