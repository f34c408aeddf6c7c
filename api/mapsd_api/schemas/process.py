"""Who a process is, and which there are."""

from typing import Literal

from pydantic import Field

from mapsd_api.schemas.base import Base64, EscapedPath, Model, Moment, Natural, Positive, Text, exact, example
from mapsd_api.schemas.words import State

NGINX = {"pid": 4242, "start_time": 1234567, "name": "nginx", "uid": 101, "exe": "/usr/sbin/nginx",
         "mount_namespace": 4026532301, "root": "/"}
LISTED = {**NGINX, "user": "nginx", "create_time": "2026-11-23T08:12:45.670Z",
          "states": {"current": 11, "copied-up": 2}}
AS_OF = "2026-11-23T10:00:00.123Z"


class Process(Model):
    """Who a process is."""

    model_config = example(NGINX)

    pid: Positive = Field(description="The process's number in the daemon's pid namespace")
    start_time: Natural = Field(description="In clock ticks since boot: with the pid it names one process for good")
    name: EscapedPath = Field(description="The kernel's name of it (comm), at most 15 bytes")
    name_base64: Base64 = exact("name")
    uid: Natural = Field(description="The user who owns it, as the daemon's user namespace counts")
    exe: EscapedPath | None = Field(description="The program's file as the kernel prints it; null where it has none")
    exe_base64: Base64 = exact("exe")
    mount_namespace: Positive | None = Field(description="The inode of its mount namespace; null: not readable")
    root: EscapedPath | None = Field(description="Its root directory as the daemon names it; null: not readable")
    root_base64: Base64 = exact("root")


class ListedProcess(Process):
    """Who a process is, with its user and, on request, how many of its mappings are in which state."""

    model_config = example(LISTED)

    user: Text | None = Field(description="The login name of uid; null where the user database has none")
    create_time: Moment = Field(description="When it was started, UTC")
    states: dict[State, Natural] | None = Field(
        description="How many mappings are in each state that there is; null where it was not asked for, or the "
                    "process could not be looked up")


class ProcessList(Model):
    """A page of the processes that the asker may see, by pid; all pages are of one moment."""

    model_config = example({"schema": "mapsd/v1", "as_of": AS_OF, "processes": [LISTED],
                            "next": "cR4hTn0PzQpU5m2lW8s9xA"})

    schema_: Literal["mapsd/v1"] = Field(alias="schema", description="The version of the contract")
    as_of: Moment = Field(description="When the answer was made, UTC")
    processes: list[ListedProcess] = Field(description="The processes of this page")
    next: Text | None = Field(description="The cursor of the next page; null: this is the last one")


class ProcessAnswer(Model):
    """One process."""

    model_config = example({"schema": "mapsd/v1", "process": LISTED})

    schema_: Literal["mapsd/v1"] = Field(alias="schema", description="The version of the contract")
    process: ListedProcess = Field(description="The process")
