"""Containers that are not where one would look, and processes that look like a container's and are none."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import mapsd
from mapsd.model.containers import Contained, Container, Uncontained, Unidentified
from tests.cli.command import CHECKOUT, MAPSD
from tests.engines import lab
from tests.engines.lab import BOUND, MAPPED, Engine, is_ready, text_of, until

FEW = [MAPPED[0], MAPPED[5]]


def asked(pid: int) -> Contained:
    with mapsd.Session() as session:
        return session.container(pid)


@pytest.fixture(scope="module")
def podman(space, images) -> Iterator[Engine]:
    with lab.podman(space, images, "odd", containers=("app",), mapped=FEW) as engine:
        yield engine


@contextmanager
def started(space: lab.Space, *words: object) -> Iterator[int]:
    """Run a mapper by some words and return its pid: it is the child's, or a child of that one."""
    process = space.start(*words)
    found: list[int] = []

    def looked() -> bool:
        found[:] = [pid for pid in descendants(process.pid) if is_ready(pid)]
        assert process.poll() is None, (space.base / "log").read_text()[-2000:]
        return bool(found)
    try:
        until(looked, "the mapper maps")
        yield found[0]
    finally:
        for pid in [*found, process.pid]:
            lab._kill(pid)
        process.wait()


def descendants(pid: int) -> list[int]:
    children = text_of(pid, f"task/{pid}/children").split()
    return [pid, *(one for child in children for one in descendants(int(child)))]


def test_a_store_that_only_its_engine_sees_is_read_through_the_engine(space, images):
    hidden = space.base / "hidden"
    hidden.mkdir()
    space.run("mount", "-t", "tmpfs", "hidden", hidden)
    with lab.podman(space, images, "hidden/store", containers=("app",), mapped=FEW) as engine:
        one = engine.containers[0]
        with mapsd.Session() as session:
            found = session.container(one.pid)
            assert isinstance(found, Container), found
            assert (found.engine, found.id, found.name, found.image_id) == ("podman", one.id, one.name, one.image_id)
            layers = session.image_layers(found)
    assert ([layer.diff_id for layer in layers.layers], layers.reason) == (one.image.layers, None)
    space.run("umount", "-l", hidden)


def test_a_container_is_named_where_a_file_of_its_layer_is_translated(podman):
    one = podman.containers[0]
    [layer] = [path for path in one.lowers if Path(f"{path}{FEW[0]}").is_file()]
    words = ["translate", one.name, f"{layer}{FEW[0]}", "--json"]
    done = subprocess.run([MAPSD, *words], capture_output=True, check=False, timeout=BOUND)
    assert done.returncode == 0, done.stderr
    [view] = json.loads(done.stdout)["views"]
    assert (view["process"]["pid"], view["container"]["id"]) == (one.pid, one.id)
    assert [(name["what"], name["user_path"]) for name in view["names"]] == [("visible", FEW[0])]


def test_a_pod_of_podmans_is_named(space, images):
    with lab.podman(space, images, "pods", containers=("app",), mapped=FEW) as engine:
        base = space.base / "pods"
        client = ["podman", "--root", base / "store", "--runroot", base / "run", "--tmpdir", base / "tmp",
                  "--storage-driver", "overlay"]
        space.run(*client, "pod", "create", "--name", "team", "--infra=false")
        space.run(*client, "run", "-d", "--name", "member", "--pod", "team", "localhost/lab/app:1", "mapper", *FEW)
        seen = json.loads(space.run(*client, "inspect", "member"))[0]
        until(lambda: is_ready(seen["State"]["Pid"]), "the mapper maps")
        found = asked(seen["State"]["Pid"])
        assert isinstance(found, Container), found
        assert (found.id, found.name, found.pod, found.namespace) == (seen["Id"], "member", "team", None)
        assert asked(engine.containers[0].pid).pod is None


def test_a_container_without_layers_is_found_by_its_conmon(space, images):
    vfs = ["--storage-driver", "vfs"]
    with lab.podman(space, images, "vfs", options=vfs, containers=("app",), mapped=FEW) as engine:
        one = engine.containers[0]
        found = asked(one.pid)
        assert isinstance(found, Container), found
        assert (found.engine, found.id, found.name, found.image_id) == ("podman", one.id, one.name, one.image_id)


