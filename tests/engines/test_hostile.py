"""Stores whose owner means harm, or whose disk failed: a clear reason for what is spoilt, and the rest is right."""

import copy
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.engines.stores import container
from mapsd.model import Absent, Refused
from mapsd.model.containers import Container, ImageLayers, Unidentified
from tests.engines import stores
from tests.engines.stores import DIFFS, IMAGE, digest
from tests.engines.test_stores import ID, asked, refused

META = "io.containerd.metadata.v1.bolt/meta.db"
ANY = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                   lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
                   max_leaves=8)


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\nb", "a\0b", "a\u202eb", "a\ud800b", "x" * 5000])
def test_a_name_that_is_not_fit_to_be_shown_is_left_out(tmp_path, name):
    good = stores.podman("c" * 64, "d" * 64, "good")
    bad = asked(stores.storage(tmp_path, [stores.podman(name=name), good]))
    assert (bad.id, bad.name, bad.image_id) == (ID, None, IMAGE)
    assert "not printable, or too long" in (bad.reason or "")
    found = asked(f"{tmp_path}/overlay/{'d' * 64}/diff".encode())
    assert (found.id, found.name, found.reason) == ("c" * 64, "good", None)
    shown = asked(stores.docker(tmp_path / "docker", name="/" + name))
    assert (shown.id, shown.name, shown.image_id) == (ID, None, IMAGE)


def test_a_step_is_one_line_of_what_can_be_shown(tmp_path):
    config = json.loads(stores.CONFIG)
    config["history"][0]["created_by"] = "a\tb\n  c\x1b[2J\ud800"
    text = json.dumps(config).encode()
    found = asked(stores.docker(tmp_path, **{f"image/overlay2/imagedb/content/sha256/{digest(text)[7:]}": text}))
    assert stores.image_layers(found._replace(image_id=digest(text))).layers[0].step == "a b c\ufffd[2J\ufffd"


def test_a_document_of_100_mb_is_not_read(tmp_path):
    directory = stores.storage(tmp_path, [stores.podman()])
    os.truncate(tmp_path / "overlay-containers/containers.json", 100 << 20)
    assert "larger than" in refused(directory)
    directory = stores.docker(tmp_path / "docker")
    os.truncate(tmp_path / f"docker/containers/{ID}/config.v2.json", 100 << 20)
    assert "larger than" in refused(directory)
    stores.docker(tmp_path / "docker", "c" * 64)
    os.truncate(tmp_path / "docker/image/overlay2/repositories.json", 100 << 20)
    stores.put(tmp_path / "docker", {f"image/overlay2/layerdb/mounts/{ID}/mount-id": "other"})
    found = asked(directory)
    assert (found.id, found.name, found.image_digest) == ("c" * 64, "web", None)
    assert "larger than" in (found.reason or "")


def test_parents_in_a_circle_have_no_end(tmp_path):
    found = asked(stores.storage(tmp_path, [stores.podman()]))
    layers = json.loads((tmp_path / "overlay-layers/layers.json").read_text())
    layers[0]["parent"] = "layer2"
    stores.put(tmp_path, {"overlay-layers/layers.json": layers})
    assert stores.image_layers(found) == ImageLayers((), "overlay-layers/layers.json: the chain of the image's layers "
                                                          "has a gap, or no end")
    found = asked(stores.docker(tmp_path / "docker"))
    base = f"docker/image/overlay2/layerdb/sha256/{DIFFS[0][7:]}/parent"
    (tmp_path / base).write_text(stores.chain()[-1])
    assert "has no end" in (stores.image_layers(found).reason or "")
    directory = stores.containerd(tmp_path / "containerd", "lab", "one", record={})
    mine, _ = stores.snapshots("lab", [*stores.chain(), "one"], ["one", *stores.chain()])
    stores.put(tmp_path / "containerd", {f"{stores.SNAPSHOTTER}/metadata.db": stores.written(
        {b"v1": {b"snapshots": mine}})})
    assert "has a gap, or no end" in refused(directory)


