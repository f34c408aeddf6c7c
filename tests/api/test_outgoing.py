"""Answers that nobody takes are bounded: by pieces, by all, by what one user has; and all of an answer comes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from mapsd.linux.rights.authority import Peer
from mapsd_api.answers.outgoing import PIECE, Outgoing
from mapsd_api.asker.identity import Identity

LONG = 3 * PIECE + 1


class Client:
    """Somebody who is sent an answer, and takes as many messages as it is let."""

    def __init__(self, app: ASGIApp, uid: int = 1) -> None:
        self.sent: list[dict] = []
        self._may = asyncio.Semaphore(0)
        scope = {"type": "http", "state": {"identity": Identity(Peer(uid, uid, ()), everything=False, via="unix")}}
        self.task = asyncio.ensure_future(app(scope, None, self._send))

    async def _send(self, message: dict) -> None:
        await self._may.acquire()
        self.sent.append(message)

    async def takes(self, messages: int) -> None:
        """Take so many messages, and let everybody go on until they wait."""
        for _ in range(messages):
            self._may.release()
        for _ in range(5 * (messages + 1)):
            await asyncio.sleep(0)

    async def takes_all(self) -> tuple[int, bytes]:
        """Return status and body when all was sent."""
        await self.takes(100)
        await self.task
        start, *parts = self.sent
        assert [part.get("more_body", False) for part in parts] == [True] * (len(parts) - 1) + [False]
        return start["status"], b"".join(part["body"] for part in parts)


async def fresh(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with bytes that no other answer has."""
    await Response(bytes(LONG))(scope, receive, send)


async def streaming(_: Scope, __: Receive, send: Send) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for part in (b"a", bytes(LONG), b"b"):
            yield part
    await StreamingResponse(parts()).stream_response(send)


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 2 * PIECE, LONG])
def test_all_of_an_answer_comes_in_pieces(size):
    body = bytes(byte % 251 for byte in range(size))

    async def asked() -> None:
        client = Client(Outgoing(Response(body)))
        assert await client.takes_all() == (200, body)
        assert max(len(message.get("body", b"")) for message in client.sent) <= PIECE
    asyncio.run(asked())


def test_one_piece_is_handed_over_after_the_other_was_taken():
    async def asked() -> None:
        outgoing = Outgoing(Response(bytes(LONG)))
        client = Client(outgoing)
        await client.takes(2)
        assert [len(message.get("body", b"")) for message in client.sent] == [0, PIECE]
        assert outgoing.held == LONG
        assert await client.takes_all() == (200, bytes(LONG))
        assert outgoing.held == 0
    asyncio.run(asked())


def test_what_is_too_much_is_told_to_come_again_and_room_is_given_back():
    async def asked() -> None:
        outgoing = Outgoing(fresh, 2 * LONG)
        slow = [Client(outgoing, uid) for uid in (1, 2)]
        for one in slow:
            await one.takes(1)
        status, body = await Client(outgoing, 3).takes_all()
        assert (status, json.loads(body)["type"]) == (503, "urn:mapsd:problem:busy")
        slow[0].task.cancel()
        with suppress(asyncio.CancelledError):
            await slow[0].task
        assert outgoing.held == LONG
        assert (await Client(outgoing, 3).takes_all())[0] == 200
        assert (await slow[1].takes_all())[0] == 200
        assert outgoing.held == 0
    asyncio.run(asked())


def test_one_user_has_half_of_it():
    async def asked() -> None:
        outgoing = Outgoing(fresh, 5 * LONG)
        slow = [Client(outgoing, 1) for _ in range(2)]
        for one in slow:
            await one.takes(1)
        assert (await Client(outgoing, 1).takes_all())[0] == 503
        assert (await Client(outgoing, 2).takes_all())[0] == 200
        for one in slow:
            assert (await one.takes_all())[0] == 200
    asyncio.run(asked())


def test_who_share_an_answer_hold_it_once():
    async def asked() -> None:
        shared = bytes(LONG)
        outgoing = Outgoing(Response(shared), LONG)
        slow = [Client(outgoing) for _ in range(9)]
        for one in slow:
            await one.takes(1)
            assert outgoing.held == LONG
        for one in slow:
            assert outgoing.held == LONG
            assert await one.takes_all() == (200, shared)
        assert outgoing.held == 0
    asyncio.run(asked())


def test_one_that_is_longer_than_all_is_sent_where_no_other_waits():
    async def asked() -> None:
        outgoing = Outgoing(Response(bytes(LONG)), 1)
        assert await Client(outgoing).takes_all() == (200, bytes(LONG))
    asyncio.run(asked())


def test_a_stream_is_sent_as_it_comes():
    async def asked() -> None:
        assert await Client(Outgoing(streaming)).takes_all() == (200, b"a" + bytes(LONG) + b"b")
    asyncio.run(asked())
