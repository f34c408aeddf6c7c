"""`mapsd which` on the command line: what a path leads to, names of any bytes, and how it ends."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mapsd.answer import placed
from mapsd.cli import which as command
from mapsd.cli.arguments import parse
from mapsd.errors import ProcessGone, UsageError
from mapsd.model import Absent, Backing, DeviceId, FileFacts, Layer, LayerDir, Mount, ProcessFacts, Refused
from mapsd.model.containers import Container, Housed, ImageLayer, ImageLayers
from mapsd.model.layers import Descent, Link, Met, Way, Which, Winner
from mapsd.session import Session
from mapsd.views.overlayjson import which_object
from mapsd.views.whichtext import which_lines
from tests.cli.command import BOUND, CHECKOUT, MAPSD, NOBODY, child, exact, said
from tests.cli.test_lookup import ABSENT, NAMES
from tests.conftest import missing
from tests.examples import shown
from tests.hostile.cli import never_opened
from tests.layerschemas import valid
from tests.test_imports import PACKAGES, SLOW, imported


def run(*words: object, prefix: tuple[str, ...] | list[str] = ()) -> subprocess.CompletedProcess[bytes]:
    words = [word if isinstance(word, bytes) else str(word) for word in words]
    done = subprocess.run([*prefix, MAPSD, "which", *words], capture_output=True, timeout=BOUND, check=False)
    assert all(line.startswith(b"mapsd: ") for line in done.stderr.splitlines()), done.stderr.decode()
    assert done.stdout.decode().replace("\n", "").isprintable()
    return done


def as_json(*words: object, status: int = 0) -> dict:
    done = run(*words, "--json")
    assert done.returncode == status, done.stderr
    return valid("which", json.loads(done.stdout))


def test_a_path_on_no_overlay_is_the_file_itself():
    answer = as_json("self", "/dev/null")
    seen = os.stat("/dev/null")
    assert (answer["user_path"], answer["kind"], answer["proof"]) == ("/dev/null", "device", "kernel-inode")
    assert answer["backing"] == {
        "path": "/dev/null", "device": f"{os.major(seen.st_dev)}:{os.minor(seen.st_dev)}", "inode": seen.st_ino,
        "fs_type": answer["mount"]["fs_type"], "layer": None}
    assert (answer["links"], answer["overlays"], answer["missing"]) == ([], [], None)
    done = run("self", "/dev/null")
    assert said(done) == (0, "")
    assert b"/dev/null" in done.stdout


def test_links_are_followed_and_named(tmp_path):
    (tmp_path / "file").write_text("text")
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to(tmp_path / "file")
    (tmp_path / "here").symlink_to(".")
    answer = as_json(os.getpid(), tmp_path / "here" / "one")
    top = os.path.realpath(tmp_path)
    assert answer["user_path"] == f"{top}/file"
    assert [(Path(one["path"]).name, one["target"]) for one in answer["links"]] == [
        ("here", "."), ("one", "two"), ("two", f"{tmp_path}/file")]
    for field in ("host_path", "openable_path"):
        assert os.path.samefile(answer[field], tmp_path / "file")


@pytest.mark.parametrize("path", ["//dev//./null", "/dev/../dev/null", "/../dev/null", "/dev/null"])
def test_the_path_of_the_answer_has_no_detours(path):
    assert as_json("self", path)["user_path"] == "/dev/null"


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_bytes_are_answered_exactly(tmp_path, name):
    path = os.path.join(os.fsencode(os.path.realpath(tmp_path)), name)
    Path(os.fsdecode(path)).write_text("text")
    os.symlink(name, path + b"-link")
    answer = as_json("self", path + b"-link")
    assert (exact(answer, "user_path"), exact(answer, "asked_path")) == (path, path + b"-link")
    assert exact(answer["links"][0], "target") == name
    assert run("self", path).returncode == 0
    gone = as_json("self", path + b"-gone", status=1)
    assert exact(gone["missing"], "name") == name + b"-gone"


@pytest.mark.parametrize(("path", "why"), [
    ("/nowhere/at/all", "No such file or directory"), ("/dev/null/below", "No such file or directory"),
    ("/dev/null/", "Not a directory"), ("/dev/null/..", "Not a directory"), ("/" + "x" * 4095, "File name too long"),
    ("/" + "x/" * 3000, "File name too long"), ("/" + "n" * 256, "No such file or directory"),
    ("/proc/self/status", "/proc/self is another process for each that follows it"),
    (f"/proc/{os.getpid()}/root/dev/null", "Too many levels of symbolic links")])
def test_a_path_that_leads_to_nothing_is_status_1_and_one_line(path, why):
    done = run("self", path)
    assert done.returncode == 1
    [line] = done.stderr.decode().splitlines()
    assert line.endswith(f": {why}")
    assert len(line) < 200
    answer = as_json("self", path, status=1)
    assert (answer["exists"], answer["reason"], answer["backing"], answer["proof"]) == (False, why, None, None)


def test_a_loop_of_links_ends(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    done = run("self", tmp_path / "a")
    assert done.returncode == 1
    assert done.stderr.endswith(b"Too many levels of symbolic links\n")


def test_a_link_to_nothing_says_where_it_leads(tmp_path):
    (tmp_path / "link").symlink_to("/nowhere/at/all")
    done = run("self", tmp_path / "link")
    assert done.returncode == 1
    assert f"{os.path.realpath(tmp_path)}/link -> /nowhere/at/all" in done.stdout.decode()
    answer = as_json("self", tmp_path / "link", status=1)
    assert answer["missing"] == {"below": "/", "name": "nowhere/at/all"}


def test_a_name_below_what_is_missing_goes_no_further_up(tmp_path):
    answer = as_json("self", tmp_path / "gone" / "a" / ".." / "b", status=1)
    assert answer["missing"] == {"below": os.path.realpath(tmp_path), "name": "gone/a"}


def test_a_fifo_is_named_and_never_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with never_opened(tmp_path / "fifo"):
        assert as_json("self", tmp_path / "fifo")["kind"] == "other"


@pytest.mark.parametrize("words", [
    [], ["self"], ["/etc"], ["self", "etc"], ["self", ""], ["self", "/", "/"], ["self", "--jso", "/"], ["0", "/"],
    ["self", "\x1b[31m"], ["\x1b", "/"], ["self", "--json=1", "/"]])
def test_what_is_not_understood_is_status_2_and_one_line(words):
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert done.stderr.decode()[:-1].isprintable()


def test_no_such_process_is_status_1():
    assert said(run(ABSENT, "/")) == (1, f"mapsd: {ABSENT}: no such process\n")
    assert run(ABSENT, "/", "--json").stdout == b""


def test_a_process_that_has_exited_is_status_4():
    with child(lambda: None, stays=False) as pid:
        done = run(pid, "/")
    assert (done.returncode, done.stdout) == (4, b"")


@pytest.mark.usefixtures("root")
def test_what_may_not_be_looked_at_is_status_3(tmp_path):
    with child(lambda: None) as pid:
        done = run(pid, "/dev/null", prefix=NOBODY)
    assert said(done) == (3, f"mapsd: {pid}: root: permission denied: needs CAP_SYS_PTRACE\n")
    (tmp_path / "closed").mkdir(mode=0o700)
    done = run("self", tmp_path / "closed" / "file", prefix=NOBODY)
    assert done.returncode == 3
    assert done.stderr.endswith(b"needs CAP_DAC_READ_SEARCH\n")


def test_a_process_that_ends_meanwhile_is_status_4():
    def ask(_: int, __: bytes) -> Which:
        raise ProcessGone(1, seen=True)
    with pytest.raises(ProcessGone):
        command.run(parse(["1", "/"], command.COMMAND), ask)


def test_the_library_refuses_a_relative_path():
    with Session() as session, pytest.raises(UsageError):
        session.which(os.getpid(), b"etc")


HOSTILE = b"\x1b[31m\n\xff\xe2\x80\xae\\"


def facts(kind: str, **marks: bytes) -> FileFacts:
    return FileFacts(kind, DeviceId(8, 1), 7, 1, 0, 20, None, HOSTILE, tuple(marks.items()))


def composed(found: object, winner: Winner | None, met: tuple[Met, ...]) -> Which:
    """Return an answer whose every name is hostile."""
    process = ProcessFacts(1, 2, HOSTILE, 0, HOSTILE, 4, HOSTILE)
    mount = Mount(20, 1, DeviceId(0, 50), b"/", b"/" + HOSTILE, b"overlay", b"")
    way = Way(b"/" + HOSTILE, found, b"" if isinstance(found, FileFacts) else HOSTILE, (Link(HOSTILE, HOSTILE),))
    return Which(process, "6.18", 1.0, b"/" + HOSTILE, way, mount, None, b"/proc/1/root/" + HOSTILE if winner else None,
                 winner, (Descent(mount, HOSTILE, True, met),))


def backing(role: str, number: int) -> Backing:
    return Backing(b"/" + HOSTILE, DeviceId(8, 1), number, b"ext4", True, role, 1 if role == "lower" else 0, HOSTILE)


LAYERS = (Layer("upper", 0, HOSTILE, None), Layer("lower", 1, HOSTILE, None, certain=False))
MET = (Met(LAYERS[0], HOSTILE, facts("directory", opaque=b"y", redirect=HOSTILE), "passed", False,
           file=backing("upper", 3)),
       Met(LAYERS[0], b"d/" + HOSTILE, facts("file", metacopy=b""), "metacopy", True, file=backing("upper", 4)),
       Met(LAYERS[1], HOSTILE, facts("file"), "opens", True, file=backing("lower", 5)),
       Met(LAYERS[1], HOSTILE, facts("file", whiteout=b""), "whiteout", True, 2, file=backing("lower", 6)),
       Met(LAYERS[1], HOSTILE, facts("file"), "hidden", True, 2, file=backing("lower", 7)),
       Met(LAYERS[1], HOSTILE, Refused("permission denied", "CAP_DAC_READ_SEARCH"), "unknown", True, 2,
           "permission denied", "CAP_DAC_READ_SEARCH"))
WON = Winner(backing("lower", 5)._replace(metadata=backing("upper", 4), through=(backing("lower", 8),)), "lookup")
COMPOSED = {"a file": composed(facts("file"), WON, MET),
            "nothing": composed(Absent(), None, (MET[3]._replace(by=None),)),
            "an unknown one": composed(facts("file"), Winner(None, "none", (), "why", ("CAP_SYS_ADMIN",)), ())}


@pytest.mark.parametrize("what", COMPOSED)
def test_no_control_byte_of_an_answer_is_printed(what):
    for line in which_lines(COMPOSED[what]):
        assert line.isprintable(), line
    found = json.loads(json.dumps(which_object(COMPOSED[what])))
    valid("which", found)
    assert exact(found, "asked_path") == b"/" + HOSTILE


IMAGE = ImageLayers((ImageLayer(2, "sha256:" + "2" * 64, None, b"/image/2", "RUN make"),))
PLAIN = composed(
    facts("file"), WON._replace(backing=WON.backing._replace(layer_path=b"/image/2")),
    tuple(one._replace(layer=one.layer._replace(dir=LayerDir(0, b"/image/2", facts("directory")))) for one in MET[2:3]))
IN_IMAGE = placed.which(PLAIN, Housed(PLAIN.process, 1.0, Container("docker", "b" * 64, None, None), IMAGE))


def test_the_layer_of_the_image_and_its_step_are_named():
    found = IN_IMAGE
    lines = list(which_lines(found))
    assert lines[0] == f"container   {'b' * 64} (docker {'b' * 12})"
    assert f"image       layer 2, sha256:{'2' * 64}" in lines
    assert "step        RUN make" in lines
    assert lines[-1].endswith("(layer 2 of the image)")
    answer = valid("which", json.loads(json.dumps(which_object(found))))
    assert answer["backing"]["layer"]["step"] == answer["overlays"][0]["met"][0]["layer"]["step"] == "RUN make"
    assert answer["container"]["engine"] == "docker"
    assert placed.which(PLAIN, Housed(PLAIN.process, 1.0, Container(None), IMAGE)) == PLAIN


def test_the_text_says_what_lies_where():
    lines = list(which_lines(COMPOSED["a file"]))
    rows = {line.split()[1]: line for line in lines[lines.index("") + 2:]}
    assert rows["passed"].split()[:4] == ["upper:0", "passed", "8:1", "3"]
    assert "(directory; opaque; redirect to " in rows["passed"]
    assert "by attribute" in rows["whiteout"]
    assert rows["hidden"].startswith("lower:1? ")
    assert "by lower:1?" in rows["hidden"]
    assert "permission denied (needs CAP_DAC_READ_SEARCH)" in rows["unknown"]


FORBIDDEN = {
    "a proof that is surer than it is": {"proof": "lookup", "confidence": "proven"},
    "no proof but a file": {"proof": "none", "confidence": "unknown", "reason": "x"},
    "no proof and no reason": {"proof": "none", "confidence": "unknown", "backing": None},
    "what exists without a name": {"user_path": None},
    "what exists and is missing": {"missing": {"below": "/", "name": "x"}},
    "nothing with a kind": {"exists": False},
    "an unknown kind": {"kind": "socket"},
    "a need without a reason": {"needs": ["CAP_SYS_ADMIN"]},
    "a field that nobody knows": {"state": "current"},
    "a control byte": {"user_path": "/a\n"},
    "an escaped path without its bytes": {"links": [{"path": "/a", "target": "\\"}]},
}


@pytest.mark.parametrize("why", FORBIDDEN)
def test_the_schema_refuses(why):
    broken = copy.deepcopy(as_json("self", "/dev/null")) | FORBIDDEN[why]
    with pytest.raises(AssertionError):
        valid("which", broken)


def test_the_text_needs_no_package_and_no_slow_module(checkout, tmp_path):
    names = imported(checkout, tmp_path, "which", "self", "/dev/null")
    assert "mapsd.answer.name" in names
    assert not names & (PACKAGES | SLOW)


def test_help_needs_no_machine(checkout, tmp_path):
    assert not imported(checkout, tmp_path, "which", "--help") & (PACKAGES | SLOW | {"ctypes", "mapsd.linux"})


def test_the_library_is_used_as_the_page_says():
    lines = shown("docs/layers.md")
    program = "\n".join(lines[lines.index("import os"):])
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "/etc" in done.stdout


def test_a_process_in_a_root_of_its_own_is_asked_there(tmp_path):
    if os.geteuid() != 0:
        missing("root", "needs root to change the root")
    (tmp_path / "inside").write_text("text")
    (tmp_path / "absolute").symlink_to("/inside")
    (tmp_path / "out").symlink_to("../../../../../../../../dev/null")
    with child(lambda: os.chroot(tmp_path)) as pid:
        assert as_json(pid, "/absolute")["user_path"] == "/inside"
        assert as_json(pid, "/")["user_path"] == "/"
        assert as_json(pid, "/../../inside")["user_path"] == "/inside"
        assert not as_json(pid, "/out", status=1)["exists"]
        assert not as_json(pid, tmp_path / "inside", status=1)["exists"]