def test_layers_of_another_name_than_their_contents_are_refused(tmp_path):
    found = asked(stores.docker(tmp_path))
    (tmp_path / f"image/overlay2/layerdb/sha256/{stores.chain()[1][7:]}/diff").write_text(digest(b"another"))
    assert "not made of their digests" in (stores.image_layers(found).reason or "")


def test_a_configuration_that_was_altered_tells_nothing(tmp_path):
    found = asked(stores.docker(tmp_path))
    path = tmp_path / f"image/overlay2/imagedb/content/sha256/{IMAGE[7:]}"
    path.write_bytes(stores.CONFIG.replace(b"libssl3", b"libevil"))
    seen = stores.image_layers(found)
    assert [(one.diff_id, one.step) for one in seen.layers] == [(one, None) for one in DIFFS]
    assert "not what its digest says" in (seen.reason or "")


def test_a_link_out_of_the_store_leads_nowhere(tmp_path):
    outside = tmp_path / "outside"
    stores.storage(outside, [stores.podman(name="secret")])
    directory = stores.storage(tmp_path / "store", [stores.podman()])
    path = tmp_path / "store/overlay-containers"
    (path / "containers.json").unlink()
    name = "overlay-containers/containers.json"
    for text in (f"{outside}/{name}", f"../../outside/{name}"):
        (path / "containers.json").symlink_to(text)
        assert "no containers have the layer" in refused(directory)
        (path / "containers.json").unlink()
    # A link of the store's own is followed.
    stores.put(path, {"real": [stores.podman()]})
    (path / "containers.json").symlink_to("real")
    assert asked(directory).name == "web"
    (path / "containers.json").unlink()
    path.joinpath("real").unlink()
    path.rmdir()
    path.symlink_to(outside / "overlay-containers")
    assert "no containers have the layer" in refused(directory)


def test_a_link_on_the_way_to_a_store_is_not_followed(tmp_path):
    stores.storage(tmp_path / "store", [stores.podman()])
    (tmp_path / "link").symlink_to("store")
    found = container(f"{tmp_path}/link/overlay/{'b' * 64}/diff".encode(), (), opened_plainly)
    assert isinstance(found, Unidentified)


def opened_plainly(path: bytes):
    from mapsd.linux.beside import LiveBeside  # noqa: PLC0415  (what the command line asks through)
    from mapsd.model import HERE  # noqa: PLC0415
    beside = LiveBeside(HERE)
    try:
        tree = beside.tree(path)
        return tree if isinstance(tree, Absent | Refused) else Refused("it was opened")
    finally:
        beside.close()


def test_what_is_no_regular_file_is_not_waited_for(tmp_path):
    directory = stores.docker(tmp_path)
    path = tmp_path / f"containers/{ID}/config.v2.json"
    path.unlink()
    os.mkfifo(path)
    assert "no regular file" in refused(directory)
    path.unlink()
    path.mkdir()
    assert "no regular file" in refused(directory)
    path.rmdir()
    path.symlink_to("/dev/zero")
    assert "no such file" in refused(directory)


OTHER_FORMS = [b"", b"{", b"[" * 100_000, b"nul", b"\xff\xfe", b'{"a":1}', b"[1, [2]]", b"[[]]", b"[null]",
               b"[" + b"9" * 5000 + b"]", b'[{"id": 5, "layer": ["x"], "names": {"a": 1}}]']


@pytest.mark.parametrize("text", OTHER_FORMS)
def test_a_document_of_another_form_is_refused(tmp_path, text):
    directory = stores.storage(tmp_path, [stores.podman()])
    stores.put(tmp_path, {"overlay-containers/containers.json": text})
    assert refused(directory)
    found = asked(stores.docker(tmp_path / "docker"))
    stores.put(tmp_path / "docker", {"image/overlay2/repositories.json": text or b"x"})
    again = asked(f"{tmp_path}/docker/overlay2/{'b' * 64}/diff".encode())
    assert (again.id, again.name, again.image_id) == (found.id, found.name, found.image_id)


