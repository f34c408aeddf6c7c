"""`mapsd fds` on real processes: every kind of open file, names of any bytes, and how it ends."""

import contextlib
import copy
import ctypes
import json
import os
import select
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import BOUND, CHECKOUT, MAPSD, NOBODY, child, exact, said
from tests.cli.test_lookup import ABSENT, NAMES
from tests.conftest import missing
from tests.examples import shown
from tests.fds import validate
from tests.test_imports import PACKAGES, SLOW, imported

HEADINGS = ["FD", "KIND", "STATE", "LAYER", "CONFIDENCE", "USER_PATH", "BACKING"]


def run(*words: object, prefix: tuple[str, ...] | list[str] = ()) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run([*prefix, MAPSD, "fds", *map(str, words)], capture_output=True, timeout=BOUND, check=False)
    assert all(line.startswith(b"mapsd: ") for line in done.stderr.splitlines()), done.stderr.decode()
    return done


def as_json(*words: object, prefix: tuple[str, ...] = ()) -> dict:
    done = run(*words, "--json", prefix=prefix)
    assert said(done) == (0, "")
    return validate(json.loads(done.stdout))


def by_fd(answer: dict) -> dict[object, dict]:
    return {file["fd"]: file for file in answer["open_files"]}


@pytest.fixture
def sleeper():
    with child(lambda: None) as pid:
        yield pid


def test_every_link_is_a_row(sleeper):
    answer = as_json(sleeper)
    numbers = sorted(map(int, os.listdir(f"/proc/{sleeper}/fd")))
    assert [file["fd"] for file in answer["open_files"]] == ["exe", "cwd", "root", *numbers]
    for file in answer["open_files"]:
        name = file["fd"] if isinstance(file["fd"], str) else f"fd/{file['fd']}"
        assert file["shown"]["path"] == os.readlink(f"/proc/{sleeper}/{name}")
    lines = run(sleeper).stdout.decode().splitlines()
    assert lines[0].split() == HEADINGS
    assert [line.split()[0] for line in lines[1:]] == ["exe", "cwd", "root", *map(str, numbers)]


def test_several_processes_are_an_array_or_a_line_each(sleeper):
    several = json.loads(run(sleeper, os.getpid(), "--json").stdout)
    assert [validate(one)["process"]["pid"] for one in several] == [sleeper, os.getpid()]
    lines = run("--ndjson", sleeper, os.getpid()).stdout.splitlines()
    assert [validate(json.loads(line))["process"]["pid"] for line in lines] == [sleeper, os.getpid()]
    assert run(sleeper, "self").stdout.startswith(b"%d " % sleeper)
    assert json.loads(run(ABSENT, ABSENT, "--json").stdout) == []


def test_exe_cwd_and_root_are_what_they_are(tmp_path):
    with child(lambda: os.chdir(tmp_path)) as pid:
        found = by_fd(as_json(pid))
        assert [found[name]["user_path"] for name in ("exe", "cwd", "root")] == [
            os.readlink(f"/proc/{pid}/exe"), str(tmp_path), "/"]
    assert {found[name]["state"] for name in ("exe", "cwd", "root")} == {"current"}
    seen = os.stat(tmp_path)
    assert found["cwd"]["backing"]["inode"] == seen.st_ino
    assert (found["cwd"]["kind"], found["cwd"]["openable_path"]) == ("directory", f"/proc/{pid}/root{tmp_path}")


def opened(path: Path) -> dict[str, int]:
    """Open one file of every kind."""
    os.mkfifo(path / "fifo")
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(os.fsencode(path / "socket"))
    (path / "link").symlink_to("nowhere")
    (path / "file").write_text("text")
    epoll = select.epoll()
    found = {
        "pipe": os.pipe()[0], "socket": bound.detach(), "bound": os.open(path / "socket", os.O_PATH),
        "fifo": os.open(path / "fifo", os.O_RDWR), "epoll": os.dup(epoll.fileno()),
        "memfd": os.memfd_create("m"),
        "device": os.open("/dev/zero", os.O_RDWR), "namespace": os.open("/proc/self/ns/mnt", os.O_RDONLY),
        "proc": os.open("/proc/self/stat", os.O_RDONLY),
        "directory": os.open(path, os.O_RDONLY), "symlink": os.open(path / "link", os.O_PATH | os.O_NOFOLLOW),
        "file": os.open(path / "file", os.O_WRONLY | os.O_APPEND), "named": os.open(path / "file", os.O_PATH),
        "unnamed": os.open(path, os.O_TMPFILE | os.O_RDWR)}
    os.lseek(found["file"], 3, os.SEEK_SET)
    return found


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    path = tmp_path_factory.mktemp("kinds")
    fds: dict[str, int] = {}
    reader, writer = os.pipe()

    def body() -> object:
        made = opened(path)
        os.write(writer, json.dumps(made).encode())
        return made
    with child(body) as pid:
        fds = json.loads(os.read(reader, 4096))
        found = by_fd(as_json(pid))
        table = run(pid).stdout.decode()
    for fd in (reader, writer):
        os.close(fd)
    return path, pid, {name: found[fd] for name, fd in fds.items()}, table


