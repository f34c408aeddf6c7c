"""The models say what the answers are: nothing of a real answer is lost, renamed or refused."""

import json
import os
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from jsonschema_rs import Draft202012Validator
from pydantic import BaseModel, ValidationError

import mapsd
from mapsd.model.layers import Which
from mapsd.remote.decode import packages
from mapsd.views import openfiles, overlayjson, render, selection
from mapsd.views.doctor import as_json as diagnosis
from mapsd.views.explanation.object import as_object as explanation
from mapsd_api import schemas
from mapsd_api.answers import forms
from mapsd_api.schemas import (
    addresses,
    containers,
    events,
    health,
    layers,
    mapping,
    package,
    parts,
    problem,
    process,
    translation,
    which,
    words,
)
from mapsd_api.schemas import explain as explanations
from mapsd_api.schemas import kernel as machine
from mapsd_api.schemas import openfiles as opened
from mapsd_api.schemas.base import Model
from tests.cli.command import child, mapped, renamed
from tests.overlay import kernel
from tests.overlay.battery import happen, lay, rootless
from tests.overlay.capabilities import LACKING, drop
from tests.overlay.child import told
from tests.overlay.conftest import lab, mapper
from tests.overlay.openers import OpenScene
from tests.overlay.scenes import Scene
from tests.overlay.test_nested import Nested
from tests.schema import SCHEMAS, breaches

__all__ = ["lab", "mapper"]
WEIRD = [b"back\\slash", b"\x1b[31mred", b"\xff\xfe", "\u4e2d\u6587 blank".encode(), b"new\nline"]
PUBLISHED = {"lookup": schemas.Mappings, "explain": schemas.Explanation, "layers": schemas.Layers,
             "fds": schemas.OpenFiles, "which": schemas.Which, "containers": schemas.Containers,
             "translate": schemas.Translation,
             "doctor": schemas.Diagnosis}
REQUESTS = {schemas.AddressesAsked}


def every_model() -> list[type[BaseModel]]:
    """Return every model that is a part of a request or an answer."""
    modules = (addresses, containers, events, explanations, health, layers, machine, mapping, opened, package, parts,
               problem, process, translation, which)
    found = {value for module in modules for value in vars(module).values()
             if isinstance(value, type) and issubclass(value, Model)}
    return sorted((one for one in found if one.model_fields and one.__name__ not in {"OfProcess", "OfEvent", "Tried"}),
                  key=lambda model: model.__name__)


@cache
def document(model: type[BaseModel]) -> dict:
    whole = model.model_json_schema(mode="serialization")
    return whole["$defs"][model.__name__] if "$ref" in whole else whole


@cache
def validator(model: type[BaseModel]) -> Draft202012Validator:
    return Draft202012Validator(model.model_json_schema(mode="serialization"))


def faithful(model: type[BaseModel], answer: dict) -> dict:
    """Return an answer that its model takes and gives back as it is, and that its JSON schema allows."""
    answer = json.loads(json.dumps(answer))
    found = model.model_validate(answer, strict=True, extra="forbid")
    assert found.model_dump(mode="json", exclude_unset=True) == answer
    assert [error.message for error in validator(model).iter_errors(answer)] == []
    return answer


@pytest.mark.parametrize("model", every_model(), ids=lambda model: model.__name__)
def test_every_model_has_a_description_and_an_example_that_is_one(model):
    shape = document(model)
    assert shape["description"]
    assert shape["examples"]
    for answer in shape["examples"]:
        faithful(model, answer)


@pytest.mark.parametrize("model", every_model(), ids=lambda model: model.__name__)
def test_every_field_is_described(model):
    undescribed = [name for name, field in document(model)["properties"].items() if not field.get("description")]
    assert undescribed == []


@pytest.mark.parametrize("model", every_model(), ids=lambda model: model.__name__)
def test_whoever_knows_less_ignores_what_was_added_to_an_answer(model):
    answer = {**document(model)["examples"][0], "added_later": 1}
    if model in REQUESTS:
        with pytest.raises(ValidationError):
            model.model_validate(answer)
        assert not validator(model).is_valid(answer)
    else:
        assert "added_later" not in model.model_validate(answer).model_dump()
        assert validator(model).is_valid(answer)


