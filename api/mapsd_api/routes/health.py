"""The daemon itself: whether it lives, whether it answers, and what it counts."""

from fastapi import APIRouter, Response

from mapsd import __version__
from mapsd_api import schemas
from mapsd_api.answers.problems import Problem, busy
from mapsd_api.answers.responses import as_json
from mapsd_api.routes.asked import Answering, Asker, problems

router = APIRouter(tags=["daemon"])


@router.get("/healthz", operation_id="show_health", response_model=schemas.Health)
async def show_health() -> Response:
    """Say that the daemon lives."""
    return as_json({"status": "alive", "version": __version__})


@router.get("/readyz", operation_id="show_readiness", response_model=schemas.Readiness, responses=problems())
async def show_readiness(daemon: Answering) -> Response:
    """Say that the daemon answers; while it drains, or while too many wait, it says 503."""
    if not daemon.ready():
        raise busy("the daemon ends, or too many wait for an answer")
    return as_json({"status": "ready"})


@router.get("/metrics", operation_id="show_metrics", response_class=Response,
            responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems("forbidden")})
def show_metrics(daemon: Answering, asker: Asker) -> Response:
    """Return what the daemon counts, as Prometheus reads it: only for those who may see every process."""
    if not asker.everything:
        # A count of what others looked at says something of their processes.
        raise Problem("forbidden", "the metrics are for those who may see every process")
    return Response(daemon.metrics.exposition(), media_type=daemon.metrics.content_type)
