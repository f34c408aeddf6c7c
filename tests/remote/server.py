"""A daemon in a thread of this process: what mapsd's own views make of fresh lookups, or what a test puts there."""

import base64
import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import mapsd
from mapsd.errors import AccessDenied, MapsdError, ProcessGone
from mapsd.model import DeviceId
from mapsd.model.translated import Inside, Numbered, OnHost, Wanted
from mapsd.views import containers, doctor, openfiles, overlayjson, render, selection
from mapsd.views.explanation import is_meant
from mapsd.views.explanation.object import as_object
from mapsd.views.translationjson import translation_object

JSON, NDJSON, PROBLEM = "application/json", "application/x-ndjson", "application/problem+json"
Query = dict[str, list[str]]


class Said(NamedTuple):
    """A reply."""

    body: bytes
    status: int = 200
    kind: str = JSON
    more: tuple[tuple[str, str], ...] = ()


def problem(kind: str, status: int, detail: str = "why", more: tuple[tuple[str, str], ...] = (), **members) -> Said:
    """Return a reply as a daemon says it."""
    body = {"type": f"urn:mapsd:problem:{kind}", "title": "x", "status": status, "detail": detail, **members}
    return Said(json.dumps(body).encode(), status, PROBLEM, more)


def live(path: str, query: Query) -> Said:
    """Return what a daemon answers that shows everything."""
    try:
        return _answered(path.split("/")[2:], query)
    except ProcessGone as error:
        return problem("gone" if error.seen else "absent", 410 if error.seen else 404, str(error))
    except AccessDenied as error:
        return problem("not-readable", 403, str(error), needs=[error.needs])
    except MapsdError as error:
        return problem("invalid", 400, str(error))


def _answered(words: list[str], query: Query) -> Said:
    one = {name: values[0] for name, values in query.items()}
    thread = int(one["thread"]) if "thread" in one else None
    with mapsd.Session(one.get("proof", "auto")) as session:
        match words:
            case ["kernel"]:
                return _json(doctor.as_json(mapsd.doctor()))
            case ["processes"]:
                return Said(b"".join(b'{"pid": %d}\n' % pid for pid in session.pids()), kind=NDJSON)
            case ["containers"]:
                return _json(containers.as_object(session.containers()))
            case ["processes", pid, "mappings"]:
                answer = session.lookup(int(pid), thread, contained="container" in one,
                                        packages="packages" in one)
                held = selection.holding([int(one, 16) for one in query.get("address", [])])
                kept = [one for one in answer.mappings if "address" not in query or held(one)]
                return _json(render.as_json(answer._replace(mappings=tuple(kept))))
            case ["processes", pid, "explain"]:
                answer = session.lookup(int(pid), thread)
                wanted = [*(int(word, 16) for word in query.get("address", [])),
                          *(word.encode() for word in query.get("path", [])),
                          *(base64.b64decode(word) for word in query.get("path_base64", []))]
                kept = [one for one in answer.mappings if any(is_meant(one, word) for word in wanted)]
                return _json(as_object(answer._replace(mappings=tuple(kept))))
            case ["processes", pid, "fds"]:
                return _json(openfiles.as_object(session.fds(int(pid), thread, contained="container" in one)))
            case ["processes", pid, "layers"]:
                return _json(overlayjson.layers_object(session.layers(int(pid), thread,
                                                                      contained="container" in one)))
            case ["processes", pid, "which"]:
                path = one["path"].encode() if "path" in one else base64.b64decode(one["path_base64"])
                return _json(overlayjson.which_object(session.which(int(pid), path, thread,
                                                                    contained="container" in one)))
            case ["processes", pid, "translate"]:
                return _json(translation_object(session.translate(
                    _sought(one), int(pid), thread=thread, contained="container" in one)))
            case ["translate"]:
                return _json(translation_object(session.translate(_sought(one), contained="container" in one)))
    return problem("no-route", 404)


def _sought(one: dict[str, str]) -> Wanted:
    if "device" in one:
        major, _, minor = one["device"].partition(":")
        return Numbered(DeviceId(int(major), int(minor)), int(one["inode"]))
    kind = Inside if "inside" in one or "inside_base64" in one else OnHost
    name = "inside" if kind is Inside else "path"
    return kind(one[name].encode() if name in one else base64.b64decode(one[f"{name}_base64"]))


def _json(found: dict) -> Said:
    return Said(json.dumps(found).encode())


class Daemon(NamedTuple):
    """What listens: where, what was asked, with the fields of each request, and how many connections there were."""

    where: str
    asked: list[tuple[str, dict[str, str]]]
    connections: list[object]


Answer = Callable[[str, Query], Said]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.connections.append(self)

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        parts = urlsplit(self.path)
        said = self.server.answer(parts.path, parse_qs(parts.query, keep_blank_values=True))
        self.send_response(said.status)
        for name, value in (("Content-Type", said.kind), ("Content-Length", str(len(said.body))), *said.more):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said.body)

    def address_string(self) -> str:
        return "client"

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Threads(socketserver.ThreadingMixIn):
    daemon_threads = True
    answer: Answer
    asked: list[tuple[str, dict[str, str]]]
    connections: list[object]


class _Unix(_Threads, socketserver.UnixStreamServer):
    pass


class _Tcp(_Threads, socketserver.TCPServer):
    def handle_error(self, *_: object) -> None:
        """Let a handshake fail, and a client go."""


@contextmanager
def at_socket(path: Path, answer: Answer = live) -> Iterator[Daemon]:
    """Give a daemon at a Unix socket."""
    with _running(_Unix(str(path), _Handler), answer) as told:
        yield Daemon(str(path), *told)


@contextmanager
def at_port(answer: Answer = live, context: ssl.SSLContext | None = None) -> Iterator[Daemon]:
    """Give a daemon on loopback, by TLS where there is a *context*."""
    server = _Tcp(("127.0.0.1", 0), _Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with _running(server, answer) as told:
        yield Daemon(f"{'http' if context is None else 'https'}://127.0.0.1:{server.server_address[1]}", *told)


@contextmanager
def _running(server: socketserver.BaseServer, answer: Answer) -> Iterator[tuple[list, list]]:
    server.answer, server.asked, server.connections = answer, [], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.asked, server.connections
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def saying(path: Path, *parts: bytes, stays: bool = False) -> Iterator[str]:
    """Give a Unix socket at which every client is told these bytes, and then nothing, or that it is the end."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    thread = threading.Thread(target=_say, args=(listener, parts, stays), daemon=True)
    thread.start()
    try:
        yield str(path)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _say(listener: socket.socket, parts: tuple[bytes, ...], stays: bool) -> None:
    with ExitStack() as kept:
        while True:
            try:
                client = kept.enter_context(listener.accept()[0])
            except OSError:
                return
            with suppress(OSError):  # it may have had enough
                client.recv(1 << 16)
                for part in parts:
                    client.sendall(part)
            if not stays:
                client.close()