def test_two_containers_with_one_layer_are_none(tmp_path):
    assert "2 containers" in refused(stores.storage(tmp_path, [stores.podman(), stores.podman("c" * 64)]))
    directory = stores.docker(tmp_path / "docker")
    stores.docker(tmp_path / "docker", "c" * 64)
    assert "2 containers" in refused(directory)


@pytest.mark.parametrize("identity", ["../../etc", "a/b", "", ".", "a b", "a" * 300])
def test_an_id_that_is_no_name_of_a_file_is_refused(tmp_path, identity):
    assert refused(stores.storage(tmp_path, [stores.podman(identity)]))


def test_databases_that_end_early_are_refused(tmp_path):
    directory = stores.containerd(tmp_path, "lab", "one", record={})
    for name in (META, f"{stores.SNAPSHOTTER}/metadata.db"):
        path = tmp_path / name
        whole = path.read_bytes()
        for end in range(0, len(whole), 2048):
            path.write_bytes(whole[:end])
            found = stores.container(directory)
            assert isinstance(found, Unidentified), end
            assert found.reason
        path.write_bytes(whole)
    assert asked(directory).id == "one"


def test_a_database_that_is_written_meanwhile_is_copied_again(tmp_path):
    directory = stores.containerd(tmp_path, "lab", "one", record={})

    class Changing:
        """A tree whose database has another transaction each time that its head is read, *left* times."""

        def __init__(self, tree, left: int) -> None:
            self.tree, self.left = tree, left

        def __getattr__(self, name: str):
            return getattr(self.tree, name)

        def head(self, path: bytes, size: int) -> bytes:
            self.left -= 1
            data = self.tree.head(path, size)
            if self.left < 0:
                return data
            return stores.written({b"other": {}}, transaction=99)
    def asked_of(left: int):
        with stores.trees() as opened:
            return container(directory, (), lambda path: Changing(opened(path), left))
    assert isinstance(asked_of(4), Container)
    assert "changed each time" in asked_of(1000).reason


def places(value: object, at: tuple = ()) -> list[tuple]:
    """Return the way to each value in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, inner in items for place in places(inner, (*at, key)))]


def altered(document: object, place: tuple, value: object) -> object:
    if not place:
        return value
    made = copy.deepcopy(document)
    inner = made
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return made


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("stores")


STORES = {"storage": (lambda base: stores.storage(base, stores.crio()), "overlay-containers/containers.json"),
          "layers": (lambda base: stores.storage(base, stores.crio()), "overlay-layers/layers.json"),
          "images": (lambda base: stores.storage(base, stores.crio()), "overlay-images/images.json"),
          "docker": (stores.docker, f"containers/{ID}/config.v2.json"),
          "names": (stores.docker, "image/overlay2/repositories.json")}


@pytest.mark.parametrize("kind", STORES)
@given(data=st.data())
def test_any_value_in_a_document_may_be_any_other(base, kind, data):
    make, name = STORES[kind]
    directory = make(base / kind)
    path = base / kind / name
    document = json.loads(path.read_text())
    changed = altered(document, data.draw(st.sampled_from(places(document))), data.draw(ANY))
    path.write_text(json.dumps(changed))
    found = stores.container(directory)
    assert isinstance(found, Container | Unidentified)
    if isinstance(found, Container):
        assert all(text is None or text.isprintable() for text in found[:8])
        assert isinstance(stores.image_layers(found), ImageLayers)


@given(data=st.data())
def test_any_byte_of_a_database_may_be_any_other(base, data):
    directory = stores.containerd(base / "bolt", "k8s.io", ID, record=stores.kubernetes())
    name = data.draw(st.sampled_from([META, f"{stores.SNAPSHOTTER}/metadata.db"]))
    path = base / "bolt" / name
    changed = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(changed)
    found = stores.container(directory)
    if isinstance(found, Container):
        assert all(text is None or text.isprintable() for text in found[:8])
        assert isinstance(stores.image_layers(found), ImageLayers)
    else:
        assert isinstance(found, Unidentified)
        assert found.reason
