"""What this machine and the daemon's privileges let it establish."""

import json

from fastapi import APIRouter, Request, Response

from mapsd.errors import MapsdError
from mapsd.views.doctor import as_json as as_object
from mapsd_api import schemas
from mapsd_api.answers.problems import of_failure
from mapsd_api.answers.responses import tagged, unless_known
from mapsd_api.routes.asked import Answering, problems

router = APIRouter(tags=["daemon"])


@router.get("/kernel", operation_id="examine_kernel", response_model=schemas.Diagnosis, responses=problems())
def examine_kernel(request: Request, daemon: Answering) -> Response:
    """Say what the kernel shows, which means of proof work for the daemon, which do not, and why."""
    try:
        return unless_known(request, tagged(json.dumps(as_object(daemon.examination.found())).encode()))
    except (MapsdError, OSError) as error:
        raise of_failure(error) from error
