"""What happens to processes: the data of the events of GET /v1/events."""

from pydantic import Field

from mapsd_api.schemas.base import Address, Base64, EscapedPath, Model, Natural, Positive, exact, example
from mapsd_api.schemas.words import State

NGINX = {"pid": 4242, "start_time": 1234567, "name": "nginx"}
CHANGED = {"pid": 4242, "start_time": 1234567, "start": "0x7f0c1c000000", "end": "0x7f0c1c026000",
           "user_path": "/usr/lib/libssl.so.3", "before": "current", "now": "copied-up"}


class OfEvent(Model):
    """Which process something happened to."""

    pid: Positive = Field(description="The process's number in the daemon's pid namespace")
    start_time: Natural = Field(description="In clock ticks since boot: with the pid it names one process for good")


class ProcessGone(OfEvent):
    """A process that exited, or is not to be seen any more (event: gone)."""

    model_config = example(NGINX)

    name: EscapedPath = Field(description="The kernel's name of it (comm), the last that was seen")
    name_base64: Base64 = exact("name")


class ProcessSeen(OfEvent):
    """A process that was not there before, or not to be seen (event: seen)."""

    model_config = example({**NGINX, "uid": 101})

    name: EscapedPath = Field(description="The kernel's name of it (comm), at most 15 bytes")
    name_base64: Base64 = exact("name")
    uid: Natural = Field(description="The user who owns it, as the daemon's user namespace counts")


class StateChanged(OfEvent):
    """A mapping of a watched process whose state is another one than before (event: state)."""

    model_config = example(CHANGED)

    start: Address = Field(description="The mapping's first address, hexadecimal")
    end: Address = Field(description="The address after its last one")
    user_path: EscapedPath | None = Field(description="What the process calls the file now, or called it last")
    user_path_base64: Base64 = exact("user_path")
    before: State = Field(description="The state when it was last looked at")
    now: State = Field(description="The state now")


class Lagged(Model):
    """Something is missing, and the stream ends: listen again, then list (event: lagged).

    The reader was too slow, or a process that it watches has come to map too many files.
    """

    model_config = example({"kept": 1048576})

    kept: Natural = Field(description="How many bytes of events at most are kept for a reader")
