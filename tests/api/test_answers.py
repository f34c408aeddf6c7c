"""What the daemon itself sends is what its OpenAPI document says, to the last field."""

import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing

import pytest
from jsonschema_rs import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel

from mapsd_api import schemas
from mapsd_api.schemas.mapping import OfMappings
from tests.api.test_serve import Running, UnixConnection
from tests.cli.command import CHECKOUT, MAPSD, child

JSON = "application/json"
EXAMPLES = [line.removeprefix("GET ") for line in (CHECKOUT / "docs/api.md").read_text().splitlines()
            if line.startswith("GET /v1/")]
PID = os.getpid()
OF_US = f"/v1/processes/{PID}"
ANSWERS = {
    "/v1/processes?limit=2": schemas.ProcessList,
    "/v1/processes?limit=2&states=true": schemas.ProcessList,
    OF_US: schemas.ProcessAnswer,
    f"{OF_US}?states=true": schemas.ProcessAnswer,
    f"{OF_US}/mappings": schemas.Mappings,
    f"{OF_US}/mappings?state=current&proof=lookup": schemas.Mappings,
    f"{OF_US}/mappings?address=0x1000": schemas.Mappings,
    f"{OF_US}/mappings?files=true": schemas.MappedFiles,
    f"{OF_US}/mappings?packages=true": schemas.Mappings,
    f"{OF_US}/mappings?fields=package&files=true": schemas.SelectedFiles,
    f"{OF_US}/mappings?fields=state,user_path": schemas.SelectedMappings,
    f"{OF_US}/mappings?files=true&fields=backing": schemas.SelectedFiles,
    f"{OF_US}/explain?path=/proc/self/exe&address=0x1000": schemas.Explanation,
    f"{OF_US}/layers": schemas.Layers,
    f"{OF_US}/layers?container=true": schemas.Layers,
    f"{OF_US}/fds": schemas.OpenFiles,
    f"{OF_US}/which?path=/etc/passwd": schemas.Which,
    f"{OF_US}/which?path=/etc/passwd&container=true": schemas.Which,
    f"{OF_US}/which?path_base64=L25vbmUv/w==": schemas.Which,
    f"{OF_US}/translate?path=/etc/passwd": schemas.Translation,
    f"{OF_US}/translate?inside=/etc/passwd": schemas.Translation,
    f"{OF_US}/translate?device=254:0&inode=2": schemas.Translation,
    f"{OF_US}/translate?path=/etc/passwd&container=true&thread={os.getpid()}": schemas.Translation,
    "/v1/translate?path_base64=L25vbmUv/w==": schemas.Translation,
    "/v1/translate?path=/etc/passwd&container=true": schemas.Translation,
    "/v1/kernel": schemas.Diagnosis,
    "/v1/healthz": schemas.Health,
    "/v1/readyz": schemas.Readiness,
}
PROBLEMS = {
    "/v1/processes/2147483647": 404, "/v1/processes/0": 400, "/v1/processes/x/mappings": 400, "/v1/nowhere": 404,
    f"{OF_US}/mappings?state=lost": 400, f"{OF_US}/mappings?nonsense=1": 400, f"{OF_US}/which": 400,
    f"{OF_US}/which?path=relative": 400, f"{OF_US}/mappings/0x1/explain": 404, f"{OF_US}/explain": 400,
    f"{OF_US}/explain?path_base64=%00": 400, "/v1/processes?cursor=none": 410, "/v1/processes?limit=0": 400,
    f"{OF_US}/translate": 400, f"{OF_US}/translate?path=x": 400, "/v1/translate?device=1:2": 400,
    "/v1/translate?path=/&inside=/": 400,
    "/v1/translate?path=/&thread=1": 400, f"{OF_US}/addresses": 405, "/v1/events?pid=0": 400, "/": 404,
    "/v1/events?" + "&".join(f"pid={pid}" for pid in range(1, 99)): 400}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory) -> Iterator[Running]:
    path = tmp_path_factory.mktemp("answers") / "socket"
    process = subprocess.Popen([MAPSD, "serve", f"--socket={path}", "--watch-interval=0.1", "--audit=off"], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    made = Running(process, str(path))
    try:
        made.until_said("listening")
        yield made
    finally:
        made.close()


def asked(daemon: Running, target: str, method: str = "GET", body: bytes | None = None, **headers: str) -> (
        tuple[http.client.HTTPResponse, bytes]):
    with closing(UnixConnection(daemon.path)) as connection:
        connection.request(method, target, body, {name.replace("_", "-"): text for name, text in headers.items()})
        answer = connection.getresponse()
        return answer, answer.read()


def faithful(model: type[BaseModel], answer: dict) -> dict:
    """Return an answer that its model takes and gives back as it is."""
    found = model.model_validate(answer, strict=True, extra="forbid")
    assert found.model_dump(mode="json", exclude_unset=True) == answer
    return answer


def documented(target: str, method: str, status: int, kind: str) -> Draft202012Validator:
    """Return what the OpenAPI document says of an answer."""
    document = json.loads((CHECKOUT / "api/openapi.json").read_text())
    parts = target.partition("?")[0].split("/")
    [path] = [path for path in document["paths"] if len(path.split("/")) == len(parts) and all(
        one in {part, "{pid}", "{address}"} for one, part in zip(path.split("/"), parts, strict=True))][:1]
    answer = document["paths"][path][method.lower()]["responses"][str(status)]
    return Draft202012Validator({**answer["content"][kind]["schema"], "components": document["components"]})


@pytest.mark.parametrize("target", ANSWERS)
def test_an_answer_is_as_documented(daemon, target):
    answer, body = asked(daemon, target)
    assert (answer.status, answer.getheader("Content-Type")) == (200, JSON)
    found = faithful(ANSWERS[target], json.loads(body))
    assert documented(target, "GET", 200, JSON).is_valid(found)


@pytest.mark.parametrize("target", EXAMPLES)
def test_an_example_of_the_page_works(daemon, target):
    answer, body = asked(daemon, target.replace("4242", str(PID)))
    assert (answer.status, answer.getheader("Content-Type")) == (200, JSON)
    assert json.loads(body)["schema"] == "mapsd/v1"


def test_addresses_are_located_as_documented(daemon):
    _, body = asked(daemon, f"{OF_US}/mappings")
    held = [mapping["start"] for mapping in json.loads(body)["mappings"]][:3]
    request = {"addresses": [*held, "0x10"]}
    answer, body = asked(daemon, f"{OF_US}/addresses", "POST", json.dumps(request).encode(), Content_Type=JSON)
    assert answer.status == 200
    found = faithful(schemas.AddressesLocated, json.loads(body))
    assert [one["address"] for one in found["addresses"]] == request["addresses"]
    assert [one["mapping"] for one in found["addresses"]] == [0, 1, 2, None]


@pytest.mark.parametrize("target", PROBLEMS)
def test_a_problem_is_as_documented(daemon, target):
    answer, body = asked(daemon, target)
    assert (answer.status, answer.getheader("Content-Type")) == (PROBLEMS[target], "application/problem+json")
    found = faithful(schemas.Problem, json.loads(body))
    assert found["status"] == answer.status


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"\xff", b"null", b'{"addresses": []}', b'{"addresses": ["1"]}', b"[" * 10_000,
    b'{"addresses": ["0x1"], "x": 1}', b'{"addresses": ["0x1"], "thread": "1"}', b'{"addresses": NaN}'])
