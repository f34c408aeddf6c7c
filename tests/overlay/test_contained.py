"""A process in a container of Docker's store: through the real daemon everything is as it is locally."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from mapsd.answer.observe import observe
from mapsd.answer.packaged import Packaging
from mapsd.answer.reading import Asking
from mapsd.linux.live import Live
from mapsd.linux.rights.reading import Reader
from mapsd_api import schemas
from tests.api.running import Daemon, daemon
from tests.cli.command import BOUND, MAPSD
from tests.conftest import missing
from tests.engines.stores import DIFFS, STEPS, docker
from tests.overlay.scenes import Scene
from tests.overlay.test_packages import LIBRARY, PLAIN, install
from tests.packages.debs import Root
from tests.schema import breaches


class Container(NamedTuple):
    """A running container, of whose libraries one was replaced after it was mapped."""

    pid: int
    served: Daemon

    def url(self, rest: str) -> str:
        return f"/v1/processes/{self.pid}/{rest}"

    def asked(self, rest: str) -> dict:
        answer = self.served.answer(self.url(rest))
        assert answer.status == 200, answer.body
        return answer.json()


@pytest.fixture(scope="module")
def web(lab: Path, mapper: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    if shutil.which("dpkg-deb") is None:
        missing("packages", "dpkg is not installed")
    with Scene("contained", lab, mapper) as scene:
        store = scene.base / "docker"
        scene.upper(Path(os.fsdecode(docker(store))))
        for number in (2, 1, 0):
            scene.lower(store / f"overlay2/cache{number}/diff")
        made = Root(scene.base / "built")
        install(made, "one", "1.0")
        install(made, "plain", "1.0")
        shutil.copytree(made.path, store / "overlay2/cache0/diff", symlinks=True, dirs_exist_ok=True)
        (store / "overlay2/cache0/diff/proc").mkdir()
        scene.mount()
        scene.start()
        scene.contain()
        for name in (LIBRARY, PLAIN):
            scene.target.map(Path("/" + name))
        made.path = scene.merged
        install(made, "one", "2.0")
        with daemon(tmp_path_factory.mktemp("contained")) as served:
            yield Container(scene.target.pid, served)


# The time, and what only the command says: a daemon says the number of no page frame.
LEFT_OUT = re.compile(rb'"as_of": "[^"]*"|'
                      rb"is (one|another|frame 0x[0-9a-f]+ in the mapping and)? ?frame( 0x[0-9a-f]+)?| +")


def run(*words: object) -> tuple[int, bytes, bytes]:
    done = subprocess.run([MAPSD, *map(str, words)], capture_output=True, timeout=BOUND, check=False)
    return done.returncode, LEFT_OUT.sub(b"", done.stdout), done.stderr


SAME = ["layers PID", "layers PID --json", f"which PID /{LIBRARY}", f"which PID /{LIBRARY} --json",
        f"which PID /{PLAIN}", f"which PID /{PLAIN} --json", "which PID /nothing --json", "lookup PID --json",
        "lookup PID -o +CONTAINER,IMAGE,DIGEST,POSITION,DIFF_ID,STEP", "lookup PID --output-all", "fds PID --json",
        f"translate PID --inside /{LIBRARY}", f"translate PID --inside /{LIBRARY} --json",
        f"translate web --inside /{PLAIN}",
        "lookup PID --packages", "lookup PID --packages --json", "lookup PID --packages --ndjson --proof lookup",
        "lookup PID -r --files -o USER_PATH,STATE,PACKAGE,PACKAGE_VERSION,PACKAGE_STATE,DISTRIBUTION,PACKAGE_REASON"]


@pytest.mark.parametrize("words", SAME)
def test_a_command_prints_the_same_through_the_daemon(web: Container, words: str):
    asked = [str(web.pid) if word == "PID" else word for word in words.split()]
    here = run(*asked)
    assert run("--socket", web.served.path, *asked) == here
    assert here[0] in {0, 1}
    assert b"app:1" in here[1] or "--json" not in words


def test_of_all_processes_the_container_of_those_that_have_a_name_is_said(web: Container):
    views = web.served.answer(f"/v1/translate?inside=/{PLAIN}&container=true").json()["views"]
    assert {view["container"]["name"] for view in views if web.pid in view["pids"]} == {"web"}
    assert all(view["container"] is None for view in views if not view["names"])
    plain = web.served.answer(f"/v1/translate?inside=/{PLAIN}").json()["views"]
    assert {view["container"] for view in plain} == {None}


FORMS = {"mappings?packages=true": schemas.Mappings, "mappings?packages=true&files=true": schemas.MappedFiles,
         "mappings?fields=user_path,state,package": schemas.SelectedMappings,
         "mappings?fields=user_path,state,package&files=true": schemas.SelectedFiles,
         "mappings?packages=true&state=current,replaced&container=true": schemas.Mappings}


def told(entries: list[dict]) -> dict[str, tuple]:
    """Return state of the mapping, state, name and version of its package, by the name of the file."""
    return {one["user_path"]: (one["state"], *(one["package"][name] for name in ("state", "name", "version")))
            for one in entries if one.get("user_path") is not None}


@pytest.mark.parametrize("rest", FORMS)
def test_packages_are_named_over_http(web: Container, rest: str):
    found = web.asked(rest)
    FORMS[rest].model_validate(found, strict=True, extra="forbid")
    if FORMS[rest] is schemas.Mappings:
        assert breaches("lookup", found) == []
    by_name = told(found.get("mappings") or found["files"])
    assert by_name[f"/{PLAIN}"] == ("current", "same", "plain", "1.0")
    assert by_name[f"/{LIBRARY}"] == ("replaced", "same", "one", "1.0")


def test_packages_come_one_a_line(web: Container):
    whole = web.asked("mappings?packages=true")
    head, *entries = web.served.answer(web.url("mappings?packages=true"), Accept="application/x-ndjson").lines()
    assert "mappings" not in head
    assert entries == whole["mappings"]


def test_for_somebody_else_layers_are_not_read_and_nothing_is_compared_that_is_not_proven(web: Container):
    live = Live()
    answer = observe(web.pid, None, Asking("auto", live))
    unproven = answer._replace(mappings=tuple(one._replace(proof="lookup") for one in answer.mappings))
    for whole, state in ((answer, "same"), (unproven, "unknown")):
        asked = Packaging(live).packaged(whole, None, lambda whole=whole: whole,
                                         reader=Reader(65534, 65534, ()))
        found = {one.user_path: one.package for one in asked.mappings}
        plain, hidden = found[f"/{PLAIN}".encode()], found[f"/{LIBRARY}".encode()]
        assert (plain.state, plain.package.name) == (state, "plain")
        assert (hidden.state, hidden.package) == ("unknown", None)
        assert "layers" in hidden.reason
    live.iterator.close()


@pytest.mark.parametrize("rest", ["mappings", "mappings?packages=false", "mappings?packages=true&fields=user_path"])
def test_who_does_not_ask_for_packages_is_told_none(web: Container, rest: str):
    assert all("package" not in one for one in web.asked(rest)["mappings"])


def test_what_has_not_changed_is_not_sent_again_with_its_packages(web: Container):
    first = web.served.answer(web.url("mappings?packages=true"))
    again = web.served.answer(web.url("mappings?packages=true"), If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    plain = web.served.answer(web.url("mappings"), If_None_Match=first.headers["ETag"])
    assert plain.status == 200


def test_layers_of_the_image_are_named_over_http(web: Container):
    found = web.asked("layers?container=true")
    schemas.Layers.model_validate(found, strict=True, extra="forbid")
    assert breaches("layers", found) == []
    assert (found["container"]["engine"], found["container"]["name"], found["container"]["image"]) == (
        "docker", "web", "app:1")
    told = [(one.get("position"), one.get("diff_id"), one.get("step")) for one in found["overlays"][0]["layers"]]
    assert told == [(None, None, None), *((place, DIFFS[place - 1], STEPS[place - 1]) for place in (3, 2, 1))]


def test_the_layer_of_the_image_that_wins_is_named_over_http(web: Container):
    found = web.asked(f"which?path=/{PLAIN}&container=true")
    schemas.Which.model_validate(found, strict=True, extra="forbid")
    assert breaches("which", found) == []
    assert found["container"]["name"] == "web"
    assert found["backing"]["layer"]["step"] == STEPS[0]
    assert found["overlays"][0]["met"][-1]["layer"]["position"] == 1


@pytest.mark.parametrize("rest", ["layers", f"which?path=/{PLAIN}"])
def test_who_does_not_ask_for_the_container_is_told_nothing_of_it(web: Container, rest: str):
    text = json.dumps(web.asked(rest))
    assert not any(word in text for word in ('"container"', '"diff_id"', '"position"', "app:1"))