@pytest.mark.parametrize("model", every_model(), ids=lambda model: model.__name__)
def test_a_field_that_may_be_absent_is_never_null(model):
    answer = document(model)["examples"][0]
    for name in document(model)["properties"].keys() - set(document(model).get("required", ())):
        if name == "thread":
            continue  # a request's: null is what its absence means
        field = document(model)["properties"][name]
        nullable = any(one.get("type") == "null" for one in field.get("anyOf", ()))
        assert validator(model).is_valid({**answer, name: None}) == nullable
        assert "default" not in field


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_schema_allows_the_example(name):
    for answer in document(PUBLISHED[name])["examples"]:
        assert breaches(name, answer) == []


PARTS = {
    "lookup": {"process": process.Process, "container": parts.Container, "mapping": mapping.Mapping,
               "mount": parts.Mount, "layer": parts.Layer, "file": parts.LayerFile,
               "package": package.Package},
    "layers": {"process": process.Process, "kernel": parts.Kernel, "mount": parts.Mount, "overlay": layers.Overlay,
               "option": layers.MountOption, "layer": layers.OverlayLayer, "directory": layers.Directory},
    "fds": {"open_file": opened.OpenFile},
    "which": {"process": process.Process, "mount": parts.Mount, "layer": parts.Layer, "descent": which.Descent,
              "place": which.LayerPlace, "met": which.Entry, "file": parts.LayerFile, "entry": which.EntryFile},
    "containers": {"container": containers.RunningContainer, "layer": containers.ImageLayer},
    "translate": {"process": process.Process, "mount": parts.Mount, "layer": parts.Layer, "place": which.LayerPlace,
                  "file": parts.LayerFile, "entry": which.EntryFile, "hider": translation.NameHider,
                  "name": translation.FileName, "view": translation.ProcessView},
    "doctor": {"finding": machine.ProofFinding},
}
ROWS = [(name, part, model) for name, of in PARTS.items() for part, model in of.items()]


@pytest.mark.parametrize(("name", "part", "model"), [*ROWS, *((name, "", model) for name, model in PUBLISHED.items())])
def test_a_model_has_the_fields_of_the_published_schema(name, part, model):
    if name == "explain":
        return  # it names the one field that a lookup's does not have
    published = json.loads((SCHEMAS / f"{name}.json").read_text())
    shape = published["$defs"][part] if part else published
    assert set(document(model)["required"]) == set(shape["required"])
    plain = {field for field in document(model)["properties"] if not field.endswith("_base64")}
    told = {field for field in shape["properties"] if not field.endswith("_base64")}
    assert plain == told


def enumerated(shape: object) -> list[frozenset[str]]:
    """Return every closed list of words in a schema, null left out."""
    if isinstance(shape, list):
        return [found for one in shape for found in enumerated(one)]
    if not isinstance(shape, dict):
        return []
    here = [frozenset(filter(None, shape["enum"]))] if isinstance(shape.get("enum"), list) else []
    return here + [found for key, one in shape.items() if key not in {"if", "then", "else", "allOf", "examples"}
                   for found in enumerated(one)]


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name != "explain"])
def test_closed_lists_are_those_of_the_published_schema(name):
    published = json.loads((SCHEMAS / f"{name}.json").read_text())
    if name == "fds":
        published = [published, json.loads((SCHEMAS / "lookup.json").read_text())]
    known = set(enumerated(published)) | {frozenset(render.CONFIDENCE)}
    assert set(enumerated(document(PUBLISHED[name]))) <= known


def test_the_words_are_those_that_answers_are_made_of():
    assert get_args(words.State) == selection.STATES
    assert set(get_args(words.Proof)) == render.CONFIDENCE.keys()
    assert set(get_args(words.Confidence)) == set(render.CONFIDENCE.values())
    assert set(get_args(words.State)) - set(get_args(words.OpenState)) == {"copied-up"}
    assert get_args(words.PackageState) == packages.STATES
    assert get_args(words.PackageKind) == packages.KINDS
    assert set(get_args(words.OpenProof)) | {"build-id"} == set(get_args(words.Proof))


