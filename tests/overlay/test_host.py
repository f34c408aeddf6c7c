"""The machine seen from inside a container: what is answered there is what is answered on the machine."""

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.cli.command import MAPSD, mapsd, said
from tests.overlay import kernel
from tests.overlay.battery import happen, lay
from tests.overlay.capabilities import LACKING, SYS_PTRACE
from tests.overlay.files import fill
from tests.overlay.inside import opened
from tests.overlay.machine import PROCFS, Container, as_machine, lack
from tests.overlay.scenes import Scene
from tests.overlay.target import PAGE
from tests.overlay.truth import compare
from tests.schema import validate

KINDS = {"bound root": {}, "procfs alone": {"bind": False}, "on an overlay": {"overlay": True},
         "pids shared": {"own_pids": False}, "pids shared, procfs alone": {"own_pids": False, "bind": False}}


def laid(made: Scene, *, contained: bool = True) -> Scene:
    """Give a scene two lowers, an upper and two rounds of mappings, in a container of its own or in none."""
    for layer in ("l1", "l2"):
        made.lower(made.base / layer)
    made.upper(made.base / "u")
    lay(made, "early", "late")
    made.mount()
    made.start()
    if contained:
        made.contain()
    happen(made, "early")
    happen(made, "late")
    return made


def shown(text: str) -> dict:
    """Return an answer as it would read on the machine: only the time and the way through the procfs differ."""
    answer = json.loads(text)
    answer.pop("as_of")
    for one in answer.get("mappings") or answer.get("open_files") or [answer]:
        if one.get("openable_path") is not None:
            one["openable_path"] = one["openable_path"].removeprefix("/host")
    return answer


def on_the_machine(*words: object) -> dict:
    done = mapsd(*words, "--json")
    assert said(done) == (0, "")
    return shown(done.stdout.decode())


def from_inside(box: Container, *words: object, numbers: tuple[int, ...] = ()) -> dict:
    status, out, err = box.run(*words, "--json", *box.asking, within=lambda: lack(numbers))
    assert (status, err) == (0, "")
    return shown(out)


def by_start(answer: dict) -> dict[int, dict]:
    return {int(mapping["start"], 16): mapping for mapping in answer["mappings"]}


def differences(here: dict, there: dict, *, iterator: bool) -> list[str]:
    """Return where two answers differ, without those mappings of which only the *iterator* tells, where it cannot."""
    found = [f"{name}: {here[name]} here, {there[name]} there" for name in here if name != "mappings"
             if here[name] != there[name]]
    for one, other in zip(here["mappings"], there["mappings"], strict=True):
        if iterator or "bpf" not in {each["kind"] for each in one["evidence"]}:
            found += [f"{one['start']} {one['shown']} {name}: {one[name]} here, {other[name]} there" for name in one
                      if one[name] != other[name]]
    return found


