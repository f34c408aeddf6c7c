"""Whatever the OpenAPI document allows, and what it does not, is answered as it says: no server error, no other form.

The questions are made by schemathesis, the same in every run. A stream of events has no end, so that it has a
test of its own.
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from functools import cache

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from mapsd_api import schemas
from tests.api.running import TOKEN, Daemon, UnixConnection, connected, daemon, port, token_file
from tests.api.test_openapi import OPERATIONS
from tests.cli.command import child

CASES = 20  # of each kind, for each operation and each kind of socket
# Nothing can be wrong with a question.
PLAIN = {"examine_kernel", "list_containers", "show_health", "show_readiness", "show_metrics"}
ASKED = [(name, mode) for name in sorted(OPERATIONS.keys() - {"stream_events"}) for mode in GenerationMode
         if mode is GenerationMode.POSITIVE or name not in PLAIN]
# Not that what is allowed is accepted: the words of a list, for one, are not in the document.
CHECKS = [not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
          checks.response_headers_conformance, checks.response_schema_conformance, checks.negative_data_rejection,
          checks.unsupported_method]


class _Connection(HTTPConnection):
    """A connection to a Unix socket, whose path is its host."""

    def _new_conn(self) -> socket.socket:
        return connected(self.host)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _Unix(HTTPAdapter):
    """Sends the requests of a session to a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._pool = _Pool(path)
        self._pool.host = path  # which would be in lower case

    def get_connection_with_tls_context(self, *_: object, **__: object) -> HTTPConnectionPool:
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Daemon]:
    directory = tmp_path_factory.mktemp("contract")
    with daemon(directory, "--listen=127.0.0.1:0", token_file(directory), f"--token-user={os.getuid()}",
                "--watch-interval=0.1") as made:
        yield made


@pytest.fixture(params=["unix", "tcp"])
def asker(served, request) -> Iterator[tuple[requests.Session, str]]:
    """Return how to ask, and where."""
    with requests.Session() as session:
        session.trust_env = False
        if request.param == "unix":
            session.mount("http://unix", _Unix(served.path))
            yield session, "http://unix"
        else:
            session.headers["Authorization"] = f"Bearer {TOKEN}"
            yield session, "http://{}:{}".format(*port(served))


@pytest.fixture(scope="module")
def operations(served) -> dict[str, APIOperation]:
    schema = schemathesis.openapi.from_dict(served.answer("/v1/openapi.json").json())
    found = (result.ok() for result in schema.get_all_operations())
    return {operation.definition.raw["operationId"]: operation for operation in found}


@cache
def addresses(served: Daemon, pid: int) -> list[str]:
    return [one["start"] for one in served.answer(f"/v1/processes/{pid}/mappings").json()["mappings"]]


@pytest.mark.parametrize(("name", "mode"), ASKED)
def test_what_is_asked_is_answered_as_documented(served, operations, asker, name, mode):
    session, address = asker
    statuses = set()
    with child(lambda: None) as pid:
        @settings(max_examples=CASES, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))
        @given(case=operations[name].as_strategy(generation_mode=mode), place=st.integers(0, 100))
        def ask(case: Case, place: int) -> None:
            if mode is GenerationMode.POSITIVE:
                _about(case, pid, addresses(served, pid)[place % len(addresses(served, pid))])
            answer = case.call(base_url=address, session=session)
            case.validate_response(answer, checks=CHECKS)
            statuses.add(answer.status_code)
        ask()
    assert (mode is GenerationMode.POSITIVE) <= (200 in statuses), statuses
    assert not statuses & {503}, "what was asked one after the other was too much"


def _about(case: Case, pid: int, address: str) -> None:
    """Let a question that is allowed be about a process that there is, whatever else is in it."""
    real = {"pid": pid, "address": address}
    for name in case.path_parameters or {}:
        case.path_parameters[name] = real[name]
    query = case.query or {}
    query.pop("thread", None)
    if case.operation.path.endswith("/translate"):
        # That one of three is needed is not in the document.
        case.query = query = {"path": str(query.get("path", ""))}
    if isinstance(query.get("path"), str):
        query["path"] = "/" + query["path"]
        query.pop("path_base64", None)
    if isinstance(case.body, dict):
        case.body.pop("thread", None)


def test_events_are_told_as_documented(served):
    with closing(UnixConnection(served.path)) as asking:
        asking.request("GET", "/v1/events")
        stream = asking.getresponse()
        assert (stream.status, stream.headers.get_content_type()) == (200, "text/event-stream")
        assert stream.readline() == b": ping\n"
        with child(lambda: None) as pid:
            name, data = next(one for one in events(stream) if one[1]["pid"] == pid)
            seen = schemas.ProcessSeen.model_validate(data, strict=True, extra="forbid")
        assert (name, seen.uid) == ("seen", os.getuid())
        name, data = next(one for one in events(stream) if one[1]["pid"] == pid)
        gone = schemas.ProcessGone.model_validate(data, strict=True, extra="forbid")
        assert (name, gone.start_time) == ("gone", seen.start_time)


def events(stream: Iterator[bytes]) -> Iterator[tuple[str, dict]]:
    """Yield name and data of the events of a stream. See the HTML standard, "Server-sent events"."""
    name, data = "", b""
    for line in stream:
        field, _, value = line.rstrip(b"\n").partition(b": ")
        if field == b"event":
            name = value.decode()
        elif field == b"data":
            data += value
        elif not field and data:
            yield name, json.loads(data)
            data = b""
