"""What processes around a container are told, and files beside it: each by its documented form."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.engines import lxc, runtimes
from mapsd.engines.place import Place, places
from mapsd.engines.runners import Monitored, conmon, nspawn, place_of, upper_of
from mapsd.model import Absent
from mapsd.model.containers import Runner
from tests.engines.stores import put, trees

ID = "a" * 64


def runner(words: str | list[str], exe: str | None = None, uid: int = 0, cwd: bytes = b"/store") -> Runner:
    split = words.split() if isinstance(words, str) else words
    return Runner(7, uid, (exe or split[0]).encode(), tuple(map(os.fsencode, split)), b"mnt:[1]", cwd)


CONMON = f"/usr/bin/conmon --api-version 1 -c {ID} -u x -r /usr/bin/runc -b /s/overlay-containers/{ID}/userdata -n web"


def test_conmon_is_told_the_container_and_its_bundle():
    one = runner(CONMON)
    told = conmon([runner("bash -c x"), one, runner("conmon -c other -b /b")])
    assert told == Monitored(ID, f"/s/overlay-containers/{ID}/userdata".encode(), one)
    assert place_of(told) == Place("storage", b"/s", "overlay", "")
    assert conmon([runner("bash -c x", exe="/bin/bash")]) is None
    assert conmon([runner("conmon --version")]) is None


@pytest.mark.parametrize("bundle", ["", "/", "/userdata", "/x/y/userdata", "/s/overlay-containers/userdata",
                                    "/s/-containers/i/userdata"])
def test_a_bundle_elsewhere_is_in_no_store(bundle):
    assert place_of(Monitored(ID, bundle.encode(), runner("conmon"))) is None


UPPERS = [(["fuse-overlayfs", "-o", "lowerdir=/a:/b,upperdir=/s/x/diff,workdir=/w", "/m"], b"/s/x/diff"),
          (["fuse-overlayfs", "-olowerdir=a,upperdir=x/diff,workdir=x/work", "/m"], b"/store/x/diff"),
          (["fuse-overlayfs", "-o", "rw", "-o", "upperdir=/u", "/m"], b"/u"),
          (["fuse-overlayfs", "-o", r"lowerdir=/a\,upperdir=/no,upperdir=/u\,v", "/m"], b"/u,v"),
          (["fuse-overlayfs", "-o", "lowerdir=/a", "/m"], None), (["fuse-overlayfs", "-o"], None),
          (["sshfs", "-o", "upperdir=/u", "/m"], None)]


@pytest.mark.parametrize(("words", "wanted"), UPPERS, ids=[" ".join(words)[:40] for words, _ in UPPERS])
def test_a_server_is_told_its_upper_layer(words, wanted):
    assert upper_of(runner(words)) == wanted


MACHINES = [("systemd-nspawn -q -M web -D /srv/root /bin/sh -M other", "web"), ("systemd-nspawn -bD /srv/root", "root"),
            ("systemd-nspawn --machine=web --directory /x", "web"), ("systemd-nspawn -i /srv/disk.raw -b", "disk"),
            ("systemd-nspawn --directory=/srv/tree/ /bin/sh -D /other", "tree"), ("systemd-nspawn /bin/sh -M x", None),
            ("systemd-nspawn -M ../x", None)]


@pytest.mark.parametrize(("words", "name"), MACHINES)
def test_a_machine_is_called_as_it_was_started(words, name):
    found = nspawn([runner("bash"), runner(words, exe="/usr/bin/systemd-nspawn")])
    assert found is not None
    assert (found.engine, found.id, found.name) == ("systemd-nspawn", name, name)


def test_a_program_of_the_name_that_is_not_roots_is_no_machine():
    words = "systemd-nspawn -M web"
    assert nspawn([runner(words, exe="/usr/bin/systemd-nspawn", uid=1000), runner(words, exe="/bin/bash")]) is None


@given(st.lists(st.lists(st.binary(max_size=12), min_size=1, max_size=6), max_size=4), st.booleans())
def test_any_arguments_are_read(commands, root):
    for exe in (b"/usr/bin/conmon", b"/usr/bin/systemd-nspawn", b"/usr/bin/fuse-overlayfs", None):
        runners = [Runner(1, 0 if root else 5, exe, tuple(words), None, None) for words in commands]
        told = conmon(runners)
        if told is not None:
            place_of(told)
        nspawn(runners)
        for one in runners:
            upper_of(one)


@pytest.mark.parametrize(("config", "found"), [
    ("lxc.rootfs.path = overlay:/low:{0}/delta0", True), ("lxc.rootfs = {0}/delta0", True),
    ("lxc.rootfs.path={0}/delta0", True),
    ("lxc.rootfs.path = dir:{0}/rootfs", False), ("#lxc.rootfs.path = {0}/delta0", False), ("", False)])
def test_a_container_of_lxc_has_what_its_configuration_names(tmp_path, config, found):
    home = tmp_path / "web"
    put(home, {"config": f"lxc.uts.name = x\n{config.format(home)}\n"})
    with trees() as opened:
        made = lxc.container(f"{home}/delta0".encode(), opened)
    assert (made is not None) == found
    assert made is None or (made.engine, made.id, made.name, made.store) == ("lxc", "web", "web", os.fsencode(tmp_path))


def test_a_directory_without_a_configuration_is_none_of_lxcs(tmp_path):
    with trees() as opened:
        assert lxc.container(f"{tmp_path}/rootfs".encode(), opened) is None
        assert lxc.container(b"/", opened) is None


def test_states_of_runtimes_are_read_and_others_left_out(tmp_path):
    put(tmp_path, {"run/runc/one/state.json": {"id": "one", "init_process_pid": 5, "init_process_start": 77},
                   "run/runc/old/state.json": {"init_process_pid": 6, "init_process_start": "78"},
                   "run/runc/bad/state.json": b"{", "run/runc/none/other": b"", "run/runc/zero/state.json": {},
                   "run/crun/two/status": {"pid": 8, "process-start-time": 79}})
    with trees() as opened:
        found = list(runtimes.states(lambda path: opened(os.fsencode(tmp_path) + path)))
    assert found == [("runc", "old", 6, 78), ("runc", "one", 5, 77), ("crun", "two", 8, 79)]
    assert list(runtimes.states(lambda _: Absent())) == []


@given(st.binary(max_size=60))
def test_any_path_is_taken_apart(path):
    for place in places(path):
        assert path.startswith(place.store)
