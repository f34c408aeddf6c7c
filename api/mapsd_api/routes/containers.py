"""Containers: which of them run, with the processes that the asker may see."""

import json
import time

from fastapi import APIRouter, Response

from mapsd.answer.running import running
from mapsd.errors import AccessDenied, ProcessGone
from mapsd.model import ProcessFacts
from mapsd.model.containers import Housed
from mapsd.views.containers import as_object
from mapsd_api import schemas
from mapsd_api.answers.problems import Problem
from mapsd_api.answers.responses import whole
from mapsd_api.routes.asked import Answering, Asker, problems

router = APIRouter(tags=["containers"])


@router.get("/containers", operation_id="list_containers", response_model=schemas.Containers, responses=problems())
def list_containers(daemon: Answering, asker: Asker) -> Response:
    """List the containers of the processes that the asker may see, as the files of their engines tell."""
    found = running(daemon.roster.everybody(asker, "list_containers"), lambda one: _housed(daemon, asker, one),
                    time.time(), daemon.root)
    return whole(json.dumps(as_object(found)).encode())


def _housed(daemon: Answering, asker: Asker, process: ProcessFacts) -> Housed:
    try:
        return daemon.service.look(asker, process.pid, lambda worker: worker.by("auto").housed(process), "housed",
                                   process.start_time)
    except Problem as problem:
        # A listing is of those that are there: who went meanwhile, or may not be read, is counted.
        if problem.kind in {"absent", "gone"}:
            raise ProcessGone(process.pid, seen=True) from problem
        if problem.kind == "not-readable":
            raise AccessDenied(str(process.pid), "CAP_SYS_PTRACE") from problem
        raise
