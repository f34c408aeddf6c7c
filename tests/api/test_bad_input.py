"""Bad input on every route: what comes is a problem of a documented kind, and the daemon lives on."""

import json
import os
import re
from collections.abc import Iterator

import pytest

from mapsd_api import schemas
from mapsd_api.answers.problems import KINDS
from tests.api.running import PROBLEM, Daemon, Held, connected, daemon, until
from tests.api.test_openapi import OPERATIONS

OF_PROCESS = ("", "/mappings", "/mappings/0x1000/explain", "/explain?address=0x1000", "/layers", "/fds",
              "/which?path=/", "/addresses")
PIDS = {"0": 400, "-1": 400, "2147483648": 400, "9" * 40: 400, "abc": 400, "1e3": 400, "0x1": 400, "nan": 400,
        "%00": 400, "1%00": 400, "%0a": 400, "1%0d%0aX:%20y": 400, "%ff": 400, "%c3%28": 400, "%ed%a0%80": 400,
        "%D9%A3": 400, "%F0%9F%98%80": 400, "%1b[31m": 400, "..": 400, "%2e%2e": 400, "1%2f": 404, "": 404,
        "self": 400, "thread-self": 400, "2147483647": 404, "%": 400, "%zz": 400}
OF_US = f"/v1/processes/{os.getpid()}"
TARGETS = {
    "/v1/processes": {
        "x=1": 400, "=": 400, "%ff=%00": 400, "a;b": 400, "states=maybe": 400, "states=%00": 400, "limit=0": 400,
        "limit=-1": 400, "limit=abc": 400, "limit=1e3": 400, "limit=": 400, "cursor=": 410, "cursor=%00": 410,
        "cursor=%0d%0a": 410, "cursor=a.b": 410, "cursor=x.%D9%A3": 410, "cursor=%ff": 400,
        f"cursor={'a' * 101}": 400, f"{'a' * 30_000}=1": 400, "limit=1&limit=x": 400, "limit=%EF%BC%91%00": 400},
    OF_US: {"x": 400, "states=2": 400, "limit=1": 400},
    f"{OF_US}/mappings": {
        f"address=0x{'f' * 17}": 400, "address=1": 400, "address=": 400, "address=%00": 400, "address=0x1%0a": 400,
        "address=-0x1": 400, "address=0x1&address=x": 400, "state=nope": 400, "state=": 400, "state=current,": 400,
        "state=%1b[31m": 400, "fields=": 400, "fields=start,%1b[31m": 400, "fields=%ff": 400, "overlay_only=2": 400,
        "files=maybe": 400, "packages=2": 400, "packages=": 400,
        "packages=true&fields=packages": 400,
        "thread=0": 400, "thread=-1": 400, "thread=x": 400, "thread=2147483648": 400,
        "thread=2147483647": 404, "thread=1": 404, "proof=none": 400, "proof=%ff": 400, "proof=": 400, "path=/": 400},
    f"{OF_US}/mappings/0x1/explain": {"": 404, "x=1": 400, "proof=x": 400},
    f"{OF_US}/mappings/0x10000000000000000/explain": {"": 400},
    f"{OF_US}/mappings/%00/explain": {"": 400},
    f"{OF_US}/mappings/0x1%0a/explain": {"": 400},
    f"{OF_US}/mappings/%ff/explain": {"": 400},
    f"{OF_US}/explain": {"": 400, "path_base64=!": 400, "path_base64=AAAA": 400, "path=/%00": 400, "path=%ff": 400,
                         "address=zz": 400, "thread=1": 400},
    f"{OF_US}/layers": {"x": 400, "container=2": 400, "thread=-1": 400, "proof=auto": 400, "thread=1": 404},
    f"{OF_US}/fds": {"x": 400, "container=": 400, "thread=-1": 400, "proof=build-id": 400, "thread=1": 404},
    f"{OF_US}/which": {
        "": 400, "path=": 400, "path=x": 400, "path=/%00": 400, "path=/etc%00x": 400, "path=/%ff": 400,
        "path=/%ed%a0%80": 400, "path=/%c0%af": 400, "path_base64=%%%": 400, "path_base64=L2V0Yw": 400,
        "path_base64=L2V0YwB4": 400, "path_base64=/w==": 400, "path=/&path_base64=Lw==": 400, "path=/&thread=1": 404,
        "path=/&container=%00": 400},
    f"{OF_US}/translate": {
        "": 400, "path=x": 400, "path=": 400, "path=/%00": 400, "path=%ff": 400, "path_base64=!": 400, "inside=x": 400,
        "inside=/&path=/": 400, "path=/&path_base64=Lw==": 400, "device=1:2": 400, "inode=2": 400,
        "device=fe:00&inode=2": 400, "device=1:2&inode=-1": 400, "device=1:2&inode=18446744073709551616": 400,
        "device=4294967296:0&inode=2": 400, "device=1:2&inode=2&path=/": 400, "device=%00&inode=2": 400, "x=1": 400,
        "path=/etc/passwd&thread=1": 404, "path=/&thread=0": 400, "path=/&container=maybe": 400},
    "/v1/containers": {"%ff": 400},
    "/v1/translate": {"": 400, "path=x": 400, "pid=1&path=/": 400, "inside=/%00": 400, "limit=1&path=/": 400},
    "/v1/events": {"pid=0": 400, "pid=x": 400, "pid=%00": 400, "x=1": 400,
                   "&".join(f"pid={pid}" for pid in range(1, 10)): 400},
    "/v1/kernel": {"%ff": 400}, "/v1/healthz": {"%ff": 400}, "/v1/readyz": {"%ff": 400}, "/v1/metrics": {"%ff": 400},
    "/": {"": 404}, "/v1": {"": 404}, "/v1/": {"": 404}, "/v2": {"": 404}, "//v1/processes": {"": 404},
    "/v1//processes": {"": 404}, "/v1/processes/": {"": 404}, f"{OF_US}/": {"": 404}, "/v1/processes%00": {"": 404},
    "/v1/%1b[31m": {"": 404}, "/%ff": {"": 404}, "/v1/healthz/../metrics": {"": 404}, "*": {"": 404},
    "/docs": {"": 404}, "/redoc": {"": 404}, "/openapi.json": {"": 404}, f"/{'a' * 30_000}": {"": 404}}