@pytest.mark.parametrize(("change", "where"), [
    ({"state": "lost"}, "state"), ({"pid": 1}, "pid"), ({"offset": -1}, "offset"), ({"start": 4096}, "start"),
    ({"user_path": "a\x1bb"}, "user_path"), ({"user_path": "a\\b"}, "user_path"), ({"needs": []}, "needs"),
    ({"user_path_base64": None}, "user_path_base64"), ({"evidence": None}, "evidence"), ({"offset": True}, "offset")])
def test_what_is_no_mapping_is_refused(change, where):
    with pytest.raises(ValidationError) as told_of:
        mapping.Mapping.model_validate({**mapping.COPIED_UP, **change}, strict=True, extra="forbid")
    assert {error["loc"][0] for error in told_of.value.errors()} == {where}


@pytest.mark.parametrize("name", sorted(mapping.COPIED_UP))
def test_a_mapping_has_every_field_unless_others_were_asked_for(name):
    lacking = {field: value for field, value in mapping.COPIED_UP.items() if field != name}
    with pytest.raises(ValidationError):
        mapping.Mapping.model_validate(lacking)
    faithful(schemas.SelectedMapping, lacking)
    faithful(schemas.SelectedMapping, {name: mapping.COPIED_UP[name]})


@pytest.mark.parametrize("body", [
    {}, {"addresses": []}, {"addresses": ["1000"]}, {"addresses": ["0x"]}, {"addresses": ["0x" + "1" * 17]},
    {"addresses": [4096]}, {"addresses": "0x1000"}, {"addresses": ["0x1000"] * 10_001}, {"addresses": ["0x1\n"]},
    {"addresses": ["0x1"], "thread": "1"}, {"addresses": ["0x1"], "thread": 0}, {"addresses": ["0x1"], "thread": True},
    {"addresses": ["0x1"], "thread": 2**31}, {"addresses": ["0x1"], "threads": 1}])
def test_what_asks_for_no_addresses_is_refused(body):
    with pytest.raises(ValidationError):
        schemas.AddressesAsked.model_validate(body)


@pytest.mark.parametrize("body", [
    {"addresses": ["0x0"]}, {"addresses": ["0xffffffffffffffff"] * 10_000}, {"addresses": ["0xAb"], "thread": None},
    {"addresses": ["0x1"], "thread": 7}])
def test_addresses_may_be_asked_for(body):
    assert schemas.AddressesAsked.model_validate(body).addresses == body["addresses"]


def test_the_diagnosis_of_this_machine_is_one():
    answer = faithful(schemas.Diagnosis, diagnosis(mapsd.doctor()))
    assert breaches("doctor", answer) == []


def lookups(pid: int, proof: str = "auto") -> list[dict]:
    """Return every form of the answer about a process's mappings."""
    answer = mapsd.lookup(pid, proof)
    return [faithful(schemas.Mappings, render.as_json(answer)), faithful(schemas.Explanation, explanation(answer)),
            faithful(schemas.MappedFiles, forms.files(answer, ())),
            *(faithful(schemas.SelectedMappings, forms.mappings(answer, [field])) for field in forms.FIELDS),
            faithful(schemas.SelectedFiles, forms.files(answer, ["user_path", "state", "start"]))]


def overlays(pid: int, *paths: str | bytes) -> list[dict]:
    found: list[Which] = [mapsd.which(pid, os.fsencode(path)) for path in ("/", "/proc/self/exe", "/none", *paths)]
    return [faithful(schemas.Layers, overlayjson.layers_object(mapsd.layers(pid))),
            *(faithful(schemas.Which, overlayjson.which_object(one)) for one in found)]


def layered(scene: Scene) -> None:
    scene.upper(scene.base / "upper")
    for name in ("lower1", "lower2"):
        scene.lower(scene.base / name)
    lay(scene, "round")


