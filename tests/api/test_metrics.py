"""Metrics: what is counted, and that no label's values grow with files, processes or users."""

import os
from functools import cache
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as some
from prometheus_client.parser import text_string_to_metric_families

from mapsd import lookup
from mapsd.model import Answer
from mapsd_api.records.metrics import METHODS, OTHER, OUTCOMES, ROUTES, STATUSES, Metrics
from mapsd_api.schemas.words import Proof, State

VALUES = {
    "outcome": set(OUTCOMES), "state": set(get_args(State)), "proof": set(get_args(Proof)),
    "route": {*ROUTES, OTHER}, "method": {*METHODS, OTHER}, "status": {*STATUSES, OTHER}, "answer": {"seen", "hidden"},
    "version": {"1.2.3"},
    "le": {"0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0",
           "+Inf"}}


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every sample that Prometheus would read, by name and labels."""
    return {(sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(metrics.exposition().decode()) for sample in family.samples}


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[name, frozenset(labels.items())]


@cache
def own() -> tuple[Answer, ...]:
    return lookup(os.getpid()).mappings


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3")


WORDS = some.text() | some.sampled_from([*OUTCOMES, *ROUTES, *METHODS])


@given(some.lists(some.tuples(WORDS, WORDS, WORDS, some.integers(-10, 1000))))
def test_whatever_is_counted_every_label_has_a_closed_list_of_values(asked):
    metrics = Metrics("1.2.3")
    for outcome, path, method, status in asked:
        metrics.looked(outcome, 0.002)
        metrics.requested(path, method, status)
    metrics.answered(own())
    metrics.authority_asked(seen=2, hidden=1)
    for _, labels in samples(metrics):
        for name, text in labels:
            assert text in VALUES[name]


def test_every_series_but_those_of_requests_is_there_from_the_start(metrics):
    found = samples(metrics)
    for name, label in (("mapsd_lookups_total", "outcome"), ("mapsd_mappings_by_state_total", "state"),
                        ("mapsd_mappings_by_proof_total", "proof"), ("mapsd_authority_checks_total", "answer")):
        assert {frozenset({(label, text)}) for text in VALUES[label]} == {
            labels for other, labels in found if other == name}
        assert all(number == 0 for (other, _), number in found.items() if other == name)
    assert found["mapsd_build_info", frozenset({("version", "1.2.3")})] == 1


def test_questions_are_counted_by_outcome_and_timed(metrics):
    metrics.looked("answered", 0.003)
    metrics.looked("absent", 0.03)
    metrics.looked("internal", 30)
    assert [value(metrics, "mapsd_lookups_total", outcome=outcome) for outcome in ("answered", "absent", "failed")] == [
        1, 1, 1]
    assert [value(metrics, "mapsd_lookup_seconds_bucket", le=le) for le in ("0.0025", "0.005", "0.05", "10.0", "+Inf")
            ] == [0, 1, 2, 2, 3]


def test_mappings_of_files_are_counted_by_state_and_by_proof(metrics):
    files = [mapping for mapping in own() if mapping.state is not None]
    metrics.answered(own())
    for text in VALUES["state"]:
        assert value(metrics, "mapsd_mappings_by_state_total", state=text) == sum(one.state == text for one in files)
    for text in VALUES["proof"]:
        assert value(metrics, "mapsd_mappings_by_proof_total", proof=text) == sum(one.proof == text for one in files)
    assert len(files) > 3


@pytest.mark.parametrize(("asked", "labels"), [
    (("/v1/processes/4242", "GET", 200), ("/v1/processes/{pid}", "GET", "2xx")),
    (("/v1/processes/../etc", "GET", 404), (OTHER, "GET", "4xx")), (("", "BREW", 99), (OTHER, OTHER, OTHER)),
    (("/v1/processes/", "GET", 404), ("/v1/processes/{pid}", "GET", "4xx")),
    (("/v1/processes/x/mappings/\n/explain", "GET", 400),
     ("/v1/processes/{pid}/mappings/{address}/explain", "GET", "4xx")),
    (("/v1/processes/1/maps", "GET", 404), (OTHER, "GET", "4xx")),
    (("/v1/processes", "HEAD", 599), ("/v1/processes", "HEAD", "5xx"))])
def test_requests_are_counted_by_route_method_and_class(metrics, asked, labels):
    metrics.requested(*asked)
    route, method, status = labels
    assert value(metrics, "mapsd_http_requests_total", route=route, method=method, status=status) == 1


def test_how_many_there_are_is_asked_when_the_metrics_are_read(metrics):
    now = {"waiting": 1, "running": 2, "subscribers": 3}
    metrics.watch(**{name: lambda name=name: now[name] for name in now})
    names = ("mapsd_lookups_waiting", "mapsd_lookups_running", "mapsd_event_subscribers")
    assert [value(metrics, name) for name in names] == [1, 2, 3]
    now["running"] = 0
    assert value(metrics, names[1]) == 0


def test_the_kernels_answers_and_lost_audit_lines_are_counted(metrics):
    metrics.authority_asked(seen=3)
    metrics.authority_asked(hidden=2)
    metrics.audit_lines_lost()
    metrics.audit_lines_lost(4)
    assert value(metrics, "mapsd_authority_checks_total", answer="seen") == 3
    assert value(metrics, "mapsd_authority_checks_total", answer="hidden") == 2
    assert value(metrics, "mapsd_audit_lines_lost_total") == 5


def test_the_process_tells_of_its_descriptors_and_its_start(metrics):
    before = value(metrics, "process_open_fds")
    read, write = os.pipe()
    assert value(metrics, "process_open_fds") == before + 2
    os.close(read)
    os.close(write)
    assert value(metrics, "process_open_fds") == before
    assert value(metrics, "process_start_time_seconds") > 0


def test_two_daemons_in_one_process_count_for_themselves(metrics):
    other = Metrics("1.2.3")
    metrics.looked("answered", 1)
    assert value(other, "mapsd_lookups_total", outcome="answered") == 0


def test_no_series_tells_when_another_one_was_made(metrics):
    metrics.requested("/", "GET", 200)
    assert b"_created" not in metrics.exposition()


def test_every_family_has_help_and_a_media_type_that_prometheus_reads(metrics):
    families = list(text_string_to_metric_families(metrics.exposition().decode()))
    assert all(family.documentation and family.type != "unknown" for family in families)
    assert metrics.content_type.startswith("text/plain; version=0.0.4")