METHODS = ("HEAD", "OPTIONS", "TRACE", "CONNECT", "PUT", "PATCH", "DELETE", "GET", "POST", "get", "FOO", "A" * 300)
GOOD = b'{"addresses": ["0x1"]}'
BODIES = {
    "nothing": b"", "no JSON": b"x", "half of it": b"{", "null": b"null", "a list": b"[]", "a number": b"1",
    "a text": b'"a"', "nothing in it": b"{}", "no addresses": b'{"addresses": null}',
    "none of them": b'{"addresses": []}', "a number among them": b'{"addresses": ["0x1", 2]}',
    "one that is none": b'{"addresses": ["0xg"]}', "one that is too large": b'{"addresses": ["0x10000000000000000"]}',
    "not a list": b'{"addresses": "0x1"}', "something else": b'{"addresses": ["0x1"], "x": 1}',
    "a thread that is none": b'{"addresses": ["0x1"], "thread": 0}',
    "a thread that is a text": b'{"addresses": ["0x1"], "thread": "1"}',
    "a thread that is true": b'{"addresses": ["0x1"], "thread": true}',
    "infinity": b'{"addresses": ["0x1"], "thread": 1e400}', "not a number": b'{"addresses": ["0x1"], "thread": NaN}',
    "a number of many digits": b'{"addresses": ["0x1"], "thread": ' + b"9" * 5000 + b"}",
    "no UTF-8": b"\xff\xfe{}", "half a character": b'{"addresses": ["\\ud800"]}', "a NUL": b'{"\0": 1}',
    "control bytes": b'{"\\u0000\\u001b[31m\\u007f\\u0085": 1}', "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep lists without an end": b"[" * 500_000, "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "too many": json.dumps({"addresses": ["0x1"] * 10_001}).encode()}
KINDS_OF_BODY = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                 "application/xml", "\xff", "")
LENGTHS = {  # head, what is sent as a body: status
    ("Transfer-Encoding: chunked", b"zz\r\nabc"): 400,
    ("Transfer-Encoding: chunked", b"-1\r\nabc"): 400,
    ("Transfer-Encoding: chunked", (b"11170\r\n" + b"x" * 70_000 + b"\r\n") * 20 + b"0\r\n\r\n"): 413,
    ("Transfer-Encoding: gzip", GOOD): 400,
    ("Transfer-Encoding: chunked, chunked", GOOD): 400,
    ("Transfer-Encoding: chunked\r\nContent-Length: 21", GOOD): 400,
    ("Content-Length: 21\r\nContent-Length: 5", GOOD): 400,
    ("Content-Length: -1", GOOD): 400,
    ("Content-Length: +21", GOOD): 400,
    ("Content-Length: 0x15", GOOD): 400,
    ("Content-Length: 99999999999999999999999", GOOD): 400,
    ("Content-Length: 1048577", b""): 413,
    ("Content-Length: 2000000", b"x" * 2_000_000): 413}
