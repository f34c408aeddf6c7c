"""What every request must pass, asked of the middleware itself."""

import asyncio
import json
from collections.abc import Iterable
from typing import NamedTuple

import pytest

from mapsd.linux.rights.authority import Peer
from mapsd_api.asker.guard import PRECAUTIONS, Guard
from mapsd_api.asker.identity import NOBODY, Identity
from mapsd_api.asker.peer import Connection
from mapsd_api.settings.settings import Settings

UNIX, TCP = Connection("unix", Peer(1000, 1000, (27,))), Connection("tcp", None)
HOLDER = Identity(Peer(65534, 65534, ()), everything=False, via="tcp")
RULES = Settings(group=27, allowed_hosts=("maps.example",), allowed_origins=("https://pages.example",), body_limit=10)
TOKEN = (b"authorization", b"Bearer right")
LOCAL = (b"host", b"localhost:8080")


class Answer(NamedTuple):
    """What came out: of the guard, or of the application behind it."""

    status: int
    headers: dict[str, str]
    body: bytes
    identity: Identity | None

    @property
    def kind(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        problem = json.loads(self.body)
        assert problem["status"] == self.status
        return problem["type"].removeprefix("urn:mapsd:problem:")


def asked(connection: Connection | None, *headers: tuple[bytes, bytes], path: str = "/v1/kernel",
          body: Iterable[bytes] = (), answer: Iterable[tuple[bytes, bytes]] = ()) -> Answer:
    sent, seen = [], []
    parts = [{"type": "http.request", "body": part, "more_body": True} for part in body]
    parts += [{"type": "http.request", "body": b"", "more_body": False}] * bool(parts)

    async def application(scope, receive, send) -> None:
        seen.append(scope["state"]["identity"])
        whole, more = b"", True
        while more and parts_expected:
            message = await receive()
            whole += message.get("body", b"")
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": list(answer)})
        await send({"type": "http.response.body", "body": whole})

    async def receive() -> dict:
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message: dict) -> None:
        sent.append(message)
    parts_expected = bool(parts)
    state = {} if connection is None else {"connection": connection}
    scope = {"type": "http", "method": "GET", "path": path, "scheme": "http", "headers": list(headers), "state": state}
    guard = Guard(application, lambda: RULES, lambda token: HOLDER if token == b"right" else None)
    asyncio.run(guard(scope, receive, send))
    if not sent:
        return Answer(0, {}, b"", None)
    found = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    assert len(found) == len(sent[0]["headers"])
    return Answer(sent[0]["status"], found, b"".join(part.get("body", b"") for part in sent[1:]),
                  seen[0] if seen else None)


def test_who_comes_by_a_unix_socket_is_who_the_kernel_says_whatever_is_sent():
    for headers in ([], [(b"host", b"evil.example")], [TOKEN], [(b"authorization", b"Bearer wrong")],
                    [(b"x-forwarded-for", b"127.0.0.1")]):
        assert asked(UNIX, *headers).identity == Identity(UNIX.peer, everything=True, via="unix")
    other = Connection("unix", Peer(1000, 1000, ()))
    assert asked(other, TOKEN).identity == Identity(other.peer, everything=False, via="unix")


def test_a_token_makes_its_holder_over_tcp():
    assert asked(TCP, LOCAL, TOKEN).identity == HOLDER
    assert asked(TCP, LOCAL, (b"authorization", b"bearer  right ")).identity == HOLDER


@pytest.mark.parametrize("said", [[], [b"Bearer wrong"], [b"Bearer"], [b"Bearer "], [b""], [b"Basic right"], [b"right"],
                                  [b"Bearer right", b"Bearer right"], [b"Bearer right x"], [b"Bearer\tright"]])
def test_without_the_token_nothing_is_answered_over_tcp(said):
    answer = asked(TCP, LOCAL, *((b"authorization", value) for value in said))
    assert (answer.status, answer.kind, answer.identity) == (401, "unauthenticated", None)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/v1/healthz", "/v1/readyz"])
def test_health_is_answered_without_a_token_to_somebody_who_sees_nothing(path):
    assert asked(TCP, LOCAL, path=path).identity == NOBODY
    assert NOBODY.peer.foreign
    assert asked(TCP, LOCAL, path=path + "/").kind == "unauthenticated"
    assert asked(TCP, (b"host", b"evil.example"), path=path).kind == "unknown-host"


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "LocalHost:9", "127.0.0.1:8080", "[::1]:8080",
                                  "maps.example", "MAPS.example:443"])
def test_a_name_that_the_daemon_has_is_answered(host):
    assert asked(TCP, (b"host", host.encode()), TOKEN).status == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8080", "127.0.0.2", "localhost.", "[::2]",
                                  "xlocalhost", "2130706433", "0"])
def test_a_name_that_it_does_not_have_is_not(host):
    answer = asked(TCP, (b"host", host.encode()), TOKEN)
    assert (answer.status, answer.kind, answer.identity) == (421, "unknown-host", None)


