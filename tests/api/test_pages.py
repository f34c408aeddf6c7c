"""The page of the HTTP API says what the application does: routes, questions and problems."""

import re
from typing import cast

from mapsd_api.answers.problems import KINDS
from mapsd_api.app import create_app
from mapsd_api.records.metrics import Metrics
from mapsd_api.routes.asked import Daemon
from tests.cli.command import CHECKOUT

PAGE = (CHECKOUT / "docs/api.md").read_text()
DOCUMENT = create_app(cast("Daemon", None)).openapi()
OPERATIONS = {(method.upper(), path): operation for path, methods in DOCUMENT["paths"].items()
              for method, operation in methods.items()}


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading."""
    part = PAGE[PAGE.index(f"\n## {heading}\n") + 1:]
    part = part[:part.find("\n## ")] if "\n## " in part else part
    lines = [line for line in part.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_route_is_there_with_its_operation():
    assert {(cells[0], cells[1]) for cells in rows("Routes")} == {
        (f"`{method} {path}`", f"`{operation['operationId']}`") for (method, path), operation in OPERATIONS.items()}


def test_every_question_is_there():
    asked = {one["name"] for operation in OPERATIONS.values() for one in operation.get("parameters", ())
             if one["in"] == "query"}
    told = {name for cells in rows("Questions") for name in re.findall(r"`(\w+)`", cells[0])}
    assert told == asked


def test_every_problem_is_there_with_its_status():
    assert {cells[0].strip("`"): int(cells[1]) for cells in rows("Problems")} == {
        kind: known.status for kind, known in KINDS.items()}


def test_every_metric_is_there_with_its_labels():
    text = Metrics("1").exposition().decode()
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    told = {name for cells in rows("Metrics") for name in re.findall(r"`(\w+)`", cells[0])}
    assert told == {name for name in names if not name.startswith("process_")}
    labels = {label for cells in rows("Metrics") for label in re.findall(r"`(\w+)`", cells[1])}
    assert labels == set(re.findall(r"[{,](\w+)=", text)) - {"le"} | {"route", "method", "status"}