def test_a_change_root_into_a_containers_files_is_no_container(space, podman):
    merged = Path(f"/proc/{podman.containers[0].pid}/root")
    with started(space, "unshare", "--propagation", "private", "-m", "chroot", merged, "/bin/mapper", FEW[0]) as pid:
        assert not isinstance(asked(pid), Container) or asked(pid).id == podman.containers[0].id
    done = subprocess.Popen(["chroot", merged, "/bin/mapper", FEW[0]])
    try:
        until(lambda: is_ready(done.pid), "the mapper maps")
        assert isinstance(asked(done.pid), Uncontained)
    finally:
        done.kill()
        done.wait()


def test_namespaces_that_nobody_is_known_to_have_made_have_no_engine(space, rootfs):
    inner = f"mount --bind {rootfs} {rootfs}; cd {rootfs}; pivot_root . tmp; exec /bin/mapper {FEW[0]}"
    with started(space, "unshare", "-m", "--propagation", "private", "-pf", "sh", "-ec", inner) as pid:
        found = asked(pid)
    assert isinstance(found, Container)
    assert found[:8] == (None,) * 8
    assert found.reason


@pytest.mark.usefixtures("images")
def test_a_process_that_only_hides_others_has_no_engine(space):
    with started(space, "unshare", "-pf", "--mount-proc", space.base / "mapper", space.base / "mapper") as pid:
        found = asked(pid)
    assert isinstance(found, Container)
    assert found.engine is None


def test_a_machine_of_nspawns_is_named(space, rootfs):
    words = ["systemd-nspawn", "-q", "--register=no", "--keep-unit", "--as-pid2", "-M", "web", "-D", rootfs,
             "--read-only", "/bin/mapper", FEW[0]]
    with started(space, *words) as pid:
        found = asked(pid)
    assert isinstance(found, Container)
    assert (found.engine, found.name) == ("systemd-nspawn", "web")


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_a_container_of_a_runtime_alone_is_named(space, rootfs, runtime):
    bundle, name = space.base / f"{runtime}-bundle", f"mapsd-{os.getpid()}-{runtime}"
    # crun refuses groups of both versions at once.
    run = ["unshare", "-m", "--propagation", "private", "sh", "-c",
           'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh", runtime,
           *(["--cgroup-manager=disabled"] if runtime == "crun" else [])]
    bundle.mkdir()
    space.run("runc", "spec", "-b", bundle)
    config = json.loads((bundle / "config.json").read_text())
    config["process"].update(terminal=False, args=["/bin/mapper", FEW[0]], capabilities={}, rlimits=[])
    config["root"] = {"path": str(rootfs), "readonly": False}
    config["mounts"] = [mount for mount in config["mounts"] if mount["type"] != "cgroup"]
    (bundle / "config.json").write_text(json.dumps(config))
    done = space.start(*run, "run", "-d", "-b", bundle, "--pid-file", bundle / "pid", name).wait(BOUND)
    assert done == 0, (space.base / "log").read_text()
    try:
        pid = int((bundle / "pid").read_text())
        until(lambda: is_ready(pid), "the mapper maps")
        found = asked(pid)
    finally:
        space.run(*run, "delete", "-f", name)
    assert isinstance(found, Container)
    assert (found.engine, found.id) == (runtime, name)


def test_an_overlay_whose_texts_name_a_containers_layer_is_not_that_container(space, podman):
    """Another mount namespace may have any directory by a name that is a store's outside."""
    lookalike = podman.containers[0].lowers[0].rpartition("/overlay/")[0]
    own = json.loads((Path(lookalike) / "overlay-containers/containers.json").read_text())[0]["layer"]
    upper = f"{lookalike}/overlay/{own}/diff"
    script = (f"mount -t tmpfs x {lookalike}; cd {lookalike}; mkdir -p {upper} w l/bin l/opt/lab l/tmp m;"
              f"cp {space.base}/mapper l/bin; echo x >l{FEW[0]}; mount -t overlay x -o lowerdir={lookalike}/l,"
              f"upperdir={upper},workdir={lookalike}/w m; cd m; pivot_root . tmp; exec /bin/mapper {FEW[0]}")
    with started(space, "unshare", "-m", "--propagation", "private", "sh", "-ec", script) as pid:
        found = asked(pid)
    assert isinstance(found, Unidentified | Container)
    assert not isinstance(found, Container) or found.id is None