@pytest.mark.parametrize("contained", [True, False], ids=["of a container", "of the machine"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_container_gives_the_machines_own_answer(lab, mapper, kind, contained):
    def work():
        with Scene(f"from a container, {kind}", lab, mapper) as made:
            pid = laid(made, contained=contained).target.pid
            box = Container(made.base, **KINDS[kind])
            here, there = on_the_machine(pid), from_inside(box, "lookup", pid)
            wrong = compare(made, f"{kind}, outside", by_start(there), opened)
            return [here, there, wrong]
    here, there, wrong = as_machine(work)
    wrong += differences(here, there, iterator="shared" in kind)
    assert not wrong, "\n".join(wrong)
    proofs = [mapping["proof"] for mapping in there["mappings"]]
    assert proofs.count("page-frame") > 20
    assert ("bpf" in proofs) == ("shared" in kind)


@pytest.mark.parametrize("kind", ["bound root", "procfs alone", "pids shared"])
def test_fewer_capabilities_in_a_container_are_never_wrong(lab, mapper, kind):
    def work():
        with Scene(f"fewer capabilities, {kind}", lab, mapper) as made:
            pid = laid(made).target.pid
            box, wrong = Container(made.base, **KINDS[kind]), []
            for name, numbers in LACKING.items():
                there = from_inside(box, "lookup", pid, numbers=numbers)
                validate({**there, "as_of": "2026-11-26T00:00:00.000Z"})
                wrong += compare(made, f"{name}, {kind}, outside", by_start(there), opened)
            return wrong
    wrong = as_machine(work)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("kind", ["bound root", "procfs alone", "on an overlay"])
def test_files_of_the_container_at_the_same_paths_are_not_taken(lab, mapper, kind):
    """Layers, user paths and the overlay itself: the container has others everywhere."""
    def work():
        with Scene(f"decoys, {kind}", lab, mapper) as made:
            pid = laid(made).target.pid
            here = on_the_machine(pid)
            box = Container(made.base, **KINDS[kind])
            for claim in made.claims:
                for path in (claim.layer.path / claim.below, Path(made.named(claim.below)), made.merged / claim.below):
                    box.decoy(path, b"decoy".ljust(2 * PAGE, b"."))
            there = from_inside(box, "lookup", pid)
            return compare(made, f"{kind}, outside", by_start(there), opened) + differences(
                here, there, iterator=False)
    wrong = as_machine(work)
    assert not wrong, "\n".join(wrong)


OTHERS = {"layers": lambda _: [], "fds": lambda _: [], "which": lambda made: [made.named("early/plain-s")],
          "translate": lambda made: [str(made.layers[0].path / "early/plain-s")]}


@pytest.mark.parametrize("command", OTHERS)
@pytest.mark.parametrize("kind", ["bound root", "procfs alone"])
def test_the_other_commands_answer_alike(lab, mapper, command, kind):
    def work():
        with Scene(f"{command}, {kind}", lab, mapper) as made:
            pid = laid(made).target.pid
            box, more = Container(made.base, **KINDS[kind]), OTHERS[command](made)
            here = shown(subprocess.check_output([MAPSD, command, str(pid), *more, "--json"], text=True))
            return [here, from_inside(box, command, pid, *more)]
    here, there = as_machine(work)
    assert without_openable(there) == without_openable(here)
    asked = [answer["views"][0] if command == "translate" else answer for answer in (here, there)]
    assert asked[0]["process"]["pid"] == asked[1]["process"]["pid"]
    assert command != "translate" or [one["what"] for one in asked[0]["names"]] == ["visible"]


def without_openable(part: object) -> object:
    if isinstance(part, list):
        return [without_openable(one) for one in part]
    if not isinstance(part, dict):
        return part
    return {name: without_openable(value) for name, value in part.items() if name != "openable_path"}


@pytest.mark.parametrize("linked", [False, True], ids=["by their paths", "through a link"])
def test_what_the_machine_mounts_later_is_not_looked_through(lab, mapper, linked):
    """A bind does not have a mount that came after it: the layer is still there, and the machine has another file."""
    def work():
        with Scene(f"mounted later, linked {linked}", lab, mapper) as made:
            for layer in ("l1", "l2"):
                made.lower(made.base / layer)
            made.upper(made.base / "u")
            lay(made, "early")
            (made.base / "link").symlink_to(".")
            made.mount(options=made.options().replace(f"{made.base}/l", f"{made.base}/link/l") if linked else None)
            made.start()
            made.contain()
            happen(made, "early")
            pid, box = made.target.pid, Container(made.base)
            before = from_inside(box, "lookup", pid)
            (made.base / "seen").mkdir()
            kernel.mount(made.base / "l1", made.base / "seen", None, kernel.MS_BIND)
            kernel.mount("later", made.base / "l1", "tmpfs")
            for claim in made.claims:
                if claim.layer.path == made.base / "l1":
                    fill(claim.layer.path / claim.below, "another file")
            after = from_inside(box, "lookup", pid)
            covered, made.layers[0].path = made.layers[0].path, made.base / "seen"
            return [compare(made, f"mounted later, {linked}, outside", by_start(after), opened),
                    paths(before, covered), paths(after, covered), box.run("doctor", *box.asking)[1]]
    wrong, before, after, doctor = as_machine(work)
    assert not wrong, "\n".join(wrong)
    assert before
    assert not after
    assert re.search(r"^host +no +\d+ mounts of the machine are not below /host, and nothing is opened there", doctor,
                     re.MULTILINE)


def paths(answer: dict, directory: Path) -> list[str]:
    """Return the backing paths in a directory."""
    found = [mapping["backing"]["path"] for mapping in answer["mappings"] if mapping["backing"] is not None]
    return [path for path in found if path is not None and path.startswith(f"{directory}/")]


def test_the_process_itself_has_the_machines_number(lab):
    def work():
        box = Container(Path(tempfile.mkdtemp(dir=lab)), bind=False)
        status, out, _ = box.run("lookup", "self", "--json", *box.asking)
        return [status, json.loads(out)["process"], os.getpid()]
    status, process, machine = as_machine(work)
    assert (status, machine) == (0, 1)
    assert process["name"].startswith("python")
    assert process["pid"] > 2


REFUSED = {
    "no procfs": (["--procfs", "/tmp"], "mapsd: /tmp: is not the root of a procfs\n"),
    "nothing there": (["--procfs", "/absent"], "mapsd: /absent: No such file or directory\n"),
    "a process of a procfs": (["--procfs", "/host/proc/1/task"],
                              "mapsd: /host/proc/1/task: is not the root of a procfs\n"),
    "the container's own root": (["--procfs", PROCFS, "--host-root", "/"],
                                 "mapsd: /: is not the root of process 1 of /host/proc\n"),
    "a directory of the machine": (["--procfs", PROCFS, "--host-root", "/host/etc"],
                                   "mapsd: /host/etc: is not the root of process 1 of /host/proc\n"),
    "no directory": (["--procfs", PROCFS, "--host-root", "/absent"],
                     "mapsd: /absent: the root of the machine cannot be opened: No such file or directory\n"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_machine_is_refused_in_one_line(lab, what):
    words, line = REFUSED[what]
    box_words = ["lookup", "1", *words]
    ended = as_machine(lambda: Container(Path(tempfile.mkdtemp(dir=lab))).run(*box_words))
    assert ended == [70, "", line]


def test_a_first_process_that_may_not_be_looked_at_is_told_with_what_would_help(lab):
    def work():
        box = Container(Path(tempfile.mkdtemp(dir=lab)), bind=False)
        return box.run("lookup", 1, *box.asking, within=lambda: lack((SYS_PTRACE,)))
    status, out, err = as_machine(work)
    assert (status, out) == (70, "")
    assert err.startswith("mapsd: /host/proc/1/root: the root of the machine may not be looked at: it needs CAP_SYS_PT")
    assert err.count("\n") == 1


@pytest.mark.parametrize(("how", "reason"), [
    ("hidepid=1", "its process 1 may not be looked at: it is mounted with hidepid"),
    ("hidepid=2", "shows no process 1: it is mounted with hidepid, or its pid namespace has ended")])
def test_a_procfs_that_hides_the_first_process_is_refused(lab, how, reason):
    def work():
        base = Path(tempfile.mkdtemp(dir=lab))
        base.chmod(0o755)
        box = Container(base, bind=False, procfs=how)
        return box.run("lookup", 1, *box.asking, within=nobody)
    assert as_machine(work) == [70, "", f"mapsd: /host/proc: {reason}\n"]


def nobody() -> None:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