def open_files(pid: int, proof: str = "auto") -> dict:
    return faithful(schemas.OpenFiles, openfiles.as_object(mapsd.fds(pid, proof)))


def test_answers_about_names_of_any_bytes_are_answers(tmp_path):
    paths = [os.fsencode(tmp_path) + b"/" + name for name in WEIRD]
    for path in paths:
        with open(path, "wb") as file:
            file.write(b"x" * 4096)

    def body() -> list[object]:
        renamed(b"\x1b[1m\xff\\")
        return [mapped(*paths), *(open(path, "rb") for path in paths)]
    with child(body) as pid:
        whole = lookups(pid)[0]
        escaped = [one for one in whole["mappings"] if "user_path_base64" in one]
        assert len(escaped) == len(WEIRD) - 1
        assert "name_base64" in whole["process"]
        named = {one["user_path_base64"] for one in open_files(pid)["open_files"] if "user_path_base64" in one}
        assert len(named) == len(WEIRD) - 1
        assert sum("asked_path_base64" in one for one in overlays(pid, *paths)) == len(WEIRD) - 1


def test_answers_about_a_kernel_thread_and_a_zombie_are_answers():
    with child(lambda: None, stays=False) as pid:
        assert lookups(pid)[0]["mappings"] == []
        assert open_files(pid)["open_files"] == []
    if os.geteuid() == 0 and os.path.exists("/proc/2/stat"):
        lookups(2)


@pytest.mark.parametrize("options", ["", ",metacopy=on", ",redirect_dir=on"])
@pytest.mark.parametrize("container", [False, True])
def test_every_answer_about_a_container_is_one(lab, mapper, options, container):
    with Scene("schemas", lab, mapper) as scene:
        layered(scene)
        scene.mount(options)
        scene.start()
        if container:
            scene.contain()
        happen(scene, "round")
        pid, names = scene.target.pid, [claim.path for claim in scene.claims if claim.path]
        states = {one["state"] for one in lookups(pid)[0]["mappings"]}
        assert {"current", "copied-up", "replaced", "deleted", "covered", None} <= states
        overlays(pid, *names)
        for proof in ("lookup", "page-frame", "build-id", "bpf"):
            lookups(pid, proof)
        for numbers in LACKING.values():
            told(lambda numbers=numbers: drop(numbers) or lookups(pid)[0])
            told(lambda numbers=numbers: drop(numbers) or overlays(pid, *names)[0])


def test_every_answer_about_what_a_container_has_open_is_one(lab, mapper):
    with OpenScene("schemas", lab, mapper) as scene:
        layered(scene)
        scene.mount(",metacopy=on")
        scene.start()
        happen(scene, "round")
        for proof in ("auto", "lookup", "page-frame", "bpf"):
            states = {one["state"] for one in open_files(scene.target.pid, proof)["open_files"]}
            assert {"current", "replaced", "deleted", "covered", None} <= states
        for numbers in LACKING.values():
            told(lambda numbers=numbers: drop(numbers) or open_files(scene.target.pid))


def test_every_answer_about_a_nested_overlay_is_one(lab, mapper):
    with Nested("schemas", lab, mapper) as scene:
        scene.deepen(1, "tmpfs", inner_upper=True, outer_upper=True)
        scene.start()
        happen(scene, "one")
        whole = lookups(scene.target.pid)[0]
        assert any("through" in (one["backing"] or ()) for one in whole["mappings"])
        found = overlays(scene.target.pid, *(claim.path for claim in scene.claims if claim.path))
        assert any(layer["overlay"] for one in found[0]["overlays"] for layer in one["layers"])


def test_every_answer_about_a_rootless_overlay_is_one(lab, mapper):
    # An ordinary user may not reach the lab.
    with (kernel.mounted(lab, Path("/mnt"), None, kernel.MS_BIND),
          Scene("schemas", Path("/mnt"), Path("/mnt") / mapper.name) as scene):
        layered(scene)
        rootless(scene)
        happen(scene, "round")
        lookups(scene.target.pid)
        overlays(scene.target.pid, *(claim.path for claim in scene.claims if claim.path))
