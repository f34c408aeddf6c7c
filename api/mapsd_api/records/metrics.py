"""What the daemon did, counted for Prometheus: never a label whose values have no end, as a file, a pid or a user."""

from collections import Counter as tally  # noqa: N813  (Prometheus has a Counter)
from collections.abc import Callable, Iterable, Iterator
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from mapsd.model import Answer
from mapsd_api.schemas.words import Proof, State

OUTCOMES = ("answered", "absent", "gone", "not-readable", "busy", "failed")
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE")
STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
OTHER = "other"
ROUTES = ("/v1/containers", "/v1/processes", "/v1/processes/{pid}", "/v1/processes/{pid}/mappings",
          "/v1/processes/{pid}/explain", "/v1/processes/{pid}/mappings/{address}/explain",
          "/v1/processes/{pid}/layers", "/v1/processes/{pid}/fds", "/v1/processes/{pid}/which",
          "/v1/processes/{pid}/translate", "/v1/processes/{pid}/addresses", "/v1/translate", "/v1/kernel", "/v1/events",
          "/v1/healthz", "/v1/readyz", "/v1/metrics", "/v1/openapi.json")
_PARTS = {route: route.split("/") for route in ROUTES}
_SECONDS = (.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10)


class Metrics:
    """Counts, in a registry of its own."""

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, version: str) -> None:
        """Begin with zero everywhere, so that every series is there from the start; *version* is the daemon's."""
        registry = self._registry = CollectorRegistry()
        self._lookups = Counter("mapsd_lookups", "Questions about a process, by outcome", ["outcome"],
                                registry=registry)
        self._seconds = Histogram("mapsd_lookup_seconds", "How long the asker of a question about a process waited",
                                  registry=registry, buckets=_SECONDS)
        self._states = Counter("mapsd_mappings_by_state", "Mappings of files in answers, by state", ["state"],
                               registry=registry)
        self._proofs = Counter("mapsd_mappings_by_proof", "Mappings of files in answers, by proof of the backing file",
                               ["proof"], registry=registry)
        self._requests = Counter("mapsd_http_requests", "Requests, by route, method and class of status",
                                 ["route", "method", "status"], registry=registry)
        self._authority = Counter("mapsd_authority_checks", "Questions to the kernel whether a peer may see a process",
                                  ["answer"], registry=registry)
        self._lost = Counter("mapsd_audit_lines_lost", "Audit lines that could not be written", registry=registry)
        self._gauges = {
            "waiting": Gauge("mapsd_lookups_waiting", "Questions that wait for a lookup", registry=registry),
            "running": Gauge("mapsd_lookups_running", "Lookups under way", registry=registry),
            "subscribers": Gauge("mapsd_event_subscribers", "Readers of the stream of events", registry=registry)}
        build = Gauge("mapsd_build_info", "Always 1: the daemon's version is in the label", ["version"],
                      registry=registry)
        build.labels(version).set(1)
        # process_start_time_seconds, process_open_fds and their like: proc_pid_stat(5), proc_pid_fd(5).
        ProcessCollector(registry=registry)
        for counter, values in ((self._lookups, OUTCOMES), (self._states, get_args(State)),
                                (self._proofs, get_args(Proof)), (self._authority, ("seen", "hidden"))):
            for value in values:
                counter.labels(value)

    def looked(self, outcome: str, seconds: float) -> None:
        """Count a question about a process that took *seconds*; an *outcome* that is none of OUTCOMES has failed."""
        self._lookups.labels(outcome if outcome in OUTCOMES else "failed").inc()
        self._seconds.observe(seconds)

    def answered(self, mappings: Iterable[Answer]) -> None:
        """Count the mappings of an answer, those of files."""
        found = tally((mapping.state, mapping.proof) for mapping in mappings)
        for (state, proof), many in found.items():
            if state is not None:
                self._states.labels(state).inc(many)
                self._proofs.labels(proof).inc(many)

    def requested(self, path: str, method: str, status: int) -> None:
        """Count a request, by the one of ROUTES that its *path* is of."""
        self._requests.labels(_route(path), method if method in METHODS else OTHER,
                              f"{status // 100}xx" if 100 <= status < 600 else OTHER).inc()

    def authority_asked(self, *, seen: int = 0, hidden: int = 0) -> None:
        """Count how often the kernel said that a peer may see a process, and how often not."""
        self._authority.labels("seen").inc(seen)
        self._authority.labels("hidden").inc(hidden)

    def audit_lines_lost(self, count: int = 1) -> None:
        """Count audit lines that could not be written."""
        self._lost.inc(count)

    def watch(self, *, waiting: Callable[[], float], running: Callable[[], float],
              subscribers: Callable[[], float]) -> None:
        """Ask how many there are now, each time the metrics are read."""
        for name, ask in (("waiting", waiting), ("running", running), ("subscribers", subscribers)):
            self._gauges[name].set_function(ask)

    def exposition(self) -> bytes:
        """Return everything in Prometheus's text format, which is of *content_type*."""
        return generate_latest(_Timeless(self._registry))


def _route(path: str) -> str:
    parts = path.split("/")
    for route, ours in _PARTS.items():
        if len(ours) == len(parts) and all(one in {part, "{pid}", "{address}"}
                                           for one, part in zip(ours, parts, strict=True)):
            return route
    return OTHER


class _Timeless(Collector):
    """A registry without the time at which each series was made, which doubles their number."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric
