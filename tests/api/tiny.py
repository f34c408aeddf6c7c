"""A daemon with a tiny application: python -m tests.api.tiny [--listen=HOST:PORT] …

It answers GET /settings, /wait (when a file named by the query exists), /hang (never, and no cancellation ends it),
/stream (until it is drained), /leave (and leaves a thread that hangs), /big, /fail, and POST /echo.
"""

import asyncio
import json
import os
import sys
import threading
from dataclasses import asdict
from functools import partial

from mapsd.cli.serve import _leave
from mapsd.errors import MapsdError, UsageError
from mapsd_api.asker.tokens import Tokens
from mapsd_api.connection import connections
from mapsd_api.connection.connections import LimitedProtocol, Limits
from mapsd_api.life import daemon
from mapsd_api.settings.settings import Settings, read

BIG = 64 << 20


class Tiny:
    def __init__(self, settings: Settings, tokens: Tokens | None) -> None:
        self.settings, self.tokens = settings, tokens
        self.drained = asyncio.Event()

    def reload(self, settings: Settings, tokens: Tokens | None) -> None:
        if settings.group == 13:
            raise UsageError("13 is a group of nobody's")
        self.settings, self.tokens = settings, tokens

    async def __call__(self, scope: dict, receive: object, send: object) -> None:
        if scope["type"] == "lifespan":
            return await self.lifespan(receive, send)
        path, query = scope["path"], scope["query_string"].decode()
        start = {"type": "http.response.start", "status": 200, "headers": []}
        if path == "/stream":
            await send(start)
            await send({"type": "http.response.body", "body": b"begun\n", "more_body": True})
            await self.drained.wait()
            return await send({"type": "http.response.body", "body": b"ended\n"})
        if path == "/fail":
            raise ZeroDivisionError("line\nof \x1b[31mits own")
        body = await self.body(path, query, receive)
        await send(start)
        return await send({"type": "http.response.body", "body": body})

    async def body(self, path: str, query: str, receive: object) -> bytes:
        match path:
            case "/wait":
                while not os.path.exists(query):  # noqa: ASYNC110, ASYNC240  (made by another process)
                    await asyncio.sleep(0.01)
            case "/hang":
                while True:
                    try:
                        await asyncio.sleep(3600)
                    except asyncio.CancelledError:
                        continue
            case "/leave":
                threading.Thread(target=threading.Event().wait).start()
            case "/big":
                return b"." * BIG
            case "/echo":
                whole = b""
                while (message := await receive())["type"] == "http.request":
                    whole += message["body"]
                    if not message["more_body"]:
                        break
                return whole
        holds = self.tokens is not None and self.tokens.holds(query.encode())
        return json.dumps({**asdict(self.settings), "holds": holds}).encode()

    async def lifespan(self, receive: object, send: object) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        if "FAIL" in os.environ:
            raise RuntimeError("no start")
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        print("closed", flush=True)
        await send({"type": "lifespan.shutdown.complete"})


def make(settings: Settings, tokens: Tokens | None) -> daemon.Application:
    app = Tiny(settings, tokens)
    return daemon.Application(app, app.reload, app.drained.set)


def main() -> int:
    given = (word.removeprefix("--").partition("=") for word in sys.argv[1:])
    arguments = {option.replace("-", "_"): value for option, _, value in given}
    said = dict(os.environ)
    status = daemon.serve(partial(read, arguments, said, "/nonexistent"), make,
                          lambda _: {"unix": LimitedProtocol, "tcp": LimitedProtocol}, os.environ)
    _leave(status)
    return status


if __name__ == "__main__":
    if "SHORT" in os.environ:
        # Limits that a test need not wait long for.
        connections.SPARE = 1
        daemon.Limits = partial(Limits, arrives=0.3, takes=0.3)
        daemon._OVERRUN = 0.2
    try:
        sys.exit(main())
    except MapsdError as failure:
        sys.exit(str(failure))