@pytest.mark.parametrize("hosts", [[], [b"localhost", b"localhost"], [b"localhost", b"evil.example"], [b""],
                                   [b"user@localhost"], [b"localhost:"], [b"localhost:x"], [b"localhost:123456"],
                                   [b"local host"], [b"localhost/"], [b"::1"], [b"[::1"], [b"localhost,localhost"],
                                   [b"local\xc3\xb6st"]])
def test_what_is_no_host_is_not_understood(hosts):
    answer = asked(TCP, *((b"host", host) for host in hosts), TOKEN)
    assert (answer.status, answer.kind, answer.identity) == (400, "invalid", None)


@pytest.mark.parametrize("connection", [UNIX, TCP])
@pytest.mark.parametrize("origin", ["http://localhost:8080", "HTTP://LOCALHOST:8080", "https://pages.example"])
def test_a_page_of_our_own_or_of_an_allowed_site_may_ask(connection, origin):
    assert asked(connection, LOCAL, TOKEN, (b"origin", origin.encode())).status == 200


@pytest.mark.parametrize("connection", [UNIX, TCP])
@pytest.mark.parametrize("origins", [["https://evil.example"], ["null"], [""], ["http://localhost:3000"],
                                     ["https://localhost:8080"], ["http://localhost"], ["http://pages.example"],
                                     ["https://pages.example", "https://evil.example"], ["https://pages.example.evil"],
                                     ["https://pages.example https://pages.example"]])
def test_a_page_of_another_site_may_not(connection, origins):
    answer = asked(connection, LOCAL, TOKEN, *((b"origin", origin.encode()) for origin in origins))
    assert (answer.status, answer.kind, answer.identity) == (403, "forbidden", None)


def test_a_page_that_would_upgrade_to_a_websocket_is_held_to_the_same():
    upgrade = [(b"connection", b"upgrade"), (b"upgrade", b"websocket"), (b"origin", b"https://evil.example")]
    assert asked(TCP, LOCAL, TOKEN, *upgrade).kind == "forbidden"


def test_a_websocket_is_closed():
    sent = []

    async def send(message: dict) -> None:
        sent.append(message)
    asyncio.run(Guard(None, lambda: RULES, lambda _: HOLDER)({"type": "websocket"}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_who_is_not_known_is_not_answered():
    answer = asked(None, LOCAL, TOKEN)
    assert (answer.status, answer.kind, answer.identity) == (500, "internal", None)


CHUNKED = (b"transfer-encoding", b"chunked")


@pytest.mark.parametrize(("headers", "parts"), [
    ([(b"content-length", b"10")], [b"0123456789"]), ([(b"content-length", b"10")], [b"01234", b"56789"]),
    ([CHUNKED], [b"0", b"123456789"]), ([CHUNKED], [b""]), ([(b"transfer-encoding", b"Chunked")], [b"0"])])
def test_a_body_is_read_whole_before_it_is_looked_at(headers, parts):
    answer = asked(UNIX, *headers, body=parts)
    assert (answer.status, answer.body) == (200, b"".join(parts))


@pytest.mark.parametrize(("headers", "parts"), [
    ([(b"content-length", b"11")], []), ([(b"content-length", b"999999999999999999")], []),
    ([CHUNKED], [b"01234567890"]), ([CHUNKED], [b"0"] * 11), ([(b"content-length", b"10")], [b"01234567890"])])
def test_a_body_that_is_too_long_is_not_read_to_its_end(headers, parts):
    answer = asked(UNIX, *headers, body=parts)
    assert (answer.status, answer.kind, answer.identity) == (413, "too-large", None)
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("headers", [
    [(b"content-length", b"-1")], [(b"content-length", b"1x")], [(b"content-length", b"")],
    [(b"content-length", b"1"), (b"content-length", b"1")], [(b"content-length", b"1" * 5000)],
    [(b"content-length", b"1"), CHUNKED], [(b"transfer-encoding", b"gzip, chunked")], [CHUNKED, CHUNKED],
    [(b"transfer-encoding", b"identity")]])
def test_a_body_of_unclear_length_is_not_understood(headers):
    answer = asked(UNIX, *headers, body=[b"x"])
    assert (answer.status, answer.kind, answer.identity) == (400, "invalid", None)


def test_who_goes_in_the_middle_of_a_body_gets_no_answer():
    assert asked(UNIX, (b"content-length", b"5")) == Answer(0, {}, b"", None)


@pytest.mark.parametrize("headers", [(LOCAL, TOKEN), (LOCAL,), ((b"host", b"evil.example"),)])
def test_every_response_is_as_careful(headers):
    answer = asked(TCP, *headers, answer=[(b"Cache-Control", b"public"), (b"x-own", b"1")])
    for name, value in PRECAUTIONS.items():
        assert answer.headers[name.lower()] == value
    assert PRECAUTIONS["Cache-Control"] == "no-store"


def test_a_response_with_an_etag_says_itself_how_it_may_be_kept():
    answer = asked(UNIX, answer=[(b"ETag", b'"x"'), (b"Cache-Control", b"private, no-cache")])
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
