"""Mappings: what a process calls each file, which bytes it holds, and whether the two agree."""

import json
from collections.abc import Callable, Hashable, Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, field_validator

from mapsd.answer.located import Located, located
from mapsd.model import Answer, ProcessAnswer
from mapsd.views import explanation, selection
from mapsd.views.explanation.object import as_object
from mapsd.views.render import JsonObject, moment
from mapsd_api import schemas
from mapsd_api.answers import forms
from mapsd_api.answers.fragments import Fragments
from mapsd_api.answers.problems import Problem
from mapsd_api.answers.responses import NDJSON, Text, tagged, unless_known, wants_lines, whole
from mapsd_api.lookups.told import Told, told
from mapsd_api.lookups.worker import Worker
from mapsd_api.routes.asked import (
    LINES,
    OF_PROCESS,
    Address,
    Answering,
    Asker,
    Meant,
    OfContainer,
    OfMeans,
    OfPackages,
    Pid,
    exact_path,
)

router = APIRouter(tags=["mappings"], prefix="/processes/{pid}", responses=OF_PROCESS)


class MappingsAsked(OfMeans, OfContainer, OfPackages):
    """Which mappings are wanted, and what of them."""

    address: list[Address] = Field([], description="Only the mappings that hold one of these addresses")
    state: list[str] = Field([], description=f"Only mappings in one of these states, also parted by commas: "
                                                  f"{', '.join(selection.STATES)}")
    overlay_only: bool = Field(default=False, description="Only files on an overlay, or that may be")
    files: bool = Field(default=False, description="One entry a file, for all its mappings with the same answer")
    fields: list[str] = Field([], description=f"Only these fields of each entry, also parted by commas: "
                                                   f"{', '.join(forms.FIELDS)}")

    @field_validator("state", "fields")
    @classmethod
    def _parted(cls, words: list[str]) -> list[str]:
        return [part for word in words for part in word.split(",")]

    @field_validator("state")
    @classmethod
    def _states(cls, words: list[str]) -> list[str]:
        return _known(words, selection.STATES, "state")

    @field_validator("fields")
    @classmethod
    def _fields(cls, words: list[str]) -> list[str]:
        return _known(words, forms.FIELDS, "field")

    @property
    def of_packages(self) -> bool:
        """Return whether the answer has packages."""
        return "package" in self.fields or (self.packages and not self.fields)

    def selected(self, answer: ProcessAnswer) -> ProcessAnswer:
        """Return an answer with the mappings that are wanted."""
        wanted: list[selection.Wanted] = [selection.overlaid] if self.overlay_only else []
        if self.address:
            wanted.append(selection.holding([int(one, 16) for one in self.address]))
        if self.state:
            wanted.append(lambda mapping: mapping.state in self.state)
        if not wanted:
            return answer
        return answer._replace(mappings=tuple(one for one in answer.mappings if all(meets(one) for meets in wanted)))

    def text(self, answer: ProcessAnswer, fragments: Fragments, *, lined: bool) -> Text:
        """Return an answer in the form that is wanted: JSON, or lines of it."""
        selected = self.selected(answer)
        if selected is answer and not (self.files or self.fields or answer.packages):
            return Text(fragments.lines(answer)) if lined else fragments.whole(answer)
        found = (forms.files if self.files else forms.mappings)(selected, frozenset(self.fields))
        if lined:
            return Text("".join(f"{json.dumps(one)}\n" for one in forms.one_by_one(found)).encode())
        return tagged(json.dumps(found).encode(), moment(answer.as_of))


def _known(words: list[str], every: tuple[str, ...], what: str) -> list[str]:
    for word in words:
        if word not in every:
            raise ValueError(f"no such {what}; one of {', '.join(every)} is meant")
    return words


@router.get("/mappings", operation_id="list_mappings", responses={200: LINES},
            response_model=schemas.Mappings | schemas.MappedFiles | schemas.SelectedMappings | schemas.SelectedFiles)
def list_mappings(request: Request, pid: Pid, asked: Annotated[MappingsAsked, Query()], daemon: Answering,
                  asker: Asker) -> Response:
    """List the mappings of a process: user path, backing file, state and proof of each."""
    lined = wants_lines(request)
    found = _told(daemon, asker, "list_mappings", pid, asked,
                  lambda answer: asked.text(answer, daemon.fragments, lined=lined), lined)
    return whole(found.body, NDJSON) if lined or found.text is None else unless_known(request, found.text)


