"""The container of a recorded process: what an engine's files said then is answered, by name as well."""

import json
import os
import subprocess

import pytest

from mapsd.linux.live import Live
from mapsd.model import Evidence, ProcessFacts
from mapsd.model.containers import Container, Housed, ImageLayer, ImageLayers, Unidentified
from mapsd.model.translated import OnHost
from mapsd.recorder.asked import recorded
from mapsd.recorder.session import RecordedSession
from mapsd.recording import form
from mapsd.recording.plain import Plain
from mapsd.recording.redaction import Pseudonyms
from tests.cli.command import MAPSD, child, mapped

ID, OTHER = "4f" * 32, "5e" * 32
FOUND = Container("docker", ID, "web", "nginx:1.27", "sha256:" + "ab" * 32, store=b"/var/lib/docker", driver="overlay2",
                  key="top", evidence=(Evidence("layer", "its upper layer is this container's"),))
IMAGE = ImageLayers((ImageLayer(1, "sha256:" + "cd" * 32, None, b"/var/lib/docker/overlay2/base/diff", "ADD file"),))


def house(process: ProcessFacts, _: int | None) -> Housed:
    return Housed(process, 1.0, FOUND, IMAGE)


def doubt(process: ProcessFacts, _: int | None) -> Housed:
    said = f"its root is that of the container {ID}, its control group that of {OTHER}"
    return Housed(process, 1.0, Unidentified(said))


@pytest.fixture
def target(tmp_path):
    (tmp_path / "held").write_bytes(b"." * 8192)
    with child(lambda: (mapped(tmp_path / "held"), open(os.devnull))) as pid:
        yield pid


def written(pid, path, names, told):
    live = Live()
    try:
        transcript, _ = recorded(pid, live, names, None, told)
    finally:
        live.iterator.close()
    path.write_bytes(b"".join(form.rendered(iter([(f"process {pid}", transcript.lines())]))))
    return RecordedSession(os.fsencode(path))


def printed(path, *words):
    return subprocess.run([MAPSD, *map(str, words), "--from", path], capture_output=True, check=False)


def test_lookup_fds_and_containers_say_which(target, tmp_path):
    path = tmp_path / "recording"
    session = written(target, path, Plain(), house)
    assert session.lookup(target, contained=True).container == FOUND
    assert session.fds(target, contained=True).container == FOUND
    assert session.lookup(target).container is None
    [running] = session.containers().running
    assert running == (FOUND, (target,), IMAGE)
    told = json.loads(printed(path, "lookup", target, "--json").stdout)
    assert (told["container"]["engine"], told["container"]["name"]) == ("docker", "web")
    assert b"web" in printed(path, "containers").stdout
    held = OnHost(os.fsencode(os.path.realpath(tmp_path / "held")))
    for pid in (target, None):
        [view] = session.translate(held, pid, contained=True).views
        assert (view.container, [name.what for name in view.names]) == (FOUND, ["visible"])
    assert session.translate(held).views[0].container is None
    # Nobody is asked who has no name for it.
    [view] = session.translate(OnHost(b"/not/mapped"), contained=True).views
    assert (view.container, view.names) == (None, ())
    assert b"web" in printed(path, "translate", "web", os.path.realpath(tmp_path / "held")).stdout


def test_a_container_is_named_where_a_process_is(target, tmp_path):
    path = tmp_path / "recording"
    written(target, path, Plain(), house)
    for name in ("web", ID[:8], "container:web"):
        done = printed(path, "lookup", name, "--json")
        assert done.returncode == 0, (name, done.stderr)
        told = json.loads(done.stdout)
        assert [one["process"]["pid"] for one in (told if isinstance(told, list) else [told])] == [target]
    other = printed(path, "lookup", "nosuch")
    assert (other.returncode, other.stdout) == (1, b"")


def test_whether_it_is_in_one_may_be_unknown_then_and_now(target, tmp_path):
    session = written(target, tmp_path / "doubt", Plain(), doubt)
    assert [one.what for one in session.lookup(target, contained=True).skipped] == ["container"]
    session = written(target, tmp_path / "never", Plain(), None)
    [skipped] = session.lookup(target, contained=True).skipped
    assert (skipped.what, skipped.reason) == ("container", "the recording does not have it")


def test_without_names_no_name_and_no_id_of_it_is_left(target, tmp_path):
    session = written(target, tmp_path / "recording", Pseudonyms([target]), house)
    container = session.lookup(target, contained=True).container
    assert (container.engine, container.driver, len(container.evidence)) == ("docker", "overlay2", 1)
    written(target, tmp_path / "doubt", Pseudonyms([target]), doubt)
    for text in ((tmp_path / name).read_text() for name in ("recording", "doubt")):
        for secret in (ID, OTHER, "web", "nginx", "abab", "cdcd", "ADD"):
            assert secret not in text