def test_a_body_that_is_not_understood_is_a_problem(daemon, body):
    answer, said = asked(daemon, f"{OF_US}/addresses", "POST", body, Content_Type=JSON)
    assert (answer.status, answer.getheader("Content-Type")) == (400, "application/problem+json")
    assert faithful(schemas.Problem, json.loads(said))["type"] == "urn:mapsd:problem:invalid"


def test_lines_are_as_documented(daemon):
    answer, body = asked(daemon, "/v1/processes", Accept="application/x-ndjson")
    assert answer.getheader("Content-Type").startswith("application/x-ndjson")
    pids = [faithful(schemas.ListedProcess, json.loads(line))["pid"] for line in body.splitlines()]
    assert PID in pids
    _, body = asked(daemon, f"{OF_US}/mappings", Accept="application/x-ndjson")
    head, *lines = body.splitlines()
    faithful(OfMappings, json.loads(head))
    assert [faithful(schemas.Mapping, json.loads(line))["kind"] for line in lines].count("file") > 3


def counted(daemon: Running, name: str, **labels: str) -> float:
    _, body = asked(daemon, "/v1/metrics")
    return next((sample.value for family in text_string_to_metric_families(body.decode()) for sample in family.samples
                 if sample.name == name and sample.labels == labels), 0.0)


@pytest.mark.usefixtures("root")
def test_what_is_asked_is_counted(daemon):
    request = {"route": "/v1/processes/{pid}/mappings", "method": "GET", "status": "2xx"}
    series = (("mapsd_http_requests_total", request), ("mapsd_lookups_total", {"outcome": "answered"}),
              ("mapsd_mappings_by_state_total", {"state": "current"}))
    before = [counted(daemon, name, **labels) for name, labels in series]
    asked(daemon, f"{OF_US}/mappings")
    after = [counted(daemon, name, **labels) for name, labels in series]
    assert after[:2] == [before[0] + 1, before[1] + 1]
    assert all(now > then for now, then in zip(after, before, strict=True))


def test_events_are_as_documented(daemon):
    with closing(UnixConnection(daemon.path)) as connection:
        connection.request("GET", "/v1/events")
        stream = connection.getresponse()
        assert (stream.status, stream.getheader("Content-Type")) == (200, "text/event-stream; charset=utf-8")
        assert stream.readline().startswith(b":")
        with child(lambda: None) as pid:
            assert event(stream, schemas.ProcessSeen, pid) == "seen"
        assert event(stream, schemas.ProcessGone, pid) == "gone"


def event(stream: http.client.HTTPResponse, model: type[BaseModel], pid: int) -> str:
    """Return the name of the next event of a process."""
    name = ""
    for line in iter(stream.readline, b""):
        field, _, value = line.decode().rstrip("\n").partition(": ")
        name = value if field == "event" else name
        if field == "data" and json.loads(value)["pid"] == pid:
            faithful(model, json.loads(value))
            return name
    raise AssertionError("the stream has ended")
