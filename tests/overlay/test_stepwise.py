"""What is opened without openat2 is what that call opens: on generated trees, and while they are changed."""

import errno
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapsd.linux import numbers, syscalls
from mapsd.linux.stepwise import HELD, open_stepwise
from mapsd.linux.syscalls import (
    AT_FDCWD,
    RESOLVE_BENEATH,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
    openat2,
)
from tests.hostile.conftest import storm
from tests.overlay import kernel
from tests.overlay.child import told
from tests.seccomp import Forbidden, forbid

SCOPES = (0, RESOLVE_IN_ROOT, RESOLVE_BENEATH)
RESOLVE = [RESOLVE_NO_MAGICLINKS | sum(flags)
           for flags in product(SCOPES, (0, RESOLVE_NO_SYMLINKS), (0, RESOLVE_NO_XDEV))]
READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
FLAGS = (os.O_PATH, os.O_PATH | os.O_NOFOLLOW, os.O_PATH | os.O_DIRECTORY, READ, READ | os.O_NOFOLLOW,
         os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, READ | os.O_DIRECTORY)
NAMES = "abc"
PROC = ("self", "thread-self", "mounts", "net", "self/root", "self/cwd", "self/exe", "self/fd", "self/fd/0",
        "self/ns/mnt", "1/root", "1/root/etc", "self/task/1/root", "self/status", "sys/kernel/ostype")

part = st.sampled_from([*NAMES, *NAMES, "..", "..", ".", "", "missing"])
inner = st.lists(part, min_size=1, max_size=6).map("/".join)
text = st.one_of(inner, inner.map(lambda path: f"/{path}"),
                 st.sampled_from(["/", "..", "../..", "/proc", "/proc/self/root", "proc/self/cwd/a", "loop"]))
of_procfs = st.tuples(st.sampled_from(["proc", "/proc", "a/../proc"]), st.sampled_from(PROC),
                      st.sampled_from(["", "/", "/a", "/..", "/."]))
path = st.one_of(text, of_procfs.map(lambda parts: "{}/{}{}".format(*parts)))
place = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
kind = st.one_of(st.sampled_from(["file", "directory", "directory", "directory", "fifo", "socket"]), text.filter(bool))
mounting = st.tuples(place, st.sampled_from(["tmpfs", "bind"]), place)


@pytest.fixture(scope="module")
def ground(lab):
    base = Path(tempfile.mkdtemp(dir=lab))
    with kernel.mounted("trees", base, "tmpfs"):
        yield base


def grow(root: Path, tree: list[tuple[str, str]], stack: ExitStack, mounts: list[tuple[str, str, str]]) -> None:
    """Make files, links and mounts below *root*; what the earlier ones leave no room for is left out."""
    (root / "loop").symlink_to("loop")
    (root / "proc").mkdir()
    stack.enter_context(kernel.mounted("proc", root / "proc", "proc"))
    for name, what in tree:
        if room(root, name):
            make(root / name, what)
    for name, how, source in mounts:
        where, other = root / name, root / source
        if is_directory(root, name) and is_directory(root, source):
            kernel.mount("tree" if how == "tmpfs" else other, where, "tmpfs" if how == "tmpfs" else None,
                         kernel.MS_BIND if how == "bind" else 0)
            stack.callback(kernel.umount, where, kernel.MNT_DETACH)
            if how == "tmpfs":
                (where / "a").mkdir()
                (where / "b").symlink_to("../c")


def room(root: Path, name: str) -> bool:
    """Make the directories of a name and return whether it is free: no link is followed, which may lead out."""
    for parent in reversed(Path(name).parents[:-1]):
        if not os.path.lexists(root / parent):
            (root / parent).mkdir()
        elif not is_directory(root, str(parent)):
            return False
    return not os.path.lexists(root / name)


def is_directory(root: Path, name: str) -> bool:
    """Return whether a name leads to a directory without a link."""
    return all((root / one).is_dir() and not (root / one).is_symlink() for one in (name, *Path(name).parents[:-1]))


