"""`mapsd demo`: its story is true, whoever runs it, and nothing of it is left behind, however it ends."""

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from mapsd.cli import demo as command
from mapsd.demo import BUILDS, GREET, QUIET, File, Scene, Story
from mapsd.errors import NoContainer
from mapsd.linux.demo.claims import Claims, Opened
from mapsd.linux.demo.contained import OVERLAY, USER_MAP, USER_NAMESPACE, Failed
from mapsd.linux.demo.nocontainer import error_of
from mapsd.model import Answer, Backing, DeviceId, Evidence, Vma
from mapsd.views.demotext import lines
from tests.cli.command import BOUND, MAPSD, NOBODY, until
from tests.cli.golden import golden
from tests.conftest import missing

POWERLESS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
ORDINARY = NOBODY if os.geteuid() == 0 else []


@pytest.fixture
def place() -> Iterator[Path]:
    """Give an empty directory in which everybody may write."""
    made = Path(tempfile.mkdtemp(dir="/tmp"))
    made.chmod(0o777)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def mark() -> str:
    """Give a word that every process of one demo has in its environment."""
    return f"MAPSD_TEST_MARK={secrets.token_hex(16)}"


@pytest.fixture(scope="module")
def tools() -> Iterator[Path]:
    """Give a directory of programs that has a python3 and no lsof."""
    made = Path(tempfile.mkdtemp(dir="/tmp"))
    made.chmod(0o755)
    usual = Path("/usr/bin/python3")
    (made / "python3").symlink_to(usual if usual.exists() else sys.executable)
    yield made
    shutil.rmtree(made)


def environment(place: Path, mark: str, path: str = PATH) -> dict[str, str]:
    return {"PATH": path, "TMPDIR": str(place), **dict([mark.split("=")])}


def shipped(place: Path, mark: str, prefix: list[str], path: str = PATH) -> subprocess.CompletedProcess[str]:
    if not shutil.which("unshare") or not shutil.which("setpriv"):
        missing("root", "needs unshare and setpriv")
    words = [shutil.which(word) or word for word in prefix[:1]] + prefix[1:]
    return subprocess.run([*words, MAPSD, "demo"], capture_output=True, text=True, timeout=BOUND, check=False,
                          env=environment(place, mark, path))


def words(*prefix: str) -> list[str]:
    """Return commands in front of another with their paths, so that they are found whatever PATH is."""
    return [shutil.which(word) or word if word == "setpriv" else word for word in prefix]


def told(place: Path, mark: str, prefix: list[str], path: str = PATH) -> str:
    done = shipped(place, mark, prefix, path)
    if done.returncode and "cannot make a user namespace" in done.stderr:
        missing("root", done.stderr)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def marked(mark: str) -> list[int]:
    """Return the processes that have the mark in their environment, and are no zombies."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mark.encode() in Path(f"/proc/{name}/environ").read_bytes():
                found.append(int(name))
        except OSError:
            continue  # it has ended, or is another user's
    return found


def unwrapped(text: str) -> str:
    """Return a story with every row and paragraph on one line."""
    kept: list[str] = []
    for line in text.splitlines():
        more = line.startswith(" " * 13) or (kept and kept[-1] and line and line[0] != " " and kept[-1][0] != " ")
        if more and not line.startswith("STORE is"):
            kept[-1] += f" {line.strip()}"
        else:
            kept.append(line)
    return "".join(f"{line}\n" for line in kept)


VARYING = {r"\b[0-9a-f]{8,16}-[0-9a-f]{8,16}\b": "RANGE", r"\b[0-9a-f]{2,}:[0-9a-f]{2,} \d+": "DEVICE INODE",
           r"Process \d+": "Process PID", r"user \d+": "user UID", r"STORE is \S+,": "STORE is PATH,",
           r"device \d+:\d+": "device DEVICE", r"inode \d+": "inode INODE", r"file \d+:\d+ \d+": "file DEVICE INODE",
           r"frame 0x[0-9a-f]+": "frame FRAME", r"page \d": "page N"}


def placeless(text: str) -> str:
    """Return a story in which what differs from run to run is a word."""
    for pattern, word in VARYING.items():
        text = re.sub(pattern, word, text)
    return text


def rows(text: str, scene: int) -> dict[str, str]:
    """Return the rows of a scene by their labels."""
    part = unwrapped(text).split(f"\n{scene}. ")[1].split(f"\n{scene + 1}. ")[0]
    return {line[2:13].strip(): line[13:] for line in part.splitlines() if line.startswith("  ")}


def new_enough() -> bool:
    """Return whether maps shows an overlay's inode, and PROCMAP_QUERY may be asked for a build id."""
    return tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 11)


