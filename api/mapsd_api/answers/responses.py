"""Answers as responses: one JSON object, or a line an object."""

import json
import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from mapsd.views.render import JsonObject

NDJSON = "application/x-ndjson"
_NOT = re.compile(r"q=0(\.0{0,3})?")


def as_json(found: JsonObject) -> Response:
    """Return an object as a response."""
    return Response(json.dumps(found), media_type="application/json")


def whole(body: bytes, media_type: str = "application/json") -> Response:
    """Return JSON, or lines of it, as a response."""
    return Response(body, media_type=media_type)


def unless_known(request: Request, body: bytes, as_of: str = "") -> Response:
    """Return JSON as a response, or 304 where the asker has the same already. See RFC 9110, 13.1.2.

    *as_of* is the time that the JSON has, in which alone two answers may differ and be the same.
    """
    tag = f'W/"{_digest(body, json.dumps(as_of).encode() if as_of else b"")}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    known = {word.strip().removeprefix("W/") for word in request.headers.get("if-none-match", "").split(",")}
    if known & {tag.removeprefix("W/"), "*"}:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def _digest(body: bytes, stamp: bytes) -> str:
    # No text before it can be the same: a name has 15 bytes, and a path begins with a slash.
    at, view = body.index(stamp), memoryview(body)
    found = blake2b(view[:at], digest_size=16)
    found.update(view[at + len(stamp):])
    return found.hexdigest()


def lines(found: Iterable[JsonObject]) -> Response:
    """Return objects as they come, one a line."""
    return StreamingResponse(_lines(found), media_type=NDJSON)


def _lines(found: Iterable[JsonObject]) -> Iterator[str]:
    for one in found:
        yield json.dumps(one) + "\n"


def wants_lines(request: Request) -> bool:
    """Return whether the asker names NDJSON, and JSON not before it. See RFC 9110, 12.5.1."""
    kinds = list(_accepted(request.headers.get("accept", "")))
    return NDJSON in kinds and "application/json" not in kinds[:kinds.index(NDJSON)]


def _accepted(said: str) -> Iterator[str]:
    """Yield the media types of a header, but those with a weight of zero."""
    for one in said.split(","):
        kind, *parameters = (part.strip().lower() for part in one.split(";"))
        if not any(_NOT.fullmatch(parameter) for parameter in parameters):
            yield kind