def make(where: Path, what: str) -> None:
    if what == "file":
        where.write_bytes(b"x")
    elif what == "directory":
        where.mkdir()
    elif what == "fifo":
        os.mkfifo(where)
    elif what == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(where))
    else:
        where.symlink_to(what)


def outcome(opener: Callable[..., int], *words: object) -> tuple:
    """Return what was opened, or the number of the error."""
    try:
        fd = opener(*words)
    except OSError as error:
        return "failed", error.errno
    try:
        seen = syscalls.statx(fd)
        return "opened", seen.mode, seen.device, seen.inode, seen.mount_id, os.get_inheritable(fd)
    finally:
        os.close(fd)


def called(dirfd: int, path: bytes, flags: int, resolve: int) -> int:
    """Return what openat2 opens, which gives up where anything on the machine is renamed while it passes a `..`."""
    while True:
        try:
            return openat2(dirfd, path, flags, resolve)
        except BlockingIOError:
            continue


def differs(words: tuple, *, may_give_up: bool) -> str:
    """Return what the walk did otherwise than the call, empty where both did the same."""
    wanted, found = outcome(called, *words), outcome(open_stepwise, *words)
    same = wanted == found or (may_give_up and found == ("failed", errno.EAGAIN))
    if wanted[0] == "opened":
        same |= found == ("failed", errno.ENXIO) and not words[2] & os.O_PATH and not stat.S_ISREG(wanted[1])
    elif found[0] == "failed":
        # Why something is refused may be said otherwise, but not that nothing is there.
        same |= not {wanted[1], found[1]} & {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EAGAIN}
    return "" if same else f"{words}: {wanted}, not {found}"


def questions(root: Path, tops: Sequence[int], paths: Sequence[str]) -> Iterator[tuple]:
    """Yield each path with each set of flags, below directories and without one."""
    for path, flags, resolve in product(paths, FLAGS, RESOLVE):
        yield from ((top, path.encode(), flags, resolve) for top in tops)
        if not resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH):
            yield AT_FDCWD, f"{root}/{path}".encode(), flags, resolve


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tree=st.lists(st.tuples(place, kind), max_size=12), mounts=st.lists(mounting, max_size=3),
       paths=st.lists(path, min_size=1, max_size=12, unique=True))