def test_a_group_that_names_another_container_leaves_it_open(space, podman, rootfs):
    other = "e" * 64
    tops = (Path("/sys/fs/cgroup", name) for name in ("unified", "memory", ""))
    group = next(path for path in tops if (path / "cgroup.procs").exists()) / f"docker-{other}.scope"
    inner = f"mount --bind {rootfs} {rootfs}; cd {rootfs}; pivot_root . tmp; exec /bin/mapper {FEW[0]}"
    group.mkdir()
    try:
        with started(space, "sh", "-c", f"echo $$ >{group}/cgroup.procs; exec unshare -m --propagation private sh -ec "
                                        f"'{inner}'") as pid:
            found = asked(pid)
            assert isinstance(found, Unidentified)
            assert other in found.reason
        joined = podman.containers[0].pid
        before = asked(joined)
        with started(space, "sh", "-c", f"echo $$ >{group}/cgroup.procs; exec nsenter -t {joined} -m -r -- /bin/mapper "
                                        f"{FEW[0]}") as pid:
            found = asked(pid)
            assert isinstance(found, Unidentified)
            assert other in found.reason
        assert asked(joined) == before
    finally:
        group.rmdir()


FORGED = """
import os, sys
base, layer, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.makedirs(os.path.dirname(layer))
made = 0
while os.stat(os.path.dirname(layer) if not made else f"{base}/x{made}").st_ino < number - 1:
    made += 1
    os.mkdir(f"{base}/x{made}")
os.mkdir(layer)
assert os.stat(layer).st_ino == number, (os.stat(layer).st_ino, number)
"""


@pytest.mark.usefixtures("images")
def test_an_overlay_with_the_inode_number_of_a_containers_layer_is_not_that_container(space):
    """In a user namespace an overlay has no handles, and whoever mounts it may choose inode numbers and texts."""
    victim, forge, key = space.base / "victim", space.base / "forge.py", "b" * 64
    victim.mkdir()
    forge.write_text(FORGED)
    layer = victim / f"store/overlay/{key}/diff"
    space.run("mount", "-t", "tmpfs", "-o", "mode=755", "victim", victim)
    writing = ("import sys; from pathlib import Path; from tests.engines import stores;"
               "stores.storage(Path(sys.argv[1]), [stores.podman()])")
    space.run("env", f"PYTHONPATH={CHECKOUT}", sys.executable, "-c", writing, victim / "store")
    space.run("mkdir", "-p", layer, victim / "l")
    number = int(space.run("stat", "-c", "%i", layer))
    script = (f"mount -t tmpfs forged {victim}; cd {victim}; mkdir -p l/bin l/opt/lab l/tmp w m; "
              f"/usr/bin/python3 {forge} {victim} {layer} {number}; cp {space.base}/mapper l/bin; echo x >l{FEW[0]};"
              f"mount -t overlay x -o lowerdir={victim}/l,upperdir={layer},workdir={victim}/w m; cd m;"
              f"pivot_root . tmp; exec /bin/mapper {FEW[0]}")
    asking = ("import sys, mapsd; pid = int(sys.argv[1]); print(mapsd.Session().container(pid));"
              "root = next(one for one in mapsd.layers(pid).overlays if one.mount.mount_point == b'/');"
              "print([layer.certain for layer in root.layers])")
    with started(space, *lab.as_user(space, "forger"), "unshare", "-Urm", "--propagation", "private", "sh", "-ec",
                 script) as pid:
        said, layers = space.run("env", f"PYTHONPATH={CHECKOUT}", sys.executable, "-c", asking, pid).splitlines()
    space.run("umount", "-l", victim)
    assert "True" not in layers
    assert said.startswith("Unidentified(")
    assert "cannot be established" in said


def test_a_conmon_inside_of_a_container_says_nothing(space, podman, rootfs):
    """Root in a container without a user namespace has the machine's root's number, and may name any store."""
    victim = podman.containers[0]
    store = victim.lowers[0].rpartition("/overlay/")[0]
    shutil.copy(rootfs / "bin/mapper", rootfs / "bin/conmon")
    words = f"/bin/conmon -c {victim.id} -b {store}/overlay-containers/{victim.id}/userdata {FEW[0]}"
    inner = f"mount --bind {rootfs} {rootfs}; cd {rootfs}; pivot_root . tmp; exec {words}"
    with started(space, "unshare", "-m", "--propagation", "private", "sh", "-ec", inner) as pid:
        found = asked(pid)
    assert isinstance(found, Unidentified)
    assert "a container's" in found.reason