@pytest.mark.parametrize(("name", "kind", "state", "access", "user_path"), [
    ("pipe", "pipe", None, "read", None), ("socket", "socket", None, "read-write", None),
    ("bound", "socket", "current", "path", "socket"), ("fifo", "fifo", "current", "read-write", "fifo"),
    ("epoll", "anon_inode", None, "read-write", None), ("memfd", "memfd", None, "read-write", None),
    ("namespace", "other", None, "read", None), ("directory", "directory", "current", "read", ""),
    ("symlink", "symlink", "current", "path", "link"), ("file", "file", "current", "write", "file"),
    ("named", "file", "current", "path", "file"), ("unnamed", "file", "deleted", "read-write", None)])
def test_a_kind_of_open_file(kinds, name, kind, state, access, user_path):
    path, pid, found, _ = kinds
    file = found[name]
    assert (file["kind"], file["state"], file["access"]) == (kind, state, access)
    if user_path is not None:
        assert file["user_path"] == str(path / user_path)
        assert file["openable_path"] == f"/proc/{pid}/root{path / user_path}"
    if kind in {"file", "directory", "symlink"}:
        assert file["proof"] == "kernel-inode"
        assert file["backing"]["inode"] == file["shown"]["inode"]
    else:
        assert (file["backing"], file["proof"], file["reason"]) == (None, None, None)


def test_a_device_and_a_file_of_proc_have_their_names(kinds):
    _, _, found, _ = kinds
    assert (found["device"]["kind"], found["device"]["user_path"]) == ("device", "/dev/zero")
    assert (found["proc"]["kind"], found["proc"]["mount"]["fs_type"]) == ("file", "proc")
    assert found["proc"]["user_path"].endswith("/stat")


def test_flags_and_position_are_as_in_fdinfo(kinds):
    _, _, found, _ = kinds
    assert found["file"]["position"] == 3
    assert int(found["file"]["flags"], 8) & os.O_APPEND
    assert found["file"]["flags"].startswith("0")


def test_what_has_no_name_is_shown_in_brackets(kinds):
    _, _, found, table = kinds
    for name in ("pipe", "socket", "epoll", "namespace"):
        assert f"[{found[name]['shown']['path']}]" in table
    assert "[/memfd:m (deleted)]" in table


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_any_bytes_is_exact_in_json_and_harmless_in_the_table(tmp_path, name):
    path = os.path.join(os.fsencode(tmp_path), name)
    Path(os.fsdecode(path)).write_bytes(b".")
    with child(lambda: os.open(path, os.O_RDONLY)) as pid:
        named = [file for file in as_json(pid)["open_files"] if file["kind"] == "file" and file["state"] == "current"
                 and exact(file, "user_path") == path]
        assert os.stat(exact(named[0], "openable_path")).st_ino == os.stat(path).st_ino
        table = run(pid).stdout.decode()
        os.unlink(path)
        gone = next(file for file in as_json(pid)["open_files"] if file["fd"] == named[0]["fd"])
    assert all(char.isprintable() or char == "\n" for char in table)
    assert (gone["state"], exact(gone, "user_path"), gone["openable_path"]) == ("deleted", path, None)
    assert gone["backing"]["path"] is None


def test_a_file_that_another_took_the_name_of_is_replaced(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).write_text(name)
    with child(lambda: os.open(tmp_path / "old", os.O_RDONLY)) as pid:
        inode = os.stat(tmp_path / "old").st_ino
        (tmp_path / "new").rename(tmp_path / "old")
        found = [file for file in as_json(pid)["open_files"] if file["user_path"] == str(tmp_path / "old")]
    assert [(file["state"], file["backing"]["inode"], file["backing"]["path"]) for file in found] == [
        ("replaced", inode, None)]


def test_another_link_of_a_deleted_name_does_not_keep_it_alive(tmp_path):
    (tmp_path / "one").write_text("one")
    (tmp_path / "two").hardlink_to(tmp_path / "one")
    with child(lambda: os.open(tmp_path / "one", os.O_RDONLY)) as pid:
        (tmp_path / "one").unlink()
        found = [file for file in as_json(pid)["open_files"] if file["shown"]["path"].startswith(f"{tmp_path}/")]
    assert [(file["state"], file["user_path"]) for file in found] == [("deleted", str(tmp_path / "one"))]


def test_a_name_that_is_longer_than_the_kernel_prints(tmp_path):
    def body() -> int:
        os.chdir(tmp_path)
        for _ in range(25):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
        return os.open("file", os.O_CREAT | os.O_RDWR)
    with child(body) as pid:
        found = [file for file in as_json(pid)["open_files"] if file["shown"]["path"] is None]
    assert [(file["kind"], file["state"], file["user_path"]) for file in found] == [
        ("directory", "unknown", None), ("file", "unknown", None)]
    assert all("longer" in file["reason"] for file in found)


