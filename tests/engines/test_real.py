"""What mapsd says of containers that real engines run is what the engines say: also when they have stopped."""

from pathlib import Path

import pytest

import mapsd
from mapsd.errors import AccessDenied
from mapsd.model.containers import Container, ImageLayers, Uncontained
from mapsd.model.translated import OnHost
from tests.engines import lab
from tests.engines.images import LAB
from tests.engines.lab import Engine, Running


def found(running: Running) -> tuple[Container, ImageLayers]:
    with mapsd.Session() as session:
        container = session.container(running.pid)
        assert isinstance(container, Container), container
        return container, session.image_layers(container)


def test_a_container_is_called_as_its_engine_calls_it(engine: Engine):
    kind = "podman" if engine.name.startswith("rootless") else engine.name.partition("-")[0]
    for one in engine.containers:
        container, _ = found(one)
        assert (container.engine, container.id, container.name) == (kind, one.id, one.name)
        assert (container.image, container.image_id) == (one.image_name, one.image_id)
        assert container.image_digest == one.image_digest
        assert (container.pod, container.namespace) == (None, None)


def test_its_layers_are_the_images_in_the_engines_order(engine: Engine):
    for one in engine.containers:
        _, layers = found(one)
        assert layers.reason is None
        assert [layer.position for layer in layers.layers] == list(range(1, len(one.image.layers) + 1))
        assert [layer.diff_id for layer in layers.layers] == one.image.layers
        assert [layer.step for layer in layers.layers] == one.image.steps
        directories = [real(layer.directory) for layer in reversed(layers.layers)]
        assert all(Path(path).is_dir() for path in directories)
        if not engine.name.endswith("native"):  # there each directory has all the files of those below
            assert directories == [real(path) for path in one.lowers]


def real(path: str | bytes) -> str:
    """Return a directory's own name: some engines name a link to it."""
    return str(Path(path if isinstance(path, str) else path.decode()).resolve())


def test_each_mapped_file_is_of_the_layer_that_brought_it(engine: Engine):
    for one in engine.containers:
        _, layers = found(one)
        answer = mapsd.lookup(one.pid)
        seen = set()
        for mapping in answer.mappings:
            if mapping.kind != "file":
                continue
            if engine.name.endswith("native"):
                assert mapping.backing is None or layers.of(mapping.backing.layer_path) is None
                continue
            served = engine.name.endswith("fuse")
            if served and mapping.backing is None:
                continue  # it was changed since, or none of its pages is in memory
            assert mapping.backing is not None, mapping
            layer = layers.of(mapping.backing.layer_path)
            # Where root may not enter, the name is only the kernel's.
            name = (mapping.user_path or (mapping.vma.name if served else b"")).decode()
            # What was changed before it was mapped is the container's own.
            wanted = None if name.endswith("libupd.so") else one.image.at[name]
            assert (layer.position if layer else None) == wanted, mapping
            assert mapping.backing.layer_role == ("upper" if wanted is None else "lower")
            if name.startswith(f"/{LAB}/"):
                assert bytes_of(one.pid, mapping.vma) == Path(mapping.backing.path.decode()).read_bytes()[:4096]
            seen.add(name)
        # Where root may not enter, only files that are older than the server are named.
        assert len(seen) > 2 or engine.name.endswith("native") or engine.name == "rootless-fuse", seen


def test_overlays_and_names_say_which_layer_of_the_image_it_is(engine: Engine):
    if not has_layers(engine):
        return
    with mapsd.Session() as session:
        for one in engine.containers:
            seen = session.layers(one.pid, contained=True)
            assert seen.container is not None
            assert (seen.container.id, seen.skipped) == (one.id, ())
            root = next(overlay for overlay in seen.overlays if overlay.mount.mount_point == b"/")
            placed = [layer.image_layer for layer in root.layers if layer.image_layer is not None]
            assert [layer.diff_id for layer in placed] == one.image.layers[::-1]
            # Nothing is missing that a capability would give: we are root.
            assert {layer.needs for layer in root.layers} == {""}
            # Where Podman maps ids the texts name mounts that only the container had.
            assert "idmapped" not in engine.name or all(b"/mapped/" in layer.text for layer in root.layers[1:])
            name = "libover.so" if f"/{LAB}/libover.so" in one.image.at else "libro.so"
            found = session.which(one.pid, f"/{LAB}/{name}".encode(), contained=True)
            first = found.descents[0].met[0].image_layer
            assert first.position == one.image.at[f"/{LAB}/{name}"]
            assert first.step == one.image.steps[one.image.at[f"/{LAB}/{name}"] - 1]
            assert found.winner is not None
            if found.winner.backing is None:
                # Then only handles tell, and not on a filesystem without a UUID.
                assert "idmapped" in engine.name
                assert found.winner.reason
            else:
                assert found.winner.backing.image_layer == first


