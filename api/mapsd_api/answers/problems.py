"""What went wrong, as application/problem+json. See RFC 9457.

A problem's *kind* names it for programs (`urn:mapsd:problem:KIND`); one table gives status and title of each, another
the kind of each failure of the library.
"""

import errno
import json
from collections.abc import Mapping
from typing import NamedTuple

from starlette.responses import Response

from mapsd import errors

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 1  # seconds: a lookup takes some milliseconds


class Kind(NamedTuple):
    """What is the same for every problem of a kind."""

    status: int
    title: str


KINDS = {
    "absent": Kind(404, "There is no such process, or none that you may see"),
    "no-mapping": Kind(404, "No mapping of the process is meant"),
    "no-route": Kind(404, "There is no such route"),
    "method": Kind(405, "The route does not have this method"),
    "gone": Kind(410, "The process exited meanwhile"),
    "cursor-expired": Kind(410, "The listing of this cursor is no longer kept"),
    "invalid": Kind(400, "The question was not understood"),
    "unauthenticated": Kind(401, "A token is needed"),
    "forbidden": Kind(403, "You may not ask this"),
    "not-readable": Kind(403, "The daemon itself may not read this"),
    "too-large": Kind(413, "The body is larger than the daemon reads"),
    "unknown-host": Kind(421, "The daemon is not this host"),
    "internal": Kind(500, "The daemon failed"),
    "kernel-lacks": Kind(501, "The kernel has no such call"),
    "busy": Kind(503, "The daemon has too much to do"),
}
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


class Problem(Exception):
    """A question that was not answered."""

    def __init__(self, kind: str, detail: str, headers: Mapping[str, str] | None = None, **members: object) -> None:
        """Keep the kind (of KINDS), one sentence about this very case, headers and further members of the body."""
        super().__init__(detail)
        self.kind, self.detail, self.headers, self.members = kind, detail, dict(headers or {}), members


def busy(detail: str) -> Problem:
    """Return the problem of a question that may be asked again soon."""
    return Problem("busy", detail, {"Retry-After": str(RETRY_AFTER)})


def of_failure(error: errors.MapsdError | OSError) -> Problem:
    """Return what a failure of the library is to somebody who may see the process."""
    match error:
        case errors.ProcessGone(seen=True):
            return Problem("gone", str(error))
        case errors.ProcessGone():
            return Problem("absent", str(error))
        case errors.AccessDenied(needs=needs):
            return Problem("not-readable", str(error), needs=[needs])
        case errors.UsageError():
            return Problem("invalid", str(error))
        case errors.KernelLacks() | errors.MachineUnknown():
            return Problem("kernel-lacks", str(error))
        case OSError(errno=number) if number in _EXHAUSTED:
            return busy("the daemon has no descriptor or memory left for this")
        case _:
            return Problem("internal", str(error))


def as_object(problem: Problem) -> dict[str, object]:
    """Return the body of a problem."""
    kind = KINDS[problem.kind]
    return {"type": f"urn:mapsd:problem:{problem.kind}", "title": kind.title, "status": kind.status,
            "detail": problem.detail, **problem.members}


def as_response(problem: Problem) -> Response:
    """Return the response of a problem."""
    body = json.dumps(as_object(problem)).encode()
    return Response(body, KINDS[problem.kind].status, problem.headers, MEDIA_TYPE)