def test_an_ordinary_user_sees_the_whole_story(place, mark, tools):
    text = told(place, mark, words(*ORDINARY, *POWERLESS), str(tools))
    assert max(map(len, text.splitlines())) <= 100
    if not new_enough():
        missing("overlay", "the story that is kept is Linux 6.11's")
    golden("demo/user", placeless(unwrapped(text)))


@pytest.mark.usefixtures("root")
def test_root_sees_all_of_it_settled(place, mark, tools):
    text = told(place, mark, [], str(tools))
    assert max(map(len, text.splitlines())) <= 100
    if not new_enough() or "with every capability" not in text:
        missing("overlay", "the story that is kept is Linux 6.11's with all capabilities")
    golden("demo/root", placeless(unwrapped(text)))


@pytest.mark.parametrize("prefix", [[], ORDINARY])
def test_memory_and_path_differ_after_the_write_and_only_mapsd_says_so(place, mark, prefix):
    text = told(place, mark, prefix)
    before, after = rows(text, 1), rows(text, 2)
    assert before["memory"].startswith("holds build 1")
    assert after["memory"].startswith("holds build 1")
    assert (before["the path"].split(", ")[1], after["the path"].split(", ")[1]) == ("build 1", "build 2")
    assert after["mapsd"].startswith(("copied-up: memory holds STORE/lower/usr/lib/libgreet.so", "unknown: "))
    if new_enough():
        assert after["maps"] == before["maps"]
        assert "proven, proof" in after["mapsd"]


def test_what_lsof_prints_is_printed(place, mark):
    tools = place / "tools"
    tools.mkdir()
    script = tools / "lsof"
    script.write_text(f'#!/bin/sh\necho "x $3 u mem REG 9,9 77 {os.fsdecode(GREET)} ($*)"\n')
    script.chmod(0o755)
    text = told(place, mark, [], f"{tools}:{PATH}")
    pid = re.search(r"Process\s+(\d+)", text)[1]
    assert rows(text, 1)["lsof"] == f"mem REG 9,9 77 {os.fsdecode(GREET)} (-a -p {pid} -d mem,DEL)"
    assert rows(text, 3)["lsof"] == "says nothing of this path"


@pytest.mark.parametrize("prefix", [[], [*ORDINARY, *POWERLESS]])
def test_nothing_is_left(place, mark, prefix):
    before = Path("/proc/self/mountinfo").read_text()
    told(place, mark, prefix)
    assert not list(place.iterdir())
    assert marked(mark) == []
    assert Path("/proc/self/mountinfo").read_text() == before


