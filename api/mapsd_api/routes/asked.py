"""What the handlers of all routes share: what answers, who asks, and the words of a question."""

from base64 import b64decode
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast
from urllib.parse import unquote_to_bytes

from fastapi import Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from mapsd_api.answers.fragments import Fragments
from mapsd_api.answers.problems import KINDS, MEDIA_TYPE, Problem
from mapsd_api.answers.responses import NDJSON
from mapsd_api.asker.identity import Identity
from mapsd_api.events.watcher import Watcher
from mapsd_api.lookups.examination import Examination
from mapsd_api.lookups.listings import Listings
from mapsd_api.lookups.roster import Known, Roster
from mapsd_api.lookups.service import Service
from mapsd_api.records.metrics import Metrics

TAKEN = {"", "*/*", "application/*", "application/json"}


@dataclass(frozen=True, slots=True)
class Daemon:
    """What answers."""

    service: Service
    slowly: Service  # for what may take long: the same, but fewer at a time
    roster: Roster
    listings: Listings[Known]
    watcher: Watcher
    metrics: Metrics
    examination: Examination
    fragments: Fragments
    page_size: int
    pids: Callable[[], Sequence[int]]
    root: Callable[[int], Hashable]
    ready: Callable[[], bool]


# FastAPI gives a thread to each of these that is no coroutine.
async def _daemon(request: Request) -> Daemon:
    return cast("Daemon", request.app.state.daemon)


async def _asker(request: Request) -> Identity:
    return cast("Identity", request.state.identity)


async def legible(request: Request) -> None:
    """Refuse a query that is not UTF-8: it would be read as another one. Raises Problem (invalid)."""
    try:
        unquote_to_bytes(request.scope["query_string"]).decode()
    except ValueError as error:
        raise Problem("invalid", "the query is not UTF-8; path_base64 takes any bytes") from error


Answering = Annotated[Daemon, Depends(_daemon)]
Asker = Annotated[Identity, Depends(_asker)]
Pid = Annotated[int, Path(ge=1, lt=2**31, description="The process, as the daemon's pid namespace numbers it")]
Means = Literal["auto", "lookup", "page-frame", "build-id", "bpf"]
Address = Annotated[str, Field(pattern="^0x[0-9a-fA-F]{1,16}$", description="An address, hexadecimal")]


class OfThread(BaseModel):
    """A question about a process, or about one of its threads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    thread: int | None = Field(None, ge=1, lt=2**31, description="As this thread of the process sees it")


class OfMeans(OfThread):
    """A question that may be answered by more than names."""

    proof: Means = Field("auto", description="What may be asked beyond names; auto: the cheapest that is sufficient")


class OfContainer(BaseModel):
    """A question of which the answer may have the container."""

    container: bool = Field(default=False, description="Also the container, and which layers of its image the layers "
                                                       "are: without it neither is said")


class OfPackages(BaseModel):
    """A question of which the answer may have the package of each file."""

    packages: bool = Field(default=False, description="Also the package of each file's bytes, by the databases in the "
                                                      "container itself: without it `package` is absent")


Meant = Annotated[OfMeans, Query()]


def exact_path(text: str | None, base64: str | None) -> bytes:
    """Return a path that was given as text or as its exact bytes. Raises Problem (invalid)."""
    if (text is None) == (base64 is None):
        raise Problem("invalid", "one of path and path_base64 is needed")
    try:
        path = b64decode(base64, validate=True) if base64 is not None else (text or "").encode()
    except ValueError as error:
        raise Problem("invalid", "path_base64 is not base64") from error
    if b"\0" in path:
        # To the kernel the path would end there, and the answer be of another file.
        raise Problem("invalid", "no path has a NUL")
    return path


def problems(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """Return what a route's document says of its problems, those of every route included."""
    found: dict[int | str, dict[str, Any]] = {}
    for kind in ("invalid", "unauthenticated", "busy", *kinds):
        status, title = KINDS[kind]
        said = found.get(status, {}).get("description")
        found[status] = {"description": f"{said}; or: {title}" if said else title,
                         "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    return found


OF_PROCESS = problems("absent", "gone", "not-readable", "kernel-lacks")
LINES: dict[str, Any] = {"content": {NDJSON: {"schema": {"type": "string"}}}}
