"""The application: routes, and what becomes of questions that are not answered."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response

from mapsd import __version__
from mapsd.errors import MapsdError
from mapsd.views.render import escaped
from mapsd_api import schemas
from mapsd_api.answers.outgoing import Outgoing
from mapsd_api.answers.problems import Problem, as_response, of_failure
from mapsd_api.routes import containers, events, health, kernel, mappings, overlays, processes, translation
from mapsd_api.routes.asked import Daemon, legible

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
_REF = "#/components/schemas/{model}"
_GZIP_FROM = 1024  # bytes
_ABOUT = ("Which file does each mapping of a process really hold? Every answer is asked fresh of the kernel. A process "
          "that the asker may not see is absent, in every byte.")


def create_app(daemon: Daemon, lifespan: Lifespan | None = None) -> FastAPI:
    """Return the application that *daemon* answers for; who asks is in the state of each request."""
    app = _Service(title="mapsd", version=__version__, description=_ABOUT, docs_url=None, redoc_url=None,
                   openapi_url="/v1/openapi.json", redirect_slashes=False, lifespan=lifespan)
    app.state.daemon = daemon
    routes = APIRouter(prefix="/v1", dependencies=[Depends(legible)])
    for module in (processes, containers, mappings, overlays, translation, kernel, events, health):
        routes.include_router(module.router)
    app.include_router(routes)
    app.add_middleware(Outgoing)
    # Level 1: an answer is made for one asker, and soon old.
    app.add_middleware(GZipMiddleware, minimum_size=_GZIP_FROM, compresslevel=1)
    for failure, handler in ((Problem, _problem), (RequestValidationError, _invalid), (HTTPException, _http),
                             (MapsdError, _failure), (OSError, _failure), (Exception, _failed)):
        app.add_exception_handler(failure, handler)
    return app


class _Service(FastAPI):
    """FastAPI with an OpenAPI document of ours."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, made once: FastAPI's own, with our problems in place of its."""
        if self.openapi_schema is None:
            self.openapi_schema = _document(self)
        return self.openapi_schema


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  (Starlette's handlers are typed for every failure)
    return as_response(error)


async def _failure(_: Request, error: Exception) -> Response:
    assert isinstance(error, MapsdError | OSError)  # noqa: S101  (as above)
    return as_response(of_failure(error))


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  (as above)
    # The names of what was not understood may be the asker's, with any bytes.
    found = [{"where": _text(".".join(map(str, one["loc"]))), "what": _text(one["msg"])} for one in error.errors()]
    return as_response(Problem("invalid", f"{found[0]['where']} was not understood", errors=found))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  (as above)
    kind = {404: "no-route", 405: "method", 413: "too-large"}.get(error.status_code, "invalid")
    said = f"{request.method} {_text(request.url.path)}" if kind in {"no-route", "method"} else _text(error.detail)
    return as_response(Problem(kind, said, error.headers))


async def _failed(_: Request, __: Exception) -> Response:
    return as_response(Problem("internal", "the daemon's log says what failed"))


def _text(words: str) -> str:
    return escaped(words.encode("utf-8", "surrogatepass")) or "-"


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    for path in made["paths"].values():
        for operation in path.values():
            # FastAPI's own status for what is not understood, which here is 400.
            operation["responses"].pop("422", None)
    parts = made["components"]["schemas"]
    for own in ("HTTPValidationError", "ValidationError"):
        parts.pop(own, None)
    problem = schemas.Problem.model_json_schema(ref_template=_REF)
    parts |= problem.pop("$defs", {}) | {"Problem": problem}
    return made
