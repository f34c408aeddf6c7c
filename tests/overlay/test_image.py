"""The image: built from its Dockerfile without a registry, started with what its page says and no more."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.command import BOUND, mapsd, said
from tests.conftest import missing
from tests.overlay import engine as engines
from tests.overlay.battery import happen, lay
from tests.overlay.engine import CAPABILITIES, Engine, built, inspected
from tests.overlay.inside import opened
from tests.overlay.machine import as_machine
from tests.overlay.scenes import Scene
from tests.overlay.test_host import by_start, differences, shown
from tests.overlay.truth import compare

NOBODY = 65534
HOST = ("--procfs", "/host/proc", "--host-root", "/host")
# CAP_SYS_ADMIN stands for what was split off from it.
FULL = (*(name for name in CAPABILITIES if name != "CHECKPOINT_RESTORE"), "SYS_ADMIN", "FOWNER")
ITERATOR = (*CAPABILITIES, "FOWNER", "BPF", "PERFMON")
# An engine's filter of 2022 lets only CAP_SYS_ADMIN call bpf(2), and nobody statmount(2).
UNFILTERED = ("--security-opt", "seccomp=unconfined")


@pytest.fixture(scope="module")
def engine(lab: Path) -> Iterator[Engine]:
    lacking = [name for name in engines.NEEDED if shutil.which(name) is None]
    if lacking or not os.path.exists(engines.PYTHON):
        missing("image", f"needs {', '.join(lacking) or engines.PYTHON} to build the image")
    base = lab / "engine"
    base.mkdir()
    with built(base) as made:
        yield made


def test_the_image_is_started_as_root_and_serves_the_host(engine):
    found = inspected(engine)
    assert (found["Config"]["User"], found["Config"]["Entrypoint"]) == ("0:0", ["/opt/mapsd/bin/mapsd"])
    assert found["Config"]["Cmd"] == ["serve", *HOST]
    assert found["Healthcheck"]["Test"] == ["CMD", "/opt/mapsd/bin/healthcheck"]


def test_the_final_stage_has_nothing_that_builds_or_installs(engine):
    program = ("import importlib.util, json, shutil; print(json.dumps([shutil.which(name) for name in "
               "('cc', 'gcc', 'make', 'ld', 'pip', 'pip3')] + [importlib.util.find_spec('pip')]))")
    done = engine.run("-c", program, more=("--entrypoint", "python3"))
    assert set(json.loads(done.stdout)) == {None}


def test_nothing_is_compiled_at_the_start(engine):
    """The root is read-only: what has no compiled form would be compiled each time."""
    program = ("import pathlib; top = pathlib.Path('/opt/mapsd'); print([str(one) for one in top.rglob('*.py') if not "
               "list(one.parent.glob(f'__pycache__/{one.stem}.*.pyc'))])")
    assert engine.run("-c", program, more=("--entrypoint", "python3")).stdout == "[]\n"


def stored(made: Scene) -> int:
    """Give a scene a container of another user's, whose layers lie in a directory that is closed to others."""
    store = made.base / "store"
    for layer in ("l1", "l2"):
        made.lower(store / layer)
    made.upper(store / "u")
    lay(made, "early")
    for path in (store, *store.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    store.chmod(0o700)
    made.mount()
    # It binds and pivots, below directories of the test run that are closed to it.
    made.start("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups",
               "--inh-caps", "+sys_admin,+dac_read_search", "--ambient-caps", "+sys_admin,+dac_read_search")
    made.contain()
    happen(made, "early")
    return made.target.pid


def as_another(lab: Path, mapper: Path, work: Callable[[Scene, int], object]) -> list:
    """Return what *work* returns about the scene, on a machine of its own."""
    def on_machine() -> object:
        with Scene("of another user", lab, mapper) as made:
            return work(made, stored(made))
    return as_machine(on_machine)


def answer(done: subprocess.CompletedProcess[str]) -> dict:
    assert done.returncode == 0, done.stderr
    return shown(done.stdout)


def test_the_image_gives_the_machines_own_answer(engine, lab, mapper):
    def work(made, pid):
        here = mapsd(pid, "--json")
        assert said(here) == (0, "")
        there, filtered = (answer(engine.run("lookup", pid, "--json", *HOST, capabilities=FULL, more=more))
                           for more in (UNFILTERED, ()))
        wrong = [one for found in (there, filtered)
                 for one in compare(made, "image, outside", by_start(found), opened)]
        return [shown(here.stdout.decode()), there, wrong]
    here, there, wrong = as_another(lab, mapper, work)
    wrong += differences(here, there, iterator=True)
    assert not wrong, "\n".join(wrong)


def test_its_doctor_sees_the_whole_machine(engine):
    done = as_machine(lambda: engine.run("doctor", "--json", *HOST, capabilities=FULL).stdout)
    found = {one["name"]: one for part in ("proofs", "findings") for one in json.loads(done)[part]}
    assert found["host"]["works"], found["host"]["detail"]
    assert found["host"]["detail"].startswith("files are opened below /host as process 1 of /host/proc names them")
    assert found["hidepid"]["detail"] == "/host/proc hides no process"
    assert found["bpf"]["works"]


def known(made: Scene, found: dict) -> tuple[int, set[str]]:
    """Return how many states and backing files of a scene are known, and what would help."""
    mine = [by_start(found)[claim.address] for claim in made.claims]
    count = sum((one["state"] != "unknown") + (one["backing"] is not None) for one in mine)
    return count, {need for one in mine for need in one["needs"] or ()}


NEEDED = [("SYS_PTRACE", CAPABILITIES, ()), ("DAC_READ_SEARCH", CAPABILITIES, ()),
          ("CHECKPOINT_RESTORE", CAPABILITIES, ()), ("SYS_ADMIN", FULL, ()), ("FOWNER", FULL, ()),
          ("BPF", ITERATOR, UNFILTERED), ("PERFMON", ITERATOR, UNFILTERED)]


@pytest.mark.parametrize(("name", "capabilities", "more"), NEEDED, ids=[row[0] for row in NEEDED])
def test_without_a_capability_less_is_known_and_it_is_named(engine, lab, mapper, name, capabilities, more):
    fewer = [one for one in capabilities if one != name]

    def work(made, pid):
        whole = answer(engine.run("lookup", pid, "--json", *HOST, capabilities=capabilities, more=more))
        done = engine.run("lookup", pid, "--json", *HOST, capabilities=fewer, more=more)
        if done.returncode == 3:
            return [*known(made, whole)[:1], 0, [done.stderr.split()[-1]], []]
        rest = answer(done)
        wrong = [one for found in (whole, rest)
                 for one in compare(made, f"image without {name}, outside", by_start(found), opened)]
        return [known(made, whole)[0], known(made, rest)[0], sorted(known(made, rest)[1]), wrong]
    whole, rest, needs, wrong = as_another(lab, mapper, work)
    assert not wrong, "\n".join(wrong)
    assert rest < whole
    assert f"CAP_{name}" in needs


@pytest.mark.parametrize("name", ["SETUID", "SETGID"])
def test_without_a_capability_to_ask_as_others_the_daemon_does_not_start(engine, name):
    def work():
        fewer = [one for one in CAPABILITIES if one != name]
        done = engine.run("serve", *HOST, "--socket", "/tmp/s", capabilities=fewer, more=("--tmpfs", "/tmp"))
        return [done.returncode, done.stderr.splitlines()[-1]]
    status, line = as_machine(work)
    assert status == 70
    assert "who may see which process cannot be established" in line


def asked(directory: Path, path: str) -> tuple[int, dict]:
    """Return what the daemon answers at its socket."""
    connection = http.client.HTTPConnection("localhost", timeout=BOUND)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(BOUND)
    connection.sock.connect(f"{directory}/mapsd.sock")
    connection.request("GET", path)
    reply = connection.getresponse()
    body = json.loads(reply.read())
    connection.close()
    return reply.status, body


def healthy(engine: Engine, name: str) -> None:
    """Wait until the image's own health check succeeds."""
    end = time.monotonic() + BOUND
    while (done := engine.podman("healthcheck", "run", name)).returncode:
        assert time.monotonic() < end, (done.stdout, done.stderr, engine.podman("logs", name))
        time.sleep(0.05)


def test_the_daemon_in_the_image_is_healthy_and_answers(engine, lab, mapper):
    def work(_, pid):
        here = shown(mapsd(pid, "--json").stdout.decode())
        directory = Path(tempfile.mkdtemp(dir=lab))
        with engine.daemon(directory, FULL, UNFILTERED) as name:
            healthy(engine, name)
            status, there = asked(directory, f"/v1/processes/{pid}/mappings?container=true")
            processes = asked(directory, "/v1/processes?limit=10")[1]["processes"]
            ended = engine.done("stop", "-t", "20", name)
            code = json.loads(engine.done("inspect", name))[0]["State"]["ExitCode"]
        return [here, status, shown(json.dumps(there)), [one["pid"] for one in processes], pid, ended, code]
    here, status, there, pids, pid, _, code = as_another(lab, mapper, work)
    assert status == 200
    assert differences(without_frames(here), without_frames(there), iterator=True) == []
    assert {1, pid} <= set(pids)
    assert code == 0


def without_frames(answer: dict) -> dict:
    """Return an answer with the kinds of its evidence: the daemon tells nobody the numbers of page frames."""
    for mapping in answer["mappings"]:
        mapping["evidence"] = [{"kind": each["kind"]} for each in mapping["evidence"]]
    return answer


def test_without_a_daemon_the_health_check_fails(engine):
    done = engine.run(more=("--entrypoint", "/opt/mapsd/bin/healthcheck"))
    assert (done.returncode, done.stdout) == (1, "/run/mapsd/mapsd.sock: [Errno 2] No such file or directory\n")
