"""`mapsd translate` on the command line: what is asked for, names of any bytes, and how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mapsd.cli import translate as command
from mapsd.cli.arguments import parse
from mapsd.errors import UsageError
from mapsd.model import Backing, DeviceId, Evidence, FileFacts, Layer, LayerDir, Mount, ProcessFacts, Skipped
from mapsd.model.containers import Container
from mapsd.model.translated import Hider, Inside, Name, Numbered, OnHost, Translation, View, Wanted
from mapsd.session import Session
from mapsd.views.translationjson import translation_object
from mapsd.views.translationtext import translation_lines
from tests.cli.command import BOUND, CHECKOUT, MAPSD, NOBODY, child, exact, mapped, said
from tests.cli.test_lookup import ABSENT, NAMES
from tests.cli.test_thread import threaded
from tests.examples import shown
from tests.layerschemas import valid
from tests.overlay.conftest import lab
from tests.schema import broken
from tests.test_imports import PACKAGES, SLOW, imported

__all__ = ["lab", "threaded"]


def run(*words: object, prefix: tuple[str, ...] | list[str] = ()) -> subprocess.CompletedProcess[bytes]:
    words = [word if isinstance(word, bytes) else str(word) for word in words]
    done = subprocess.run([*prefix, MAPSD, "translate", *words], capture_output=True, timeout=BOUND, check=False)
    assert all(line.startswith(b"mapsd: ") for line in done.stderr.splitlines()), done.stderr.decode()
    assert done.stdout.decode().replace("\n", "").isprintable()
    return done


def as_json(*words: object, status: int = 0) -> dict:
    done = run(*words, "--json")
    assert done.returncode == status, done.stderr
    return valid("translate", json.loads(done.stdout))


def only(answer: dict) -> dict:
    [view] = answer["views"]
    [name] = view["names"]
    return name


def test_a_file_on_no_overlay_is_seen_under_its_own_name(tmp_path):
    file = Path(os.path.realpath(tmp_path)) / "file"
    file.write_text("text")
    name = only(as_json("self", file))
    assert (name["what"], name["user_path"], name["proof"], name["layer"]) == (
        "visible", str(file), "kernel-inode", None)
    assert (name["file"]["path"], name["file"]["inode"]) == (str(file), file.stat().st_ino)
    assert name["backing"]["inode"] == file.stat().st_ino
    done = run("self", file)
    assert said(done) == (0, "")
    assert b"visible" in done.stdout


def test_a_process_in_a_root_of_its_own_has_other_names(tmp_path, root):
    del root
    (tmp_path / "sub").mkdir()
    file = Path(os.path.realpath(tmp_path)) / "sub/file"
    file.write_text("text")
    with child(lambda: os.chroot(tmp_path)) as pid:
        assert only(as_json(pid, file))["user_path"] == "/sub/file"
        of_all = {process: [name["user_path"] for name in view["names"]] for view in as_json(file)["views"]
                  for process in view["pids"]}
    assert (of_all[pid], of_all[os.getpid()]) == (["/sub/file"], [str(file)])


def test_numbers_as_maps_prints_them_lead_to_the_name(tmp_path):
    file = Path(os.path.realpath(tmp_path)) / "file"
    file.write_bytes(b"." * 4096)
    with child(lambda: mapped(file)) as pid:
        [line] = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if str(file) in line]
        device, inode = line[3], line[4]
        for words in ([device, inode], [f"{device}:{inode}"]):
            assert only(as_json(pid, "--hex", *words))["user_path"] == str(file)
        major, _, minor = device.partition(":")
        assert only(as_json(pid, "--decimal", f"{int(major, 16)}:{int(minor, 16)}", inode))["user_path"] == str(file)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_bytes_are_answered_exactly(tmp_path, name):
    path = os.path.join(os.fsencode(os.path.realpath(tmp_path)), name)
    Path(os.fsdecode(path)).write_text("text")
    answer = as_json("self", path)
    assert exact(answer["asked"], "path") == exact(only(answer), "user_path") == path
    assert run("self", path).returncode == 0


def asked(*words: str) -> tuple[Wanted, int | None, int | None]:
    found = []

    def ask(wanted: Wanted, process: int | None, thread: int | None) -> Translation:
        found.append((wanted, process, thread))
        return Translation(wanted, "6.18", 1.0, ())
    assert command.run(parse([*words, "--json"], command.COMMAND), ask)[0] == 1
    return found[0]


MEANT = {  # words: what is asked of which process
    "/etc/passwd": (OnHost(b"/etc/passwd"), None), "12 /etc": (OnHost(b"/etc"), 12),
    "12 --inside /etc": (Inside(b"/etc"), 12), "fe:00 131": (Numbered(DeviceId(254, 0), 131), None),
    "7 fe:00 131": (Numbered(DeviceId(254, 0), 131), 7), "fe:00:131": (Numbered(DeviceId(254, 0), 131), None),
    "7 0:48:131": (Numbered(DeviceId(0, 48), 131), 7), "08:01 5": (Numbered(DeviceId(8, 1), 5), None),
    "8:1 5": (Numbered(DeviceId(8, 1), 5), None), "103:02:5": (Numbered(DeviceId(259, 2), 5), None),
    "259:2 5": (Numbered(DeviceId(259, 2), 5), None), "00:30 8": (Numbered(DeviceId(0, 48), 8), None),
    "--hex 10:12 5": (Numbered(DeviceId(16, 18), 5), None), "--decimal 10:12 5": (Numbered(DeviceId(10, 12), 5), None),
    "--hex 0:3 5": (Numbered(DeviceId(0, 3), 5), None), "--decimal 08:01 5": (Numbered(DeviceId(8, 1), 5), None)}


@pytest.mark.parametrize("words", MEANT)
def test_what_is_meant(words):
    assert asked(*words.split()) == (*MEANT[words], None)
    if MEANT[words][1] is not None:
        assert asked(*words.split(), "--thread", "9") == (*MEANT[words], 9)


@pytest.mark.parametrize("words", [
    "10:12 5", "10:12:5", "259:12 5", "1f:3 5", "f:00 5", "--decimal fe:00 5", "fe: 5", ":00 5", "fe:00", "fe:00 x",
    "fe:00 1 2", "fe:00:", "1:2:3:4", "etc/passwd", "--inside etc", "--inside /a /b", "/a /b", "5", "self", "",
    "123456789:0 5", "fe:00 999999999999999999999", "--hex --decimal 1:2 3", "--hex --inside /a", "\x1b[31m", "0 /etc",
    "--thread 9 /etc", "12 --thread x /etc"])
def test_what_is_not_understood_or_may_mean_two_things_is_refused(words):
    with pytest.raises(UsageError) as refused:
        command.run(parse(words.split(), command.COMMAND), lambda *_: pytest.fail("it was asked"))
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(("name", "why"), [
    ("none", "No such file or directory"), ("link", "a symbolic link: ask for the file that it leads to"),
    ("dir", "a directory"), ("fifo", "no regular file"), ("dir/", "no regular file"),
    ("dir/..", "no regular file"), ("file/", "no regular file")])
def test_what_is_no_file_is_status_1_and_one_line(tmp_path, name, why):
    (tmp_path / "link").symlink_to("dir")
    (tmp_path / "dir").mkdir()
    os.mkfifo(tmp_path / "fifo")
    done = run("self", f"{tmp_path}/{name}")
    assert (done.returncode, done.stdout) == (1, b"")
    [line] = done.stderr.decode().splitlines()
    assert line.endswith(f"no process that was asked has a name for it: {why}")
    assert as_json("self", f"{tmp_path}/{name}", status=1)["views"][0]["names"] == []


def test_a_word_before_what_is_wanted_is_a_container():
    done = run("no-such", "/etc/passwd")
    assert said(done) == (1, "mapsd: 'no-such': neither a PID nor a container that runs and can be seen\n")
    assert said(run("no-such"))[0] == 2


def test_a_thread_that_is_none_of_the_processs_is_status_1():
    done = run("self", "--thread", ABSENT, "/etc/passwd")
    assert (done.returncode, done.stdout) == (1, b"")


def test_no_such_process_is_status_1():
    assert said(run(ABSENT, "/etc/passwd")) == (1, f"mapsd: {ABSENT}: no such process\n")


def test_a_process_that_has_exited_is_status_4():
    with child(lambda: None, stays=False) as pid:
        assert run(pid, "/etc/passwd").returncode == 4


def test_another_users_process_is_status_3_and_of_all_it_is_counted(tmp_path, root):
    del root
    tmp_path.chmod(0o777)
    with child(lambda: None) as pid:
        done = run(pid, "/etc/passwd", prefix=NOBODY)
        assert said(done) == (3, f"mapsd: {pid}: root: permission denied: needs CAP_SYS_PTRACE\n")
        done = run("/etc/passwd", prefix=NOBODY)
    assert done.returncode == 0
    assert b"may not be read" in done.stderr


def test_the_library_refuses_a_relative_path():
    with Session() as session, pytest.raises(UsageError):
        session.translate(OnHost(b"etc"), os.getpid())
    with Session() as session, pytest.raises(UsageError):
        session.translate(Inside(b"etc"))
    with Session() as session, pytest.raises(UsageError):
        session.translate(OnHost(b"/etc"), thread=os.getpid())


HOSTILE = b"\x1b[31m\n\xff\xe2\x80\xae\\"
DIRECTORY = FileFacts("directory", DeviceId(8, 1), 3, 1, 0, 20, None, b"/" + HOSTILE)
LOWER = Layer("lower", 2, HOSTILE, LayerDir(0, b"/" + HOSTILE, DIRECTORY), certain=False)
UPPER = Layer("upper", 0, HOSTILE, None)
MOUNT = Mount(20, 1, DeviceId(0, 50), b"/", b"/" + HOSTILE, b"overlay", b"")
FILE = Backing(b"/" + HOSTILE, DeviceId(8, 1), 5, b"ext4", True, "lower", 2, b"/" + HOSTILE)
OTHER = FILE._replace(inode=6, layer_role="upper", layer_index=0)
SEEN = Name(FILE, LOWER, HOSTILE, b"/" + HOSTILE, b"/proc/1/root/" + HOSTILE, MOUNT, "visible", None,
            FILE._replace(metadata=OTHER), "sole-candidate", (Evidence("lookup", "seen"),))
HIDDEN = SEEN._replace(openable_path=None, what="hidden", by=Hider("copied-up", UPPER, HOSTILE), opens=OTHER)
MADE = Translation(OnHost(b"/" + HOSTILE), "6.18", 1.0, (
    View(ProcessFacts(1, 2, HOSTILE, 0, HOSTILE, 4, HOSTILE), "6.18", 1.0, (1, 7, 9), (
        SEEN, HIDDEN, HIDDEN._replace(by=Hider("mount", mount=MOUNT), opens=None, proof=""),
        HIDDEN._replace(user_path=None, by=None, opens=None, proof="", mount=None, reason="no name leads to it"),
        HIDDEN._replace(what="unknown", by=None, opens=None, proof="none", reason="why", needs=("CAP_SYS_ADMIN",)),
        HIDDEN._replace(what="unreachable", user_path=None, by=None, opens=None, proof="", reason="outside")),
         container=Container("docker", "3f" * 32, "web", "nginx:1", pod="api", namespace="shop")),
    View(ProcessFacts(2, 2, b"two", 0, None, None, None), "6.18", 1.0, (2,), (), (
        Skipped("1 layer of the overlay 0:50", "lost", "CAP_DAC_READ_SEARCH"), Skipped("container", "doubt", "")))))


def test_no_control_byte_of_an_answer_is_printed():
    for line in translation_lines(MADE):
        assert line.isprintable(), line
    found = valid("translate", json.loads(json.dumps(translation_object(MADE))))
    assert exact(found["views"][0]["names"][0], "user_path") == b"/" + HOSTILE


def test_the_text_says_what_each_name_is():
    first, headings, *rows = translation_lines(MADE)
    assert first.startswith("file  /")
    assert headings.split() == ["PID", "CONTAINER", "IMAGE", "POD", "WHAT", "CONFIDENCE", "LAYER", "USER_PATH"]
    web = ["1+2", "web", "nginx:1", "shop/api"]
    assert [row.split()[:7] for row in rows[:6]] == [[*web, *words] for words in (
        ["visible", "proven", "lower:2?"], ["hidden", "proven", "lower:2?"], ["hidden", "-", "lower:2?"],
        ["hidden", "-", "lower:2?"], ["unknown", "unknown", "lower:2?"], ["unreachable", "-", "lower:2?"])]
    assert "(by copied-up upper:0 " in rows[1]
    assert "(by mount 20, overlay on /" in rows[2]
    assert rows[4].endswith("(why (needs CAP_SYS_ADMIN))")
    assert rows[6:] == ["", "not searched by 2: 1 layer of the overlay 0:50: lost (needs CAP_DAC_READ_SEARCH)"]


BARE = Container(None, reason="no engine's store or state is known that it is in")
OF_CONTAINERS = {  # the container, what was skipped of it, its columns and what stands in them
    "none": (None, (), [], []), "not known": (None, (Skipped("container", "why", ""),), ["CONTAINER"], ["?"]),
    "no engine": (BARE, (), ["CONTAINER"], ["(no", "engine)"]),
    "no name": (Container("containerd", "3f"), (Skipped("image layers", "why", ""),), ["CONTAINER"], ["3f"]),
    "no image": (Container("lxc", "web", "web"), (), ["CONTAINER"], ["web"]),
    "a pod": (Container("podman", "3f", "web", "app", pod="team"), (), ["CONTAINER", "IMAGE", "POD"],
              ["web", "app", "team"])}


@pytest.mark.parametrize("which", OF_CONTAINERS)
def test_a_column_of_containers_in_which_nobody_has_anything_is_left_out(which):
    container, skipped, columns, cells = OF_CONTAINERS[which]
    view = MADE.views[0]._replace(names=(SEEN,), container=container, skipped=skipped)
    [_, headings, row] = translation_lines(MADE._replace(views=(view,)))
    assert headings.split() == ["PID", *columns, "WHAT", "CONFIDENCE", "LAYER", "USER_PATH"]
    assert row.split()[:len(cells) + 2] == ["1+2", *cells, "visible"]
    # Whose it is hides nothing: no place was left out for that.
    hidden = view._replace(names=(), container=None)
    assert list(translation_lines(MADE._replace(views=(hidden,)))) == []


def test_a_thread_is_asked_for_its_own_names(threaded):
    base, pid, thread = threaded
    for file, leader, own in ((base / "g", "visible", "visible"), (base / "f", "visible", "hidden")):
        seen = [{name["what"] for name in as_json(*words, file)["views"][0]["names"] if name["user_path"] == str(
            base / "f" if file.name == "f" else base / "g")} for words in ([pid], [pid, "--thread", thread])]
        assert seen == [{leader}, {own}]
    [name] = [name for name in as_json(pid, "--thread", thread, base / "g")["views"][0]["names"]
              if name["user_path"] == str(base / "f")]
    assert name["openable_path"] == f"/proc/{pid}/task/{thread}/root{base}/f"


FORBIDDEN = {
    "a visible file without a name": {"user_path": None}, "a visible file that is hidden": {"hidden_by": {
        "what": "mount", "layer": None, "path": None, "mount": None}},
    "a proof that is surer than it is": {"proof": "lookup"}, "a word that nobody knows": {"what": "seen"},
    "an unknown name without a reason": {"what": "unknown", "openable_path": None},
    "a hidden name that can be opened": {"what": "hidden"}, "a field that nobody knows": {"state": "current"},
    "a control byte": {"user_path": "/a\n"}, "a need without a reason": {"needs": ["CAP_SYS_ADMIN"]}}


@pytest.mark.parametrize("why", FORBIDDEN)
def test_the_schema_refuses(why):
    answer = json.loads(json.dumps(translation_object(MADE)))
    answer["views"][0]["names"][0] |= FORBIDDEN[why]
    assert broken("translate", answer)


def test_the_text_needs_no_package_and_no_slow_module(checkout, tmp_path):
    (tmp_path / "file").write_text("text")
    names = imported(checkout, tmp_path, "translate", "self", str(tmp_path / "file"))
    assert "mapsd.answer.translated" in names
    assert not names & (PACKAGES | SLOW)


def test_help_needs_no_machine(checkout, tmp_path):
    assert not imported(checkout, tmp_path, "translate", "--help") & (PACKAGES | SLOW | {"ctypes", "mapsd.linux"})


def test_the_library_is_used_as_the_page_says():
    lines = shown("docs/translate.md")
    program = "\n".join(lines[lines.index("import os"):])
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "visible" in done.stdout


def test_a_recording_is_asked_as_a_machine_is(tmp_path):
    file = Path(os.path.realpath(tmp_path)) / "file"
    file.write_bytes(b"." * 4096)
    made = tmp_path / "recording"
    with child(lambda: mapped(file)) as pid:
        subprocess.run([MAPSD, "record", str(pid), "-o", made], check=True, capture_output=True, timeout=BOUND)
    assert only(as_json(file, "--from", made))["user_path"] == str(file)
    assert only(as_json(pid, file, "--from", made))["what"] == "visible"
    assert as_json("/not/mapped", "--from", made, status=1)["views"][0]["names"] == []
    for words in (["self", file], [ABSENT, file], ["file"]):
        done = run(*words, "--from", made)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1 if words[0] == ABSENT else 2, b"", 1)
