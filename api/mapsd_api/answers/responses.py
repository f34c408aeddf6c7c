"""Answers as responses: one JSON object, or a line an object."""

import json
import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple

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


class Text(NamedTuple):
    """JSON, and the tag of all of it but the time that it has: in that alone two may differ and be the same.

    The tag is empty where nobody asks whether it is the same.
    """

    body: bytes
    tag: str = ""


def tagged(body: bytes, as_of: str = "") -> Text:
    """Return JSON that has a time with its tag."""
    # No text before it can be the same: a name has 15 bytes, and a path begins with a slash.
    stamp = json.dumps(as_of).encode() if as_of else b""
    at, view = body.index(stamp), memoryview(body)
    return Text(body, tag_of(view[:at], view[at + len(stamp):]))


def tag_of(*parts: bytes | memoryview) -> str:
    """Return the tag of what the parts are together."""
    found = blake2b(digest_size=16)
    for part in parts:
        found.update(part)
    return f'W/"{found.hexdigest()}"'


def unless_known(request: Request, text: Text) -> Response:
    """Return JSON as a response, or 304 where the asker has the same already. See RFC 9110, 13.1.2."""
    headers = {"ETag": text.tag, "Cache-Control": "private, no-cache"}
    known = {word.strip().removeprefix("W/") for word in request.headers.get("if-none-match", "").split(",")}
    if known & {text.tag.removeprefix("W/"), "*"}:
        return Response(status_code=304, headers=headers)
    return Response(text.body, headers=headers, media_type="application/json")


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
