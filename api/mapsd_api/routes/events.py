"""What happens to processes, as a stream. See the HTML standard, "Server-sent events"."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from mapsd_api import schemas
from mapsd_api.answers.problems import Problem
from mapsd_api.events.subscription import Event, Subscription
from mapsd_api.routes.asked import Answering, Asker, problems

router = APIRouter(tags=["processes"])
_ABOUT = ("`seen` and `gone` are a process that comes and goes, `state` is a mapping of a watched process whose state "
          "changed, `lagged` ends the stream of a reader that was too slow.")
Happened = schemas.ProcessSeen | schemas.ProcessGone | schemas.StateChanged | schemas.Lagged


class EventsAsked(BaseModel):
    """What is to be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pid: list[Annotated[int, Field(ge=1, lt=2**31)]] = Field([], description="Also the states of these processes")


class EventStream(StreamingResponse):
    """The events of a subscription, which ends with the response, also with one that was never begun."""

    media_type = "text/event-stream"

    def __init__(self, subscription: Subscription) -> None:
        """Send what *subscription* is told."""
        super().__init__(_texts(subscription))
        self._subscription = subscription

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it until one of the two sides ends it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._subscription.close()


# FastAPI looks for the status in the constructor of the class, and this one has none.
@router.get("/events", status_code=200, operation_id="stream_events", description=_ABOUT, response_model=None,
            response_class=EventStream,
            responses={200: {"model": Happened, "description": "Events, whose data is one of these"}, **problems()})
def stream_events(asked: Annotated[EventsAsked, Query()], daemon: Answering, asker: Asker) -> EventStream:
    """Tell, as it happens, what the asker may see of the processes that come, go and change."""
    for pid in set(asked.pid):
        # One line of the audit for each that is watched, not for each time it is looked at; one may come later.
        with suppress(Problem):
            daemon.service.who(asker, "stream_events", pid)
    return EventStream(daemon.watcher.subscribe(asker, asked.pid))


async def _texts(subscription: Subscription) -> AsyncIterator[bytes]:
    # Sent at once, so that the reader knows from when on it is told.
    yield KEEPALIVE_COMMENT
    async for event in subscription.events():
        yield KEEPALIVE_COMMENT if event is None else _text(event)


def _text(event: Event) -> bytes:
    return format_sse_event(data_str=event.data, event=event.name)
