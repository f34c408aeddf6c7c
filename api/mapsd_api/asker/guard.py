"""What every request must pass before anything else looks at it: Host, Origin, token, body.

A page of any site may send requests to a port of the machine it is read on, and by rebinding its name in the DNS read
the answers: so the port answers to the names that it was given only, and to pages of its own. Whoever is at the other
end of a Unix socket is known by the kernel, and browsers reach none: there a Host says nothing and a token is not read.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mapsd_api.answers.problems import Problem, as_response
from mapsd_api.asker.identity import NOBODY, Identity, of_peer
from mapsd_api.asker.peer import Connection

OPEN = frozenset({"/v1/healthz", "/v1/readyz"})  # paths that are answered without a token
PRECAUTIONS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CLOSE = {"Connection": "close"}
Headers = Sequence[tuple[bytes, bytes]]


class Rules(Protocol):
    """Which requests are answered; of mapsd_api.settings.settings.Settings."""

    @property
    def group(self) -> int | None:
        """Return the group whose members see everything."""

    @property
    def allowed_hosts(self) -> Sequence[str]:
        """Return further names that a request may be for, in lower case."""

    @property
    def allowed_origins(self) -> Sequence[str]:
        """Return the origins of further pages that may ask, in lower case."""

    @property
    def body_limit(self) -> int:
        """Return the size of the longest body that is read, in bytes."""


class Guard:
    """ASGI middleware: refuses, or puts who asks at `scope["state"]["identity"]`."""

    def __init__(self, app: ASGIApp, rules: Callable[[], Rules], holder: Callable[[bytes], Identity | None]) -> None:
        """Guard *app*. *rules* are asked at each request; *holder* says whose a token is, None for a wrong one."""
        self._app, self._rules, self._holder = app, rules, holder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        match scope["type"]:
            case "http":
                await self._answer(scope, receive, _careful(send))
            case "lifespan":
                await self._app(scope, receive, send)
            case _:  # there are no websockets
                await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        rules = self._rules()
        try:
            scope["state"]["identity"] = self._identity(scope, rules)
            body = await _body(scope["headers"], receive, rules.body_limit)
        except Problem as problem:
            await as_response(problem)(scope, receive, send)
            return
        except ConnectionError:
            return
        await self._app(scope, receive if body is None else _again(body, receive), send)

    def _identity(self, scope: Scope, rules: Rules) -> Identity:
        connection: Connection | None = scope.setdefault("state", {}).get("connection")
        if connection is None:
            raise Problem("internal", "it is not known who asks", _CLOSE)
        headers = scope["headers"]
        if connection.peer is None:
            _check_host(_values(headers, b"host"), rules.allowed_hosts)
        _check_origin(scope, rules.allowed_origins)
        if connection.peer is not None:
            return of_peer(connection.peer, rules.group, connection.via)
        return NOBODY if scope["path"] in OPEN else self._bearer(_values(headers, b"authorization"))

    def _bearer(self, said: Sequence[bytes]) -> Identity:
        scheme, _, token = said[0].partition(b" ") if len(said) == 1 else (b"", b"", b"")
        identity = self._holder(token.strip(b" ")) if scheme.lower() == b"bearer" else None
        if identity is None:
            raise Problem("unauthenticated", "over TCP a token must be sent as Authorization: Bearer",
                          {"WWW-Authenticate": "Bearer"})
        return identity


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for other, value in headers if other == name]


def _check_host(said: Sequence[bytes], allowed: Sequence[str]) -> None:
    found = _HOST.fullmatch(said[0]) if len(said) == 1 else None
    if found is None:
        raise Problem("invalid", "there must be one Host, and a name or an address in it", _CLOSE)
    # The port is the one that the client connected to, which behind a tunnel is another than ours.
    if found[1].decode().lower() not in (*_LOOPBACK, *allowed):
        raise Problem("unknown-host", "allowed_hosts does not name the Host that was asked", _CLOSE)


def _check_origin(scope: Scope, allowed: Sequence[str]) -> None:
    own = {f"{scope['scheme']}://".encode() + host.lower() for host in _values(scope["headers"], b"host")}
    known = own | {origin.encode() for origin in allowed}
    if not all(origin.lower() in known for origin in _values(scope["headers"], b"origin")):
        raise Problem("forbidden", "allowed_origins does not name the site whose page asks", _CLOSE)


async def _body(headers: Headers, receive: Receive, limit: int) -> bytes | None:
    """Return the whole body, None where there is none. Raises Problem, and ConnectionError where the asker is gone.

    How long it may take is the connection's business.
    """
    lengths, codings = _values(headers, b"content-length"), _values(headers, b"transfer-encoding")
    if len(lengths) + len(codings) > 1 or not all(_LENGTH.fullmatch(length) for length in lengths) or any(
            coding.lower() != b"chunked" for coding in codings):
        raise Problem("invalid", "the length of the body is not to be understood", _CLOSE)
    if any(int(length) > limit for length in lengths):
        raise _too_large(limit)
    if not codings and not any(map(int, lengths)):
        return None
    return await _whole(receive, limit)


async def _whole(receive: Receive, limit: int) -> bytes:
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _too_large(limit: int) -> Problem:
    return Problem("too-large", f"at most {limit} bytes are read", _CLOSE)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read already, and then what else comes."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return left.pop() if left else await receive()
    return receiving


def _careful(send: Send) -> Send:
    """Return *send* with PRECAUTIONS in each response; one with an ETag says itself how it may be kept."""
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": list(_precautions(message.get("headers", ())))}
        await send(message)
    return sending


def _precautions(headers: Headers) -> Iterator[tuple[bytes, bytes]]:
    kept = any(name.lower() == b"etag" for name, _ in headers)
    own = {name.lower().encode(): value.encode() for name, value in PRECAUTIONS.items()
           if not (kept and name == "Cache-Control")}
    yield from ((name, value) for name, value in headers if name.lower() not in own)
    yield from own.items()