@pytest.mark.parametrize("words", [[], ["0"], ["self", "0x0"], ["--json", "--ndjson", "self"], ["--proof", "self"],
                                   ["--proof=build-id", "self"], ["--files", "self"]])
def test_what_is_not_understood_is_status_2(words):
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)


def test_a_missing_process_is_status_1():
    assert said(run(ABSENT)) == (1, f"mapsd: {ABSENT}: no such process\n")


def test_a_zombie_has_nothing_open():
    with child(lambda: None, stays=False) as pid:
        assert as_json(pid)["open_files"] == []


def test_a_kernel_thread_has_no_program():
    if os.geteuid() != 0 or Path("/proc/2/comm").read_text() != "kthreadd\n":
        missing("kernel-thread", "kernel threads may not be looked at here")
    assert set(by_fd(as_json(2))) == {"cwd", "root"}


@pytest.mark.usefixtures("root")
def test_a_process_that_may_not_be_read_is_status_3_and_names_the_capability(sleeper):
    if shutil.which("setpriv") is None:
        missing("root", "needs setpriv")
    assert said(run(sleeper, prefix=NOBODY)) == (3, f"mapsd: {sleeper}: fd: permission denied: needs CAP_SYS_PTRACE\n")


@pytest.mark.usefixtures("root")
def test_without_the_right_to_list_descriptors_the_links_beside_them_are_answered(sleeper):
    if shutil.which("setpriv") is None:
        missing("root", "needs setpriv")
    prefix = (*NOBODY, "--inh-caps", "-all,+sys_ptrace", "--ambient-caps", "+sys_ptrace")
    answer = as_json(sleeper, prefix=prefix)
    assert [file["fd"] for file in answer["open_files"]] == ["exe", "cwd", "root"]
    # Where a directory on the way may not be entered, the name cannot be looked up.
    assert all(file["state"] == "current" or file["needs"] for file in answer["open_files"])
    assert answer["skipped"] == [{"what": "fd", "reason": "Permission denied", "needs": "CAP_DAC_READ_SEARCH"}]


@pytest.mark.usefixtures("root")
def test_an_ordinary_user_gets_an_answer_for_a_process_of_his_own():
    if shutil.which("setpriv") is None:
        missing("root", "needs setpriv")
    answer = as_json("self", prefix=tuple(NOBODY))
    assert answer["process"]["uid"] == 65534
    assert {file["state"] for file in answer["open_files"] if file["kind"] in {"file", "directory"}} == {"current"}


def test_memory_of_huge_pages_and_secret_memory_are_no_files():
    def body() -> list[int]:
        made = []
        with contextlib.suppress(OSError):
            made.append(os.memfd_create("huge", os.MFD_HUGETLB))
        secret = ctypes.CDLL(None).syscall(447, 0)  # memfd_secret(2), one number everywhere
        return [*made, secret]
    with child(body) as pid:
        found = [file for file in as_json(pid)["open_files"] if (file["shown"]["path"] or "").startswith(
            ("/memfd:huge", "/secretmem"))]
    for file in found:
        assert file["state"] in {None, "unknown"}, file
        assert file["kind"] == "memfd" or file["shown"]["path"] == "/secretmem (deleted)"


def test_a_table_needs_no_package_and_no_slow_module(checkout, tmp_path):
    names = imported(checkout, tmp_path, "fds", "self")
    assert "mapsd.answer.openfiles" in names
    assert not names & (PACKAGES | SLOW)


def test_help_needs_no_machine(checkout, tmp_path):
    assert not imported(checkout, tmp_path, "fds", "--help") & (PACKAGES | SLOW | {"ctypes", "mapsd.linux"})


def test_the_library_is_used_as_the_page_says():
    lines = shown("docs/fds.md")
    program = "\n".join(lines[lines.index("import os"):])
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("exe file ")


FORBIDDEN = {
    "a descriptor that is copied-up": {"state": "copied-up"},
    "a file without a state": {"state": None},
    "an unknown state without a reason": {"state": "unknown", "reason": None},
    "no backing and no reason": {"backing": None, "proof": "none", "confidence": "unknown", "reason": None},
    "a build id as proof": {"proof": "build-id"},
    "a pipe with a name": {"kind": "pipe"},
    "a device with a backing": {"kind": "device"},
    "a detached file with a name": {"state": "detached"},
    "a current file without a name": {"user_path": None},
    "a number as text": {"fd": "3"},
    "a program with a position": {"fd": "exe"},
    "flags that are not octal": {"flags": "0x8000"},
    "a field that nobody knows": {"start": "0x0"},
    "a control byte": {"user_path": "/a\n"},
}


@pytest.mark.parametrize("why", FORBIDDEN)
def test_the_schema_refuses(kinds, why):
    _, _, found, _ = kinds
    answer = as_json("self")
    broken = copy.deepcopy(answer)
    broken["open_files"] = [{**found["file"], **FORBIDDEN[why]}]
    with pytest.raises(AssertionError, match="open_files"):
        validate(broken)
