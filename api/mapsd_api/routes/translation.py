"""Translation: by which names processes open a file that was named otherwise."""

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from mapsd.model import DeviceId, ProcessFacts
from mapsd.model.translated import Inside, Numbered, OnHost, Translation, Wanted
from mapsd.views.translationjson import translation_object
from mapsd_api import schemas
from mapsd_api.answers.problems import Problem
from mapsd_api.answers.responses import as_json, whole
from mapsd_api.lookups.everywhere import everywhere
from mapsd_api.lookups.told import told
from mapsd_api.lookups.worker import Worker
from mapsd_api.routes.asked import OF_PROCESS, Answering, Asker, OfContainer, OfThread, Pid, exact_path, problems

router = APIRouter(tags=["translation"])
_LARGEST = 1 << 32  # of a part of a device number


class TranslateAsked(OfContainer):
    """Which file is meant: by a path on the host, by one inside a layer, or by device and inode."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str | None = Field(None, description="A path on the daemon's host")
    path_base64: str | None = Field(None, description="The same as exact bytes")
    inside: str | None = Field(None, description="A path inside a layer, from its directory or from one above it")
    inside_base64: str | None = Field(None, description="The same as exact bytes")
    device: str | None = Field(None, pattern="^[0-9]{1,10}:[0-9]{1,10}$", description="major:minor, in decimal")
    inode: int | None = Field(None, ge=0, lt=2**64, description="An inode number, with the device")

    def wanted(self) -> Wanted:
        """Return what is meant. Raises Problem (invalid)."""
        ways = (self.path is not None or self.path_base64 is not None,
                self.inside is not None or self.inside_base64 is not None,
                self.device is not None or self.inode is not None)
        if sum(ways) != 1:
            raise Problem("invalid", "one of path, inside, and device with inode is needed")
        if ways[0]:
            return OnHost(exact_path(self.path, self.path_base64))
        if ways[1]:
            return Inside(exact_path(self.inside, self.inside_base64))
        if self.device is None or self.inode is None:
            raise Problem("invalid", "device and inode go together")
        parts = [int(part) for part in self.device.split(":")]
        if max(parts) >= _LARGEST:
            raise Problem("invalid", "no device has such a number")
        return Numbered(DeviceId(*parts), self.inode)


class OneTranslateAsked(TranslateAsked, OfThread):
    """The same of one process, or of one of its threads."""


Meant = Annotated[TranslateAsked, Query()]


class _OfOne(NamedTuple):
    """The answer of one process."""

    process: ProcessFacts
    found: Translation


@router.get("/processes/{pid}/translate", operation_id="translate_in_process", response_model=schemas.Translation,
            responses=OF_PROCESS)
def translate_in_process(pid: Pid, asked: Annotated[OneTranslateAsked, Query()], daemon: Answering,
                         asker: Asker) -> Response:
    """Say by which names a process opens a file, and what keeps it from it."""
    wanted, walk = asked.wanted(), asker.everything

    def ask(worker: Worker) -> _OfOne:
        found = worker.by("auto").translate(wanted, pid, thread=asked.thread, walk=walk, contained=asked.container)
        return _OfOne(found.processes[0], found)
    return whole(told(daemon.service, asker, "translate_in_process", pid, ask,
                      lambda one: translation_object(one.found), wanted, walk, asked.thread, asked.container))


@router.get("/translate", operation_id="translate_everywhere", response_model=schemas.Translation, responses=problems())
def translate_everywhere(asked: Meant, daemon: Answering, asker: Asker) -> Response:
    """Say the same of all processes that the asker may see: one is asked for each mount namespace and root."""
    wanted, walk = asked.wanted(), asker.everything
    daemon.service.listed(asker, "translate_everywhere")
    return as_json(translation_object(everywhere(
        daemon.service, asker, "translate_everywhere", daemon.pids(),
        lambda worker, pids: worker.by("auto").translate(wanted, among=pids, walk=walk, contained=asked.container),
        wanted, walk, asked.container)))