def test_the_walk_opens_what_the_call_opens(ground, tree, mounts, paths):
    root = Path(tempfile.mkdtemp(dir=ground))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root)
        grow(root, tree, stack, mounts)
        directory, namespace = os.open(root, os.O_PATH), kernel.open_tree(root, kernel.AT_RECURSIVE)
        stack.callback(os.close, directory)
        stack.callback(os.close, namespace)
        before = len(os.listdir("/proc/self/fd"))
        wrong = [differs(words, may_give_up=words[0] == directory)
                 for words in questions(root, (directory, namespace), paths)]
        assert not any(wrong), "\n".join(filter(None, wrong))
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def opened(base):
    """The open directory of a scene."""
    fd = os.open(base, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def both(*words: object) -> list[tuple]:
    return [outcome(opener, *words)[:4] for opener in (called, open_stepwise)]


INSIDE = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS


def test_forty_links_are_followed_and_no_more(base, opened):
    (base / "0").write_bytes(b"")
    for number in range(41):
        (base / f"{number + 1}").symlink_to(f"{number}")
    for name, result in ((b"40", "opened"), (b"41", "failed")):
        [call, walk] = both(opened, name, os.O_PATH, INSIDE)
        assert call == walk
        assert walk[0] == result
    assert walk[1] == errno.ELOOP


@pytest.mark.parametrize("path", [
    b"", b"/", b"./" * 2047 + b"a", b"./" * 2047 + b"ab", b"a" * 255, b"a" * 256, b"a/" + b"a" * 256, b"a\0b", b"\0",
    b"a//", b"//a", b"file/", b"file/.", b"file/..", b"link/", b"file-link/", b"file-link"])
def test_what_no_name_is_ends_alike(base, opened, path):
    (base / "a").mkdir()
    (base / "file").write_bytes(b"")
    (base / "link").symlink_to("a/")
    (base / "file-link").symlink_to("file/")
    for flags, resolve in product(FLAGS, (INSIDE, RESOLVE_NO_MAGICLINKS, RESOLVE_BENEATH)):
        [call, walk] = both(opened, path, flags, resolve)
        assert call == walk


def test_nothing_but_a_file_and_a_directory_is_opened_to_be_read(base, opened):
    os.mkfifo(base / "fifo")
    os.mknod(base / "device", 0o644 | stat.S_IFCHR, os.makedev(1, 3))
    for name in (b"fifo", b"device"):
        assert both(opened, name, os.O_PATH, INSIDE)[1][0] == "opened"
        # It would wait for a writer.
        assert outcome(open_stepwise, opened, name, os.O_RDONLY, INSIDE) == ("failed", errno.ENXIO)


def test_far_down_it_is_not_said_where_many_steps_up_lead(opened):
    at, before = opened, len(os.listdir("/proc/self/fd"))
    for _ in range(300):
        os.mkdir("d", dir_fd=at)
        inner = os.open("d", os.O_PATH, dir_fd=at)
        if at != opened:
            os.close(at)
        at = inner
    os.close(at)
    down = b"d/" * 300
    for up in (0, 1, HELD - 1):
        [call, walk] = both(opened, down + b"../" * up, os.O_PATH, INSIDE)
        assert call == walk
    for up in (HELD + 1, 299, 300, 301):
        assert outcome(open_stepwise, opened, down + b"../" * up, os.O_PATH, INSIDE) == ("failed", errno.EAGAIN)
    assert len(os.listdir("/proc/self/fd")) == before


def test_from_a_covered_beginning_no_way_leads_back_to_it(base):
    kernel.mount("below", base, "tmpfs")
    below = os.open(base, os.O_PATH)
    (base / "d").mkdir()
    with kernel.mounted("cover", base, "tmpfs"):
        cover = outcome(called, AT_FDCWD, bytes(base), os.O_PATH, 0)
        assert outcome(called, below, b"d/..", os.O_PATH, INSIDE) == cover
        assert outcome(open_stepwise, below, b"d/..", os.O_PATH, INSIDE) == ("failed", errno.EAGAIN)
        [call, walk] = both(below, b"d", os.O_PATH, INSIDE)
        assert call == walk
    os.close(below)
    kernel.umount(base)


def test_from_the_root_of_a_mount_namespace_no_way_leads_up(base):
    def asked():
        kernel.private_namespace()
        kernel.mount("root", base, "tmpfs")
        os.chdir(base)
        syscalls.pivot_root(b".", b".")
        kernel.umount(".", kernel.MNT_DETACH)
        os.mkdir("/d")
        top = os.open("/", os.O_PATH)
        found = [both(top, path, os.O_PATH, INSIDE) for path in (b"..", b"/../d/../..", b"../d")]
        kernel.mount("cover", "/", "tmpfs")
        covered = [outcome(open_stepwise, top, path, os.O_PATH, INSIDE) for path in (b"..", b"../d", b"d/..")]
        return [[[repr(each) for each in pair] for pair in found], covered]
    found, covered = told(asked)
    assert all(call == walk and walk.startswith("('opened'") for call, walk in found), found
    assert covered == [["failed", errno.EAGAIN]] * 3


def test_a_link_that_others_planted_is_not_followed(base, opened):
    base.chmod(0o1777)
    (base / "target").write_bytes(b"")
    (base / "planted").symlink_to("target")
    os.lchown(base / "planted", 65534, 65534)
    for path in (b"planted", b"planted/"):
        assert outcome(open_stepwise, opened, path, os.O_PATH, INSIDE) == ("failed", errno.EACCES)
    assert outcome(open_stepwise, opened, b"planted", os.O_PATH | os.O_NOFOLLOW, INSIDE)[0] == "opened"
    os.lchown(base / "planted", 0, 0)
    [call, walk] = both(opened, b"planted", os.O_PATH, INSIDE)
    assert call == walk
    assert walk[0] == "opened"


def test_on_a_mount_without_symlinks_none_is_followed(base, opened):
    with kernel.mounted("still", base / "still", "tmpfs", 256):  # MS_NOSYMFOLLOW, Linux 5.10
        (base / "still/file").write_bytes(b"")
        (base / "still/link").symlink_to("file")
        assert both(opened, b"still/link", os.O_PATH, INSIDE) == [("failed", errno.ELOOP)] * 2


def test_a_directory_that_may_not_be_searched_leads_nowhere(base, opened):
    for name in ("open/closed/d", "open/other"):
        (base / name).mkdir(parents=True)
    base.chmod(0o755)
    (base / "open/closed").chmod(0o600)

    def asked():
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        return {path: [repr(each) for each in both(opened, path.encode(), os.O_PATH, INSIDE)] for path in (
            "open/closed", "open/closed/", "open/closed/.", "open/closed/..", "open/closed/../other", "open/closed/d")}
    found = told(asked)
    assert all(call == walk for call, walk in found.values()), found
    assert [each[0].startswith("('opened'") for each in found.values()] == [True, True, False, False, False, False]


def opened_in_a_storm(opened: int, path: bytes, resolve: int, rounds: int = 3000) -> set[object]:
    """Return the contents that were opened, and the errors."""
    seen = set()
    for _ in range(rounds):
        try:
            fd = open_stepwise(opened, path, os.O_RDONLY, resolve)
        except OSError as error:
            seen.add(error.errno)
            continue
        seen.add(os.read(fd, 99))
        os.close(fd)
    return seen


def test_a_directory_that_is_moved_out_leads_out_nowhere(base):
    for name in ("root/a/b", "out/o"):
        (base / name).mkdir(parents=True)
    for name in ("root/a/file", "root/file", "out/file", "file"):
        (base / name).write_bytes(name.encode())
    root = os.open(base / "root", os.O_PATH)

    def step():
        os.rename(base / "root/a/b", base / "out/o/b")
        os.rename(base / "out/o/b", base / "root/a/b")
    with storm(step):
        assert opened_in_a_storm(root, b"a/b/../file", INSIDE) <= {b"root/a/file", errno.ENOENT, errno.EAGAIN}
        found = opened_in_a_storm(root, b"a/b/../../file", INSIDE)
        assert b"root/file" in found
        assert found <= {b"root/file", errno.ENOENT, errno.EAGAIN}
    os.close(root)


@pytest.mark.parametrize("resolve", [INSIDE, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS])
def test_a_directory_that_turns_into_a_link_leads_out_nowhere(base, resolve):
    for name in ("root/a/d", "out/d"):
        (base / name).mkdir(parents=True)
    for name in ("root/a/d/file", "out/d/file"):
        (base / name).write_bytes(name.encode())
    (base / "root/link").symlink_to(base / "out")
    root = os.open(base / "root", os.O_PATH)

    def step():
        kernel.exchange(base / "root/a", base / "root/link")
    with storm(step):
        found = opened_in_a_storm(root, b"a/d/file", resolve)
    assert b"root/a/d/file" in found
    assert found <= {b"root/a/d/file", errno.ENOENT, errno.ELOOP, errno.EXDEV}
    os.close(root)


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM])
def test_a_filter_that_forbids_the_call_changes_nothing(base, opened, error):
    (base / "d").mkdir()
    (base / "link").symlink_to("/d")
    (base / "d/file").write_bytes(b"")
    wanted = [outcome(openat2, opened, path, os.O_PATH, INSIDE) for path in (b"link/file", b"link/missing")]

    def asked():
        forbid(Forbidden(numbers.of("openat2"), error))
        return [repr(outcome(openat2, opened, path, os.O_PATH, INSIDE)) for path in (b"link/file", b"link/missing")]
    assert told(asked) == [repr(each) for each in wanted]


def test_what_the_call_itself_forbids_is_forbidden(base, opened):
    """EPERM is the call's own answer: only an owner may keep the time of access as it is."""
    (base / "file").write_bytes(b"")
    base.chmod(0o755)

    def asked():
        os.setresuid(65534, 65534, 65534)
        return [each[:2] for each in both(opened, b"file", os.O_RDONLY | os.O_NOATIME, INSIDE)]
    assert told(asked) == [["failed", errno.EPERM]] * 2