REQUESTS = {
    "no version": b"GET /v1/healthz\r\n\r\n",
    "no Host": b"GET /v1/healthz HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /v1/healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "a blank first": b" GET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a blank in the path": b"GET /v1/health z HTTP/1.1\r\nHost: x\r\n\r\n",
    "a byte that is no ASCII": b"GET /v1/processes/\xd9\xa3 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a NUL in the path": b"GET /v1/\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a control byte in the method": b"G\x1bT /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a NUL in a header": b"GET /v1/healthz HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n",
    "a header without a colon": b"GET /v1/healthz HTTP/1.1\r\nHost: x\r\nX\r\n\r\n",
    "a header with a blank": b"GET /v1/healthz HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n",
    "a path without an end": b"GET /" + b"a" * 200_000,
    "a header without an end": b"GET /v1/healthz HTTP/1.1\r\nX: " + b"a" * 200_000,
    "headers without an end": b"GET /v1/healthz HTTP/1.1\r\n" + b"X: y\r\n" * 50_000,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "zeros": bytes(1000) + b"\r\n\r\n",
    "every byte": bytes(range(256)) + b"\r\n\r\n"}


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Daemon]:
    with daemon(tmp_path_factory.mktemp("bad")) as made:
        yield made


@pytest.fixture(autouse=True)
def lives_on(served):
    """Whatever was sent, it answers, and holds what it held before."""
    before: Held = served.held()
    yield
    assert served.answer("/v1/healthz").json()["status"] == "alive"
    served.gives_back(before)


def answers(said: bytes) -> Iterator[tuple[int, dict[str, str], bytes]]:
    """Yield status, headers and body of each answer that came, all of which is HTTP."""
    while said:
        head, _, rest = said.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers["content-length"])
        yield int(re.fullmatch(r"HTTP/1\.1 ([1-5][0-9]{2}) [A-Za-z ]+", first)[1]), headers, rest[:length]
        assert len(rest) >= length
        said = rest[length:]


def problem(said: bytes) -> tuple[int, dict[str, str], dict]:
    """Return the one problem that came."""
    [(status, headers, body)] = answers(said)
    assert headers["content-type"] == PROBLEM
    found = schemas.Problem.model_validate_json(body, strict=True, extra="forbid")
    title, kind = found.title, found.type.removeprefix("urn:mapsd:problem:")
    assert (KINDS[kind].status, KINDS[kind].title) == (status, title)
    assert kind != "internal"
    assert re.fullmatch(rb"[ -~]*", body), "a byte that no text should have"
    escaped = json.loads(body)
    assert not re.search(r"[\0-\x1f\x7f-\x9f]", json.dumps(escaped, ensure_ascii=False))
    return status, headers, escaped


