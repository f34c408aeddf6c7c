"""Processes: who they are, and in which states their mappings."""

import time
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from mapsd.model import ProcessFacts
from mapsd.views.render import JsonObject, moment
from mapsd_api import schemas
from mapsd_api.answers import forms
from mapsd_api.answers.problems import Problem
from mapsd_api.answers.responses import as_json, lines, wants_lines
from mapsd_api.lookups.listings import Page
from mapsd_api.lookups.roster import Known
from mapsd_api.routes.asked import LINES, OF_PROCESS, Answering, Asker, Pid, problems

router = APIRouter(tags=["processes"])


class StatesAsked(BaseModel):
    """What is wanted of each process beside who it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    states: bool = Field(default=False, description="How many of its mappings are in each state: a lookup a process")


class ProcessesAsked(StatesAsked):
    """Which page of the listing is wanted."""

    limit: int = Field(100, ge=1, description="The most processes of a page; the daemon may give fewer")
    cursor: str | None = Field(None, max_length=100, description="The `next` of the page before")


@router.get("/processes", operation_id="list_processes", response_model=schemas.ProcessList,
            responses={200: LINES, **problems("cursor-expired")})
def list_processes(request: Request, asked: Annotated[ProcessesAsked, Query()], daemon: Answering,
                   asker: Asker) -> Response:
    """List the processes that the asker may see, by pid: pages of one listing, or as NDJSON all of them."""
    if wants_lines(request):
        return lines(_rows(daemon, asker, daemon.roster.rows(asker, daemon.roster.known(asker)), asked))
    page = _page(daemon, asker, asked)
    rows = list(_rows(daemon, asker, daemon.roster.rows(asker, page.rows), asked))
    return as_json({"schema": "mapsd/v1", "as_of": moment(time.time()), "processes": rows, "next": page.next})


@router.get("/processes/{pid}", operation_id="show_process", response_model=schemas.ProcessAnswer, responses=OF_PROCESS)
def show_process(pid: Pid, asked: Annotated[StatesAsked, Query()], daemon: Answering, asker: Asker) -> Response:
    """Say who a process is."""
    process = daemon.service.who(asker, "show_process", pid)
    return as_json({"schema": "mapsd/v1", "process": next(_rows(daemon, asker, iter([process]), asked))})


def _page(daemon: Answering, asker: Asker, asked: ProcessesAsked) -> Page[Known]:
    limit = min(asked.limit, daemon.page_size)
    if asked.cursor is not None:
        return daemon.listings.page(asker, asked.cursor, limit)
    return daemon.listings.begin(asker, daemon.roster.known(asker), limit)


def _rows(daemon: Answering, asker: Asker, processes: Iterator[ProcessFacts],
          asked: StatesAsked) -> Iterator[JsonObject]:
    for process in processes:
        yield daemon.roster.as_object(process, _states(daemon, asker, process) if asked.states else None)


def _states(daemon: Answering, asker: Asker, process: ProcessFacts) -> dict[str, int] | None:
    """Return how many mappings are in each state, None where the process cannot be looked up (any more)."""
    try:
        answer = daemon.service.ask(asker, "list_processes", process.pid,
                                    lambda worker: worker.by("auto").lookup(process.pid), "lookup", "auto", None)
    except Problem as problem:
        if problem.kind == "busy":
            raise
        return None
    return forms.states(answer) if answer.process.start_time == process.start_time else None