def test_where_a_users_server_lets_root_in_nowhere_no_capability_is_named(engine: Engine):
    if engine.name != "rootless-fuse":
        return
    with mapsd.Session() as session, pytest.raises(AccessDenied, match=r"needs allow_other of its server$"):
        session.which(engine.containers[0].pid, b"/etc")


def test_names_of_a_layers_file_say_whose_they_are(engine: Engine):
    if not has_layers(engine):
        return
    with mapsd.Session() as session:
        for one in engine.containers:
            backing = next(mapping.backing for mapping in session.lookup(one.pid, contained=True).mappings
                           if mapping.backing is not None and mapping.backing.image_layer is not None)
            file = OnHost(backing.path or b"")
            [own] = session.translate(file, one.pid, contained=True).views
            assert own.container is not None
            assert (own.container.id, own.container.name) == (one.id, one.name)
            [name] = [name for name in own.names if name.what in {"visible", "unknown"}]
            # Which of the texts of layers a directory is that Podman mounts with other ids, only the kernel knows.
            places = {backing.layer_index} if "idmapped" not in engine.name else {backing.layer_index, None}
            assert name.opens is not None
            assert name.opens.layer_index in places
            assert name.opens._replace(layer_index=None) == backing._replace(layer_index=None)
            # Containers of one image have one layer: each is named beside its own names.
            every = [view for view in session.translate(file, contained=True).views if view.names]
            assert [view.container for view in every if one.pid in view.pids] == [own.container]
            # Whoever has namespaces of their own on this machine may see the store itself.
            assert {view.container.id for view in every if view.container is not None and view.container.engine} <= {
                other.id for other in engine.containers}


def test_of_images_without_a_database_no_package_is_named(engine: Engine):
    with mapsd.Session() as session:
        for one in engine.containers:
            found = {mapping.package for mapping in session.lookup(one.pid, packages=True).mappings
                     if mapping.kind == "file"}
            assert {package.package for package in found} == {None}
            assert {package.state for package in found} <= {"unowned", "unknown"}
            # Whoever serves a root may never answer, or lets nobody else in.
            assert ({package.state for package in found} == {"unknown"}) == engine.name.endswith("fuse")


def has_layers(engine: Engine) -> bool:
    """Return whether the kernel knows the layers: it does not where a server merges them, or they are copies."""
    return not engine.name.endswith(("fuse", "native"))


def bytes_of(pid: int, vma) -> bytes:
    """Return the first page that a process has at a mapping."""
    with Path(f"/proc/{pid}/mem").open("rb") as memory:
        memory.seek(vma.start)
        return memory.read(4096)


def test_the_engines_own_processes_are_in_no_container(engine: Engine):
    with mapsd.Session() as session:
        for one in engine.containers:
            parent = int(Path(f"/proc/{one.pid}/stat").read_text().rpartition(") ")[2].split()[1])
            assert isinstance(session.container(parent), Uncontained)


def test_without_the_engine_the_answers_are_the_same(engine: Engine):
    before = [found(one) for one in engine.containers]
    engine.stop()
    assert [found(one) for one in engine.containers] == before
    # What the engine said still holds.
    assert [container.id for container, _ in before] == [one.id for one in engine.containers]


def test_a_container_of_lxc_is_called_as_its_directory(space, rootfs):
    with lab.lxc(space, rootfs) as engine:
        container, layers = found(engine.containers[0])
    assert (container.engine, container.id, container.name, container.image) == ("lxc", "web", "web", None)
    assert layers.layers == ()