def sent(served: Daemon, target: str, method: str = "GET", *headers: str) -> tuple[int, dict[str, str], dict]:
    lines = [f"{method} {target} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
    return problem(served.exchange("\r\n".join(lines).encode("latin-1")))


@pytest.mark.parametrize("pid", PIDS)
def test_what_is_no_process_is_refused(served, pid):
    for route in OF_PROCESS:
        method = "POST" if route == "/addresses" else "GET"
        status, _, _ = sent(served, f"/v1/processes/{pid}{route}", method, "Content-Type: application/json",
                            "Content-Length: 0")
        # A body that is missing is refused before anybody is looked for.
        expected = 404 if pid in {"", "1%2f"} else 400 if route == "/addresses" else PIDS[pid]
        assert (route, status) == (route, expected)


@pytest.mark.parametrize(("target", "query"), [(target, query) for target in TARGETS for query in TARGETS[target]])
def test_what_is_not_understood_is_refused(served, target, query):
    assert sent(served, f"{target}?{query}" if query else target)[0] == TARGETS[target][query]


def test_every_route_is_asked_something_bad():
    asked = {re.sub("/mappings/[^/]+/", "/mappings/{address}/", target.replace(OF_US, "/v1/processes/{pid}"))
             for target in TARGETS}
    assert {where.removeprefix("get ") for where in OPERATIONS.values() if where.startswith("get ")} <= asked


@pytest.mark.parametrize("where", sorted({where.partition(" ")[2] for where in OPERATIONS.values()}))
def test_a_route_has_no_other_methods(served, where):
    target = where.replace("{pid}", str(os.getpid())).replace("{address}", "0x1000")
    known = {said.split(" ")[0].upper() for said in OPERATIONS.values() if said.endswith(f" {where}")}
    for method in set(METHODS) - known:
        lines = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        said = served.exchange(lines.encode())
        if method == "HEAD":
            assert said.startswith(b"HTTP/1.1 405 ")
            assert said.endswith(b"\r\n\r\n")
            continue
        status, headers, _ = problem(said)
        assert (status, {*headers["allow"].split(", ")}) == (405, known)


def posted(served: Daemon, body: bytes, *headers: str, kind: str = "application/json") -> bytes:
    lines = [f"POST {OF_US}/addresses HTTP/1.1", "Host: x", "Connection: close",
             *([f"Content-Type: {kind}"] if kind else []), *(headers or [f"Content-Length: {len(body)}"]), "", ""]
    return served.exchange("\r\n".join(lines).encode("latin-1"), body)


@pytest.mark.parametrize("about", BODIES)
def test_a_body_that_is_not_understood_is_refused(served, about):
    status, _, found = problem(posted(served, BODIES[about]))
    assert (status, found["type"]) == (400, "urn:mapsd:problem:invalid")


@pytest.mark.parametrize("kind", KINDS_OF_BODY)
def test_a_body_that_is_not_said_to_be_json_is_refused(served, kind):
    assert problem(posted(served, GOOD, kind=kind))[0] == 400


@pytest.mark.parametrize(("head", "body"), LENGTHS)
def test_a_body_whose_end_is_not_understood_or_too_far_is_refused(served, head, body):
    assert problem(posted(served, body, *head.split("\r\n")))[0] == LENGTHS[head, body]


def test_a_body_may_come_in_pieces(served):
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in GOOD) + b"0\r\nTrailer: x\r\n\r\n"
    [(status, _, body)] = answers(posted(served, pieces, "Transfer-Encoding: chunked"))
    assert (status, json.loads(body)["addresses"]) == (200, [{"address": "0x1", "mapping": None, "file_offset": None}])


def test_ten_thousand_addresses_are_located(served):
    asked = [f"{0x1000 * number:#x}" for number in range(10_000)]
    [(status, _, body)] = answers(posted(served, json.dumps({"addresses": asked}).encode()))
    assert (status, [one["address"] for one in json.loads(body)["addresses"]]) == (200, asked)


@pytest.mark.parametrize("about", REQUESTS)
def test_what_is_no_request_is_refused_and_the_connection_closed(served, about):
    status, headers, _ = problem(served.exchange(REQUESTS[about]))
    assert (status, headers["connection"]) == (400, "close")


def test_requests_that_come_at_once_are_answered_in_their_order(served):
    targets = ["/v1/healthz", "/v1/processes/0", "/nowhere", f"{OF_US}/which?path=/", "/v1/readyz"]
    said = served.exchange(b"".join(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for target in targets),
                           b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert [status for status, _, _ in answers(said)] == [200, 400, 404, 200, 200, 404]


def test_what_comes_behind_a_request_and_is_none_is_refused_after_the_answer(served):
    said = served.exchange(b"GET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE\r\n\r\n")
    (status, _, _), (refused, headers, _) = answers(said)
    assert (status, refused, headers["content-type"]) == (200, 400, PROBLEM)


def test_a_page_of_another_site_is_refused(served):
    assert sent(served, "/v1/processes", "GET", "Origin: https://elsewhere.example")[0] == 403


@pytest.mark.parametrize("part", [
    b"", b"GET", b"GET /v1/healthz HTTP/1.1\r\nHost: x\r\n",
    f"POST {OF_US}/addresses HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode(),
    f"POST {OF_US}/addresses HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab".encode()])
def test_who_leaves_within_a_request_is_forgotten(served, part):
    before = served.held()
    for _ in range(20):
        with connected(served.path) as one:
            one.sendall(part)
    until(lambda: served.opened() <= before.descriptors)
