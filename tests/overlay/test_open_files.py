"""One open file, one truth: literal expectations for descriptors, exe, cwd and root on real overlay mounts."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fds import answered
from tests.hostile.conftest import storm
from tests.hostile.servers import server_of
from tests.overlay import kernel
from tests.overlay.capabilities import LACKING
from tests.overlay.conftest import asked as mappings
from tests.overlay.files import fill, identity
from tests.overlay.openers import Opener, asked
from tests.overlay.scenes import gone
from tests.overlay.target import PAGE, Target

MS_STRICTATIME = 1 << 24
MANY, SECONDS = 2000, 20


class Layers:
    """An overlay of a lower and an upper, and what is below."""

    def __init__(self, base: Path) -> None:
        self.base, self.lower, self.upper, self.merged = base, base / "l", base / "u", base / "m"
        for path in (self.lower, self.upper, base / "w", self.merged):
            path.mkdir()

    def mount(self, options: str = "") -> None:
        kernel.mount("overlay", self.merged, "overlay", 0,
                     f"lowerdir={self.lower},upperdir={self.upper},workdir={self.base}/w{options}")


@pytest.fixture
def layers(base) -> Iterator[Layers]:
    made = Layers(base)
    for name in ("one", "two", "dir/deep", "other/deep"):
        fill(made.lower / name, f"lower {name}")
    made.mount()
    yield made
    gone(made.merged)


@pytest.fixture
def opener(mapper) -> Iterator[Opener]:
    with Opener(mapper) as target:
        yield target


def links(pid: int) -> dict[str, dict]:
    return {file["fd"]: file for file in answered(pid)["open_files"] if isinstance(file["fd"], str)}


def short(file: dict) -> tuple:
    backing = file["backing"]
    return file["state"], file["user_path"], backing and backing["path"], backing and backing["layer"] and (
        backing["layer"]["role"])


def test_a_descriptor_that_was_open_before_a_write_reads_the_copy(layers, opener):
    path, below, copy = layers.merged / "one", layers.lower / "one", layers.upper / "one"
    number = opener.open(path)
    assert short(asked(opener.pid)[number]) == ("current", str(path), str(below), "lower")
    with path.open("r+b") as file:
        file.write(b"changed")
    assert opener.memory(number) == copy.read_bytes()[:PAGE] != below.read_bytes()[:PAGE]
    found = asked(opener.pid)[number]
    assert (*short(found), found["proof"]) == ("current", str(path), str(copy), "upper", "sole-candidate")
    assert (found["backing"]["device"], found["backing"]["inode"]) == identity(copy)


def test_mmap_of_an_old_descriptor_maps_the_lower_file(layers, mapper):
    path = layers.merged / "one"
    fd = os.open(path, os.O_RDONLY)
    try:
        with Target(mapper, pass_fds=[fd]) as target:
            with path.open("r+b") as file:
                file.write(b"changed")
            held = asked(target.pid)[fd]
            address = target.ask("fdmap", "s", fd)
            assert target.memory(address) == (layers.lower / "one").read_bytes()[:PAGE]
            assert short(held) == ("current", str(path), str(layers.upper / "one"), "upper")
            assert short(mappings(target.pid)[address]) == ("copied-up", str(path), str(layers.lower / "one"), "lower")
    finally:
        os.close(fd)


def test_a_copy_that_changed_no_byte_is_what_is_read(layers, opener):
    number = opener.open(layers.merged / "one")
    (layers.merged / "one").chmod(0o600)
    found = asked(opener.pid)[number]
    assert short(found) == ("current", str(layers.merged / "one"), str(layers.upper / "one"), "upper")
    with (layers.upper / "one").open("r+b") as file:
        file.write(b"only here")
    assert opener.memory(number).startswith(b"only here")


def test_the_program_opens_its_copy_while_its_text_is_the_lower_file(layers, mapper):
    # The lower layer is the mounted one's: a file that was not looked up yet may still be put there.
    shutil.copy(mapper, layers.lower / "program")
    program = layers.merged / "program"
    with Target(program) as target:
        before = links(target.pid)["exe"]
        program.chmod(0o700)
        after = links(target.pid)["exe"]
        text = [short(one) for one in mappings(target.pid).values() if one["user_path"] == str(program)]
    assert short(before) == ("current", str(program), str(layers.lower / "program"), "lower")
    assert short(after) == ("current", str(program), str(layers.upper / "program"), "upper")
    assert set(text) == {("copied-up", str(program), str(layers.lower / "program"), "lower")}


def test_a_deleted_program_is_deleted(layers, mapper):
    shutil.copy(mapper, layers.lower / "program")
    program = layers.merged / "program"
    with Target(program) as target:
        program.unlink()
        assert short(links(target.pid)["exe"]) == ("deleted", str(program), str(layers.lower / "program"), "lower")


def test_a_directory_of_an_overlay_has_a_name_and_no_one_backing(layers, opener):
    opener.ask("chdir", layers.merged / "dir")
    number = opener.open(layers.merged / "dir", os.O_RDONLY | os.O_DIRECTORY)
    for file in (links(opener.pid)["cwd"], asked(opener.pid)[number]):
        assert (file["kind"], *short(file)) == ("directory", "current", str(layers.merged / "dir"), None, None)
        assert "mapsd which" in file["reason"]
        assert file["needs"] is None


def test_a_directory_of_another_filesystem_backs_itself(layers, opener):
    opener.ask("chdir", layers.lower)
    cwd = links(opener.pid)["cwd"]
    assert short(cwd) == ("current", str(layers.lower), str(layers.lower), None)
    assert (cwd["backing"]["device"], cwd["backing"]["inode"]) == identity(layers.lower)


@pytest.mark.parametrize("done", ["renamed", "deleted", "replaced", "covered", "detached", "outside the root"])
def test_a_working_directory(layers, opener, done):
    path = layers.merged / "dir"
    opener.ask("chdir", path)
    state, name = done, str(path)
    if done == "renamed":
        # Without redirect_dir only a directory of the upper layer alone can be renamed.
        (layers.merged / "new").mkdir()
        opener.ask("chdir", layers.merged / "new")
        (layers.merged / "new").rename(layers.merged / "moved")
        state, name = "current", f"{layers.merged}/moved"
    elif done in {"deleted", "replaced"}:
        shutil.rmtree(path)
        if done == "replaced":
            path.mkdir()
    elif done == "covered":
        opener.ask("bind", layers.merged / "other", path)
    elif done == "detached":
        opener.ask("detach", layers.merged)
        name = None
    else:
        opener.ask("chroot", layers.merged / "other")
        opener.ask("chdir", Path("/"))
        number = opener.open(Path("/"), os.O_RDONLY | os.O_DIRECTORY)
        assert (asked(opener.pid)[number]["state"], asked(opener.pid)[number]["user_path"]) == ("current", "/")
        assert links(opener.pid)["root"]["user_path"] == "/"
        return
    found = links(opener.pid)["cwd"]
    assert (found["state"], found["user_path"]) == (state, name), found
    if done == "covered":
        opener.ask("detach", path)


def test_a_directory_outside_of_the_root_is_unreachable(layers, opener):
    number = opener.open(layers.merged / "dir", os.O_RDONLY | os.O_DIRECTORY)
    opener.ask("chroot", layers.merged / "other")
    found = asked(opener.pid)[number]
    assert (found["state"], found["user_path"], found["host_path"]) == ("unreachable", None, None)


def test_what_lies_under_the_mount_of_the_root_is_unreachable(layers, opener):
    opener.ask("newns")
    opener.ask("bind", layers.lower, layers.merged)
    number = opener.open(layers.merged, os.O_RDONLY | os.O_DIRECTORY)
    opener.ask("bind", layers.upper, layers.merged)
    opener.ask("chroot", layers.merged)
    root, found = links(opener.pid)["root"], asked(opener.pid)[number]
    assert short(root) == ("current", "/", str(layers.upper), None)
    assert (found["state"], found["user_path"]) == ("unreachable", None), found


def test_what_is_mounted_over_the_root_is_not_the_root(layers, opener):
    opener.ask("newns")
    opener.ask("bind", layers.lower, layers.merged)
    opener.ask("pivot", layers.merged)
    opener.ask("bind", Path("/dir"), Path("/"))
    over = opener.open(Path("/.."), os.O_RDONLY | os.O_DIRECTORY)
    root, found = links(opener.pid)["root"], asked(opener.pid)[over]
    assert (root["state"], root["user_path"]) == ("current", "/")
    assert found["shown"]["inode"] == os.stat(layers.lower / "dir").st_ino != root["shown"]["inode"]
    assert (found["state"], found["user_path"]) == ("unknown", None), found


@pytest.mark.parametrize("name", ["plain", "dir (deleted)", "new\nline", "back\\slash", r"new\012line", "\udcff"])
def test_a_directory_of_any_name(layers, opener, name):
    path = layers.merged / name
    path.mkdir()
    opener.ask("chdir", path)
    assert os.fsdecode(exact(links(opener.pid)["cwd"])) == str(path)
    path.rmdir()
    found = links(opener.pid)["cwd"]
    assert (found["state"], os.fsdecode(exact(found))) == ("deleted", str(path))


def exact(file: dict) -> bytes:
    from tests.cli.command import exact as of  # noqa: PLC0415
    return of(file, "user_path")


def test_a_file_without_a_name(layers, opener):
    number = opener.open(layers.merged, os.O_TMPFILE | os.O_RDWR)
    found = asked(opener.pid)[number]
    assert (found["state"], found["backing"]["layer"]["role"], found["backing"]["path"]) == ("deleted", "upper", None)
    assert found["user_path"].startswith(f"{layers.merged}/#")


def test_a_descriptor_that_only_names_its_file(layers, opener):
    (layers.merged / "link").symlink_to("one")
    named = opener.open(layers.merged / "one", os.O_PATH)
    link = opener.open(layers.merged / "link", os.O_PATH | os.O_NOFOLLOW)
    found = asked(opener.pid)
    assert (found[named]["access"], *short(found[named])) == (
        "path", "current", str(layers.merged / "one"), str(layers.lower / "one"), "lower")
    assert (found[link]["kind"], *short(found[link])) == (
        "symlink", "current", str(layers.merged / "link"), str(layers.upper / "link"), "upper")
    assert found[link]["backing"]["inode"] == os.lstat(layers.upper / "link").st_ino
    (layers.merged / "link").unlink()
    (layers.merged / "link").symlink_to("two")
    assert asked(opener.pid)[link]["state"] == "replaced"


def test_named_nodes_are_never_opened(layers, opener):
    os.mkfifo(layers.merged / "fifo")
    os.mknod(layers.merged / "null", 0o20600, os.makedev(1, 3))
    fifo = opener.open(layers.merged / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    null = opener.open(layers.merged / "null", os.O_RDWR)
    found = asked(opener.pid)
    assert [(found[fd]["kind"], found[fd]["access"], *short(found[fd])[:3]) for fd in (fifo, null)] == [
        ("fifo", "read", "current", str(layers.merged / "fifo"), None),
        ("device", "read-write", "current", str(layers.merged / "null"), None)]


def test_memory_is_told_from_a_file_that_imitates_its_text(layers, opener):
    fill(layers.merged / "memfd:x", "no memory")
    number = opener.open(layers.merged / "memfd:x")
    (layers.merged / "memfd:x").unlink()
    opener.ask("detach", layers.merged)
    found = asked(opener.pid)[number]
    assert (found["shown"]["path"], found["kind"], found["state"]) == ("/memfd:x (deleted)", "file", "detached")


@pytest.mark.parametrize("lacking", ["none", *LACKING])
def test_neither_times_nor_positions_change(base, mapper, lacking):
    strict = base / "strict"
    strict.mkdir()
    kernel.mount("strict", strict, "tmpfs", MS_STRICTATIME)
    made = Layers(strict)
    for name in ("one", "two", "three"):
        fill(made.lower / name, f"lower {name}")
    made.mount()
    kernel.mount("none", made.merged, None, kernel.MS_BIND | 32 | MS_STRICTATIME)
    with Opener(mapper) as target:
        for name in ("one", "two", "three"):
            target.open(made.merged / name)
        with (made.merged / "one").open("r+b") as file:
            file.write(b"changed")
        (made.merged / "two").unlink()
        before = times(strict), positions(target.pid)
        found = asked(target.pid, numbers=LACKING.get(lacking, ()))
        assert (times(strict), positions(target.pid)) == before
    assert len(found) >= 3
    gone(made.merged)
    gone(strict)


def times(top: Path) -> dict[str, tuple[int, int, int]]:
    paths = [os.path.join(directory, name) for directory, _, names in os.walk(top) for name in names]
    return {path: (seen.st_atime_ns, seen.st_mtime_ns, seen.st_ctime_ns) for path in paths for seen in [os.lstat(path)]}


def positions(pid: int) -> dict[str, bytes]:
    where = Path(f"/proc/{pid}/fdinfo")
    return {name: (where / name).read_bytes() for name in os.listdir(where)}


def test_thousands_of_descriptors_are_answered_and_equal_ones_once(layers, mapper):
    import resource  # noqa: PLC0415
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4 * MANY, hard), hard))
    try:
        with Opener(mapper) as target:
            for number in range(MANY):
                if number % 2:
                    fill(layers.upper.parent / "m" / f"file{number}", f"upper {number}", 1)
                target.open(layers.merged / (f"file{number}" if number % 2 else "one"))
            resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
            begun = time.monotonic()
            found = asked(target.pid)
            spent = time.monotonic() - begun
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert spent < SECONDS
    assert sum(file["user_path"] == f"{layers.merged}/one" for file in found.values()) == MANY // 2
    assert all(file["state"] == "current" and file["confidence"] == "proven" for fd, file in found.items() if fd > 9)


def test_a_descriptor_that_changes_all_the_time_is_one_of_its_files_or_unknown(layers):
    paths = [layers.merged / "one", layers.merged / "two"]
    fds = [os.open(path, os.O_RDONLY) for path in paths]
    number = os.dup(fds[0])

    def step() -> None:
        for fd in fds:
            os.dup2(fd, number)
    try:
        with storm(step) as pid:
            for _ in range(20):
                found = asked(pid)[number]
                assert found["state"] == "unknown" or short(found) in {
                    ("current", str(path), str(layers.lower / path.name), "lower") for path in paths}, found
    finally:
        for fd in (*fds, number):
            os.close(fd)


def test_a_file_that_is_copied_up_all_the_time_is_never_read_from_where_it_was(layers, mapper):
    with Opener(mapper) as target:
        def step() -> None:
            fill(layers.lower.parent / "m" / "fresh", "upper")
            (layers.merged / "fresh").unlink()
        numbers = [target.open(layers.merged / name) for name in ("one", "two")]
        with storm(step):
            (layers.merged / "two").chmod(0o600)
            found = asked(target.pid)
    assert [short(found[number])[2:] for number in numbers] == [
        (str(layers.lower / "one"), "lower"), (str(layers.upper / "two"), "upper")]


@pytest.mark.parametrize("stopped", [False, True])
def test_a_file_whose_server_has_stopped_is_answered(base, mapper, stopped):
    with server_of(base / "served") as server, Opener(mapper) as target:
        number = target.open(base / "served/f")
        top = target.open(base / "served", os.O_PATH)
        if stopped:
            os.kill(server, signal.SIGSTOP)
        found = asked(target.pid)
        os.kill(server, signal.SIGCONT)
    assert [(found[fd]["kind"], found[fd]["backing"]) for fd in (number, top)] == [("file", None), ("directory", None)]
    for fd in (number, top):
        assert found[fd]["state"] in ({"current", "unknown"} if stopped else {"current"}), found[fd]
        assert found[fd]["reason"]
