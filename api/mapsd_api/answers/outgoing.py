"""Answers on their way to those who asked: handed over in pieces, and bounded as long as they are not taken.

A process may have 65,530 mappings, and the answer about them 40 MB. Who asks for it again and again and takes nothing
is told to come again, before all of the memory is used up.
"""

import asyncio
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mapsd_api.answers.problems import Problem, as_response, busy

PIECE = 1 << 18  # bytes: usual answers are no longer, and they are not counted
ALL = 256 << 20  # bytes; one user has at most half of them
_SHARE = 2
_Key = tuple[Hashable, int]


class Outgoing:
    """ASGI middleware: sends what is long piece by piece, as fast as the client takes it, or says 503."""

    def __init__(self, app: ASGIApp, most: int = ALL) -> None:
        """Let at most *most* bytes of the answers of *app* wait; a single longer one may all the same."""
        self._app, self._most = app, most
        self._sizes: dict[_Key, int] = {}
        self._shares = Counter[_Key]()

    @property
    def held(self) -> int:
        """Return how many bytes wait to be taken."""
        return sum(self._sizes.values())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            send = _Sending(self, scope, receive, send)
        await self._app(scope, receive, send)

    @contextmanager
    def room(self, owner: Hashable, body: bytes) -> Iterator[None]:
        """Hold a body for its *owner*. Raises Problem (busy) where that is too much."""
        if len(body) <= PIECE:
            yield
            return
        # Those who share a lookup share the bytes of its answer.
        key = owner, id(body)
        if key not in self._sizes:
            self._demand_room(owner, len(body))
        self._sizes[key] = len(body)
        self._shares[key] += 1
        try:
            yield
        finally:
            self._shares[key] -= 1
            if not self._shares[key]:
                del self._shares[key], self._sizes[key]

    def _demand_room(self, owner: Hashable, size: int) -> None:
        own = sum(held for (other, _), held in self._sizes.items() if other == owner)
        if (self._sizes and self.held + size > self._most) or (own and own + size > self._most // _SHARE):
            raise busy("too many long answers wait to be taken")


class _Sending:
    """What is sent of one answer: its head with the first part of its body, so that another one can be sent instead."""

    def __init__(self, outgoing: Outgoing, scope: Scope, receive: Receive, send: Send) -> None:
        self._outgoing, self._scope, self._receive, self._send = outgoing, scope, receive, send
        self._start: Message | None = None
        self._refused = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        elif message["type"] != "http.response.body":
            await self._send(message)
        elif not self._refused:
            await self._body(message.get("body", b""), more=message.get("more_body", False))

    async def _body(self, body: bytes, *, more: bool) -> None:
        if self._start is None:
            await self._pieces(body, more=more)
            return
        try:
            with self._outgoing.room(_owner(self._scope), body):
                start, self._start = self._start, None
                await self._send(start)
                await self._pieces(body, more=more)
        except Problem as problem:
            self._refused = True
            await as_response(problem)(self._scope, self._receive, self._send)

    async def _pieces(self, body: bytes, *, more: bool) -> None:
        for begin in range(0, max(1, len(body)), PIECE):
            piece, left = body[begin:begin + PIECE], begin + PIECE < len(body)
            await self._send({"type": "http.response.body", "body": piece, "more_body": more or left})
            if left:
                # Whoever takes it fast does not keep the others waiting, nor does the compression.
                await asyncio.sleep(0)


def _owner(scope: Scope) -> Hashable:
    identity = scope.get("state", {}).get("identity")
    return None if identity is None else identity.peer.uid