@router.get("/mappings/{address}/explain", operation_id="explain_mapping", response_model=schemas.Explanation)
def explain_mapping(pid: Pid, address: Address, asked: Meant, daemon: Answering, asker: Asker) -> Response:
    """Explain how the answer about the mapping that holds an address was reached, step by step."""
    def form(answer: ProcessAnswer) -> Text | None:
        kept = _meant(answer, [int(address, 16)])
        return Text(json.dumps(as_object(kept)).encode()) if kept.mappings else None
    found = _told(daemon, asker, "explain_mapping", pid, asked, form, int(address, 16))
    if found.text is None:
        # Said here: by now it is known that the asker may see the process.
        raise Problem("no-mapping", f"{pid}: no mapping holds {address}")
    return whole(found.body)


class ExplanationsAsked(OfMeans):
    """Which mappings are to be explained."""

    address: list[Address] = Field([], description="The mappings that hold one of these addresses")
    path: list[str] = Field([], description="The mappings of which one of these is the user path, the shown path or "
                                            "the path of the backing file")
    path_base64: list[str] = Field([], description="The same as exact bytes")


@router.get("/explain", operation_id="explain_mappings", response_model=schemas.Explanation)
def explain_mappings(pid: Pid, asked: Annotated[ExplanationsAsked, Query()], daemon: Answering,
                     asker: Asker) -> Response:
    """Explain how the answers about mappings were reached; those that nobody has are left out."""
    wanted: list[int | bytes] = [*(int(one, 16) for one in asked.address),
                                 *(exact_path(one, None) for one in asked.path),
                                 *(exact_path(None, one) for one in asked.path_base64)]
    if not wanted:
        raise Problem("invalid", "an address or a path is needed")
    found = _told(daemon, asker, "explain_mappings", pid, asked,
                  lambda answer: Text(json.dumps(as_object(_meant(answer, wanted))).encode()))
    return whole(found.body)


@router.post("/addresses", operation_id="locate_addresses", response_model=schemas.AddressesLocated)
def locate_addresses(pid: Pid, asked: schemas.AddressesAsked, daemon: Answering, asker: Asker) -> Response:
    """Locate many addresses of a process at once, all of one moment: each with its mapping and its file offset."""
    wanted = [int(one, 16) for one in asked.addresses]
    return whole(told(daemon.service, asker, "locate_addresses", pid,
                      lambda worker: worker.by("auto").lookup(pid, asked.thread, wanted),
                      lambda answer: _located(answer, wanted), asked.thread, tuple(wanted)))


def _located(answer: ProcessAnswer, wanted: list[int]) -> JsonObject:
    found = forms.mappings(answer, ())
    places = {mapping.vma.start: place for place, mapping in enumerate(answer.mappings)}
    return {**{name: found[name] for name in ("schema", "process", "kernel", "as_of")},
            "addresses": [_place(one, places) for one in located(answer.mappings, wanted)],
            "mappings": found["mappings"]}


def _place(one: Located, places: dict[int, int]) -> JsonObject:
    return {"address": f"{one.address:#x}", "mapping": None if one.mapping is None else places[one.mapping.vma.start],
            "file_offset": one.offset}


def _told(daemon: Answering, asker: Asker, operation: str, pid: int, asked: OfMeans,
          form: Callable[[ProcessAnswer], Text | None], *key: Hashable) -> Told:
    contained = isinstance(asked, MappingsAsked) and asked.container
    packages = isinstance(asked, MappingsAsked) and asked.of_packages
    reader = daemon.service.reader(asker) if packages else None

    def question(worker: Worker) -> Told:
        answer = worker.by(asked.proof).lookup(pid, asked.thread, contained=contained, packages=packages, reader=reader)
        daemon.metrics.answered(answer.mappings)
        return Told(answer.process, form(answer))
    service = daemon.slowly if packages else daemon.service
    return service.ask(asker, operation, pid, question, operation, asked.model_dump_json(), reader, *key)


def _meant(answer: ProcessAnswer, wanted: list[int | bytes]) -> ProcessAnswer:
    kept: Iterator[Answer] = (mapping for mapping in answer.mappings
                              if any(explanation.is_meant(mapping, one) for one in wanted))
    return answer._replace(mappings=tuple(kept))
