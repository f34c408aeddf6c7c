"""What a daemon says when it does not answer, as a failure of ours. See RFC 9457 and docs/errors.md."""

from mapsd.errors import (
    AccessDenied,
    BadReply,
    DaemonFailed,
    MapsdError,
    NoDaemon,
    NotShown,
    ProcessGone,
    UsageError,
)
from mapsd.light import NamedTuple
from mapsd.remote.connection import Reply
from mapsd.remote.decode.fields import Fields, Malformed, loaded
from mapsd.remote.endpoint import Endpoint

MEDIA_TYPE = "application/problem+json"
FOUND = 200
_URN = "urn:mapsd:problem:"
_LONGEST = 300  # characters of a sentence of the daemon's
_NO_ROUTE = frozenset({"no-route", "method", "not-acceptable"})


class Problem(NamedTuple):
    """Why a question was not answered: its kind, one sentence, and the capabilities that the daemon lacks."""

    kind: str
    detail: str
    needs: tuple[str, ...]


class Question(NamedTuple):
    """What was asked: the route, and the process and the thread where it is about one."""

    route: str
    pid: int | None = None
    thread: int | None = None


def of(reply: Reply) -> Problem | None:
    """Return the problem that a reply is, None for an answer. Raises Malformed for what is neither."""
    if reply.status == FOUND:
        return None
    if reply.kind != MEDIA_TYPE:
        raise Malformed(f"it answers {reply.status}, {reply.kind}")
    body = Fields(loaded(reply.body))
    kind = body.text("type")
    if not kind.startswith(_URN):
        raise Malformed(f"it answers {reply.status} with a problem that is none of mapsd's")
    needs = body.texts("needs") if "needs" in body else ()
    return Problem(kind.removeprefix(_URN), body.text("detail")[:_LONGEST], needs)


def failure(problem: Problem, endpoint: Endpoint, asked: Question) -> MapsdError:
    """Return the failure that a problem is to whoever asked."""
    name, pid = endpoint.name, asked.pid
    match problem.kind:
        case "absent" if pid is not None:
            return NotShown(pid, name, thread=asked.thread)
        case "gone" if pid is not None:
            return ProcessGone(pid, seen=True)
        case "not-readable":
            return AccessDenied(f"{'' if pid is None else f'{pid}: '}the daemon at {name}",
                                " and ".join(problem.needs) or "another privilege")
        case "invalid":
            return UsageError(f"the daemon at {name} does not take this: {problem.detail}")
        case "unauthenticated":
            return NoDaemon(name, "it does not know this token" if "Authorization" in endpoint.headers else
                            "it wants a token (--token-file)")
        case "busy" | "unknown-host":
            return NoDaemon(name, problem.detail)
        case kind if kind in _NO_ROUTE:
            return BadReply(name, f"it has no {asked.route}")
        case _:
            return DaemonFailed(name, problem.detail)
