"""The published OpenAPI document: it is the application's, and says of every route what one needs to call it."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from jsonschema_rs import meta

from generators import openapi
from mapsd_api.answers import problems
from mapsd_api.app import create_app
from mapsd_api.records.metrics import ROUTES

CHECKOUT = Path(__file__).resolve().parents[2]
PUBLISHED = CHECKOUT / "api/openapi.json"
OPERATIONS = {
    "list_processes": "get /v1/processes",
    "list_containers": "get /v1/containers",
    "show_process": "get /v1/processes/{pid}",
    "list_mappings": "get /v1/processes/{pid}/mappings",
    "explain_mapping": "get /v1/processes/{pid}/mappings/{address}/explain",
    "explain_mappings": "get /v1/processes/{pid}/explain",
    "list_layers": "get /v1/processes/{pid}/layers",
    "list_open_files": "get /v1/processes/{pid}/fds",
    "which_file": "get /v1/processes/{pid}/which",
    "translate_in_process": "get /v1/processes/{pid}/translate",
    "translate_everywhere": "get /v1/translate",
    "locate_addresses": "post /v1/processes/{pid}/addresses",
    "examine_kernel": "get /v1/kernel",
    "stream_events": "get /v1/events",
    "show_health": "get /v1/healthz",
    "show_readiness": "get /v1/readyz",
    "show_metrics": "get /v1/metrics",
}
OF_PROCESS = {operation for operation, where in OPERATIONS.items() if "{pid}" in where}
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


@cache
def document() -> dict:
    return json.loads(openapi.made())


def operations() -> Iterator[tuple[str, dict]]:
    """Yield where each operation is, and what is said of it."""
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def named(name: str) -> dict:
    return next(operation for _, operation in operations() if operation["operationId"] == name)


def resolved(shape: dict) -> dict:
    """Return a schema, or the component that it refers to."""
    return document()["components"]["schemas"][shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape


def parts(shape: object) -> Iterator[dict]:
    """Yield every object of a JSON document."""
    if isinstance(shape, dict):
        yield shape
        shape = list(shape.values())
    if isinstance(shape, list):
        for one in shape:
            yield from parts(one)


def models(shape: dict) -> list[dict]:
    """Return the models of which an answer is one."""
    return [resolved(one) for one in shape.get("anyOf", [shape])]


def test_the_published_document_is_the_applications():
    assert PUBLISHED.read_text(encoding="utf-8") == openapi.made(), "run bin/build-openapi"


def test_the_script_makes_it(tmp_path):
    subprocess.run([CHECKOUT / "bin/build-openapi", tmp_path / "made.json"], check=True)
    assert (tmp_path / "made.json").read_text(encoding="utf-8") == openapi.made()


def test_the_daemon_serves_it():
    sent: list[dict] = []

    async def receive() -> dict:
        return {"type": "http.request"}

    async def send(message: dict) -> None:
        sent.append(message)
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
             "path": "/v1/openapi.json", "raw_path": b"/v1/openapi.json", "query_string": b"", "headers": [],
             "root_path": "", "server": None, "client": None}
    asyncio.run(create_app(None)(scope, receive, send))
    assert sent[0]["status"] == 200
    assert json.loads(b"".join(message.get("body", b"") for message in sent[1:])) == document()


def test_operations_have_the_ids_that_clients_are_made_of():
    assert {operation["operationId"]: where for where, operation in operations()} == OPERATIONS


def test_the_metrics_count_every_route():
    assert set(ROUTES) == document()["paths"].keys() | {"/v1/openapi.json"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_says_what_it_does(name):
    operation = named(name)
    assert operation["summary"]
    assert operation["description"].endswith(".")
    assert len(operation["tags"]) == 1
    for parameter in operation.get("parameters", ()):
        assert parameter["description"], parameter["name"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_answer_has_a_model_with_examples(name):
    content = named(name)["responses"]["200"]["content"]
    if name == "show_metrics":
        assert content == {"text/plain": {"schema": {"type": "string"}}}
        return
    kind = "text/event-stream" if name == "stream_events" else "application/json"
    for model in models(content[kind]["schema"]):
        assert model["examples"]
        assert model["description"]


@pytest.mark.parametrize("name", ["list_processes", "list_mappings"])
def test_a_long_list_may_be_had_line_by_line(name):
    assert "application/x-ndjson" in named(name)["responses"]["200"]["content"]


def test_a_body_has_a_model_with_examples():
    bodies = {operation["operationId"]: operation["requestBody"] for _, operation in operations()
              if "requestBody" in operation}
    assert bodies.keys() == {"locate_addresses"}
    [model] = models(bodies["locate_addresses"]["content"]["application/json"]["schema"])
    assert model["examples"]
    assert model["additionalProperties"] is False


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - {"show_health"}))
def test_every_problem_of_an_operation_is_a_problem(name):
    failures = {status: answer for status, answer in named(name)["responses"].items() if status != "200"}
    expected = {"400", "401", "503"} | ({"403", "404", "410", "501"} if name in OF_PROCESS else set())
    assert expected <= failures.keys()
    assert failures.keys() - {"304"} <= {str(kind.status) for kind in problems.KINDS.values()}
    for status, answer in failures.items():
        assert answer["description"]
        assert status == "304" or answer["content"] == PROBLEM


def test_the_problem_knows_every_status_and_every_kind():
    shape = document()["components"]["schemas"]["Problem"]
    assert set(shape["properties"]["status"]["enum"]) == {kind.status for kind in problems.KINDS.values()}
    for kind in problems.KINDS:
        found = problems.as_object(problems.Problem(kind, "so it was"))
        assert found.keys() == set(shape["required"])


def test_every_component_is_described_and_used():
    schemas = document()["components"]["schemas"]
    for name, shape in schemas.items():
        assert shape.get("description"), name
        undescribed = [field for field, one in shape.get("properties", {}).items() if not one.get("description")]
        assert (name, undescribed) == (name, [])
    used = {part["$ref"].rpartition("/")[2] for part in parts(document()) if isinstance(part.get("$ref"), str)}
    assert used == schemas.keys()


def test_every_schema_is_one():
    for shape in document()["components"]["schemas"].values():
        meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **shape})


def test_nothing_of_the_machine_that_made_it_is_in_it():
    text = PUBLISHED.read_text(encoding="utf-8")
    assert str(CHECKOUT) not in text
    assert os.uname().nodename not in text