class Halfway:
    """A demo that waits for its first lsof, in a process group of its own."""

    def __init__(self, place: Path, mark: str, prefix: list[str]) -> None:
        self._place, self._mark = place, mark
        self._tools, self._fifo = place / "tools", place / "tools/fifo"
        self._tools.mkdir()
        os.mkfifo(self._fifo)
        self._lsof(f"exec cat {self._fifo}")
        self.process = subprocess.Popen([*prefix, MAPSD, "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=environment(place, mark, f"{self._tools}:{PATH}"), start_new_session=True)

    def __enter__(self) -> Self:
        self._wait = open(self._fifo, "wb")  # opens when lsof does
        self.keeper, self.container = self._children()
        return self

    def __exit__(self, *_: object) -> None:
        self._wait.close()
        self.process.kill()
        self.process.communicate()
        self.gone()

    def _lsof(self, does: str) -> None:
        (self._tools / "lsof").write_text(f"#!/bin/sh\n{does}\n")
        (self._tools / "lsof").chmod(0o755)
        self._fifo.chmod(0o666)

    def _children(self) -> tuple[int, int]:
        parents = {pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
                   for pid in marked(self._mark)}
        keeper = next(pid for pid, parent in parents.items() if parent == self.process.pid)
        return keeper, next(pid for pid, parent in parents.items() if parent == keeper)

    def goes_on(self) -> tuple[int, str]:
        """Let it go on to its end; return its status and what it said on stderr."""
        self._lsof("exit 0")
        self._wait.close()
        _, said = self.process.communicate(timeout=BOUND)
        return self.process.returncode, said.decode()

    def gone(self) -> None:
        """Wait until neither a process nor a directory is left."""
        until(lambda: marked(self._mark) == [])
        until(lambda: list(self._place.iterdir()) == [self._tools])


@pytest.mark.parametrize("prefix", [[], [*ORDINARY, *POWERLESS]])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_whatever_ends_it_the_container_goes_with_it(place, mark, prefix, number):
    with Halfway(place, mark, prefix) as demo:
        demo.process.send_signal(number)
        assert demo.process.wait(BOUND) == -number
        demo.gone()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_end_of_the_whole_process_group_leaves_nothing_either(place, mark, number):
    with Halfway(place, mark, []) as demo:
        os.killpg(demo.process.pid, number)
        assert demo.process.wait(BOUND) == -number
        demo.gone()


def test_it_says_when_the_process_in_the_container_was_ended(place, mark):
    with Halfway(place, mark, []) as demo:
        os.kill(demo.container, signal.SIGKILL)
        until(lambda: demo.container not in marked(mark))
        assert demo.goes_on() == (70, "mapsd: cannot go on: somebody ended the process in the container\n")


def test_where_the_keeper_was_ended_its_directory_is_removed_all_the_same(place, mark):
    with Halfway(place, mark, []) as demo:
        os.kill(demo.keeper, signal.SIGKILL)
        assert demo.goes_on() == (0, "")


def test_ignored_children_are_waited_for_as_well(place, mark):
    told(place, mark, ["/bin/sh", "-c", "trap '' CHLD; exec \"$@\"", "sh"])
    assert not list(place.iterdir())


def test_a_closed_stdin_and_stdout_are_none_of_the_containers(place, mark):
    done = shipped(place, mark, ["/bin/sh", "-c", 'exec "$@" <&- >&-', "sh"])
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr == "mapsd: cannot write the answer: stdout is closed\n"
    assert not list(place.iterdir())


def forbidden(place: Path, mark: str, more: list[str]) -> subprocess.CompletedProcess[str]:
    inside = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
    return shipped(place, mark, ["unshare", "--user", "--map-root-user", "sh", "-c", inside, "sh", *more])


def test_where_no_user_namespace_may_be_made_one_line_says_so(place, mark):
    done = forbidden(place, mark, POWERLESS)
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr == ("mapsd: cannot make a user namespace: there may be no more of them "
                           "(user.max_user_namespaces is 0 here): raise the limit\n")
    assert not list(place.iterdir())


def test_whoever_may_mount_does_without_one_and_says_so(place, mark):
    done = forbidden(place, mark, [])
    assert (done.returncode, done.stderr) == (0, "")
    assert "rootless engines make them: a mount namespace, and an overlay" in unwrapped(done.stdout)
    assert "It has no user namespace: cannot make a user namespace: " in unwrapped(done.stdout)
    assert not list(place.iterdir())


@pytest.mark.usefixtures("root")
def test_what_is_forbidden_has_a_status_of_its_own(place, mark):
    script = f'mount --rbind / {place} && exec {shutil.which("chroot", path=PATH)} {place} "$@"'
    done = shipped(place, mark, ["unshare", "-m", "sh", "-c", script, "sh", *NOBODY])
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("mapsd: cannot make a user namespace: Operation not permitted: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("root")
def test_a_directory_that_can_be_no_upper_layer_is_passed_over(place, mark):
    (place / "m").mkdir()
    script = (f"mount -t tmpfs t {place} && cd {place} && mkdir l u w m && "
              f'mount -t overlay o -o lowerdir=l,upperdir=u,workdir=w m && TMPDIR={place}/m exec "$@"')
    text = told(place, mark, ["unshare", "-m", "sh", "-c", script, "sh"])
    assert not re.search(rf"STORE is {place}", text)


@pytest.mark.parametrize("name", ["a,b", "a:b", "a\\b"])
def test_a_directory_whose_name_options_would_need_escaped_is_passed_over(place, mark, name):
    other = place / name
    other.mkdir(mode=0o777)
    text = told(other, mark, [])
    assert f"STORE is {place}" not in text


def test_its_help_needs_no_machine():
    done = subprocess.run([MAPSD, "demo", "--help"], capture_output=True, text=True, check=True, timeout=BOUND)
    assert "exit status: 0 shown" in done.stdout
    assert command.COMMAND.name == "demo"


def test_it_takes_no_operand():
    done = subprocess.run([MAPSD, "demo", "1"], capture_output=True, text=True, check=False, timeout=BOUND)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize(("step", "number", "words"), [
    (USER_NAMESPACE, 22, "CONFIG_USER_NS"), (USER_NAMESPACE, 12, "Cannot allocate memory"),
    (USER_NAMESPACE, 1, "run it outside"), (USER_MAP, 1, "Operation not permitted"),
    (OVERLAY, 19, "modprobe overlay"), (OVERLAY, 1, "before Linux 5.11"), (OVERLAY, 22, "set TMPDIR"),
    ("keep it running", 0, "it ended by itself"),
])
def test_each_step_that_can_fail_says_why_and_what_would_help(step, number, words):
    error = error_of(Failed(step, number))
    assert str(error).startswith(f"cannot {step}: ")
    assert words in str(error)
    assert error.denied == (number == 1)
    assert isinstance(error, NoContainer)


VMA = Vma(0x1000, 0x3000, "r--p", 0, DeviceId(0, 50), 7, GREET)


def claims(path: bytes, held: bytes | str, opened: bytes | str, **more: object) -> Claims:
    found = opened if isinstance(opened, str) else Opened(7, len(opened), opened)
    vma = VMA._replace(name=path)
    line = b"1000-3000 r--p 00000000 00:32 7      " + path
    return Claims(vma, line, path, "refused", found, held, ())._replace(**more)


def story(after: Scene) -> str:
    before = Scene(GREET, claims(GREET, BUILDS[1], BUILDS[1]), after.answer)
    silent = Scene(QUIET, claims(QUIET, BUILDS[1], BUILDS[1]), after.answer)
    quiet = tuple(File(b"/s/" + name + QUIET, 1, number, 1) for number, name in enumerate((b"lower", b"upper")))
    return "\n".join(lines(Story(1, b"/s", "", 1000, (), before, after, silent, quiet)))


def unknown() -> Answer:
    return Answer(VMA, "file", state="unknown", reason="why\x1b[31m", needs=("CAP_SYS_ADMIN",))


def test_what_could_not_be_read_is_not_said_to_be_something_else():
    text = story(Scene(GREET, claims(GREET, "Permission denied", "No such file", lsof="is not installed"), unknown()))
    assert rows(text, 2)["memory"] == "may not be read (Permission denied)"
    assert rows(text, 2)["the path"] == "may not be opened (No such file)"
    assert rows(text, 2)["lsof"] == "is not installed"
    assert "Memory holds" not in text
    assert "neither" not in text
    assert "as before: maps, the map_files link." in text


def test_an_unknown_answer_has_its_reason_and_its_needs_and_no_control_byte():
    text = story(Scene(GREET, claims(GREET, BUILDS[1], BUILDS[2]), unknown()))
    assert rows(text, 2)["mapsd"] == "unknown: why\\x1b[31m what would settle it: CAP_SYS_ADMIN"
    assert "Which of them is mapped is not" in unwrapped(text)
    assert all(line.isprintable() for line in text.splitlines())


def test_a_kernel_that_prints_the_layer_file_is_believed():
    backing = Backing(b"/s/lower" + GREET, DeviceId(254, 0), 7, b"ext4", True, "lower", 1, b"/s/lower")
    seen = Evidence("kernel-inode", "maps prints the backing file's device 254:0 and inode 7")
    answer = Answer(VMA, "file", backing=backing, state="copied-up", proof="kernel-inode", evidence=(seen,))
    text = story(Scene(GREET, claims(GREET, BUILDS[1], BUILDS[2], line=b"other"), answer))
    assert rows(text, 2)["mapsd"].startswith("copied-up: memory holds STORE/lower/usr/lib/libgreet.so, the path opens")
    assert "as before: the map_files link, lsof." in text
    assert "kernel-inode tells them apart" in unwrapped(text)


@pytest.mark.usefixtures("root")
def test_the_layers_may_be_on_a_tmpfs(place, mark):
    script = f'mount -t tmpfs t {place} && chmod 777 {place} && exec "$@"'
    text = told(place, mark, ["unshare", "-m", "sh", "-c", script, "sh", *ORDINARY, *POWERLESS])
    assert f"STORE is {place}" in text
    assert rows(text, 2)["mapsd"].startswith("copied-up" if new_enough() else "")


def test_the_libraries_are_files_that_other_tools_read(place):
    if shutil.which("readelf") is None:
        missing("overlay", "needs readelf")
    for number, image in BUILDS.items():
        path = place / f"{number}.so"
        path.write_bytes(image)
        done = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True)
        assert f"Build ID: {str(number) * 40}\n" in done.stdout
        assert done.stderr == ""
