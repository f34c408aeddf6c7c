"""Overlays: their layers, what a name opens in them, and what a process has open."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from mapsd.views import openfiles, overlayjson
from mapsd_api import schemas
from mapsd_api.answers.responses import whole
from mapsd_api.lookups.told import told
from mapsd_api.routes.asked import OF_PROCESS, Answering, Asker, OfContainer, OfThread, Pid, exact_path

router = APIRouter(tags=["overlays"], prefix="/processes/{pid}", responses=OF_PROCESS)


class LayersAsked(OfThread, OfContainer):
    """What is wanted of overlays."""


@router.get("/layers", operation_id="list_layers", response_model=schemas.Layers)
def list_layers(pid: Pid, asked: Annotated[LayersAsked, Query()], daemon: Answering, asker: Asker) -> Response:
    """List the overlays that a process sees, with their options in words and their layers in the order of lookup."""
    return whole(told(daemon.service, asker, "list_layers", pid,
                      lambda worker: worker.by("auto").layers(pid, asked.thread, contained=asked.container),
                      overlayjson.layers_object, asked.thread, asked.container))


class WhichAsked(OfThread, OfContainer):
    """Which name is to be looked up."""

    path: str | None = Field(None, description="An absolute path inside the process's root")
    path_base64: str | None = Field(None, description="The same as exact bytes")


@router.get("/which", operation_id="which_file", response_model=schemas.Which)
def which_file(pid: Pid, asked: Annotated[WhichAsked, Query()], daemon: Answering, asker: Asker) -> Response:
    """Say which layer's file a path opens inside a process's root, and what it hides, also where it opens nothing."""
    path = exact_path(asked.path, asked.path_base64)
    return whole(told(daemon.service, asker, "which_file", pid,
                      lambda worker: worker.by("auto").which(pid, path, asked.thread, contained=asked.container),
                      overlayjson.which_object, path, asked.thread, asked.container))


class OpenFilesAsked(OfThread, OfContainer):
    """How open files are to be looked up."""

    proof: Literal["auto", "lookup", "page-frame", "bpf"] = Field(
        "auto", description="What may be asked beyond names; auto: the cheapest that is sufficient")


@router.get("/fds", operation_id="list_open_files", response_model=schemas.OpenFiles)
def list_open_files(pid: Pid, asked: Annotated[OpenFilesAsked, Query()], daemon: Answering, asker: Asker) -> Response:
    """List what exe, cwd, root and every file descriptor of a process open."""
    return whole(told(daemon.service, asker, "list_open_files", pid,
                      lambda worker: worker.by(asked.proof).fds(pid, asked.thread, contained=asked.container),
                      openfiles.as_object, asked.proof, asked.thread, asked.container))
