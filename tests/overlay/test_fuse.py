"""Files that fuse-overlayfs serves: the layer's file is named where it is certain, and never a wrong one."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

import mapsd
from mapsd.linux import pagecontents
from mapsd.linux.machine import LiveMachine
from mapsd.linux.pageframes import LivePageFrames
from mapsd.linux.procfs import ProcFs
from mapsd.model import Vma
from mapsd.parse import maps, pagemap
from mapsd.ports import InLayer
from tests.conftest import shown_to_all
from tests.overlay import kernel
from tests.overlay.conftest import asked
from tests.overlay.target import Target
from tests.overlay.test_recordings import run
from tests.overlay.unions import PAGE, PAGES, Mapped, directories, ended, past, served, text_of

SEED, TURNS, USER = 1, 40, 61_236
NAMES = ("a", "b", "sub/c", "only", "made")


class Union:
    """A fuse-overlayfs over two lower layers; every file has bytes of its own."""

    def __init__(self, base: Path, stack: ExitStack, options: str = "", *, upper: bool = True,
                 old: bool = False) -> None:
        self.l1, self.l2, self.upper, self.work, self.merged = directories(base, "l1", "l2", "u", "w", "m")
        for layer in (self.l1, self.l2):
            (layer / "sub").mkdir()
        lowers = self.l1 / "a", self.l2 / "a", self.l1 / "b", self.l1 / "sub/c", self.l2 / "only"
        for path in (*lowers, self.upper / "made"):
            path.write_bytes(text_of(str(path)))
        if old:
            past(self.upper / "made")
        texts = f"lowerdir={self.l1}:{self.l2}" + (f",upperdir={self.upper},workdir={self.work}" if upper else "")
        self.server = stack.enter_context(served(["fuse-overlayfs", "-o", texts + options], self.merged))


@pytest.fixture
def union(base: Path):
    with ExitStack() as stack:
        yield Union(base, stack)


def ask(mapped: Mapped) -> dict:
    return asked(os.getpid())[mapped.address]


def named(answer: dict) -> tuple[object, ...]:
    layer = answer["backing"]["layer"]
    return answer["backing"]["path"], layer["role"], layer["index"], layer["path"]


@pytest.mark.parametrize(("name", "role", "index"), [
    ("a", "lower", 1), ("sub/c", "lower", 1), ("only", "lower", 2), ("made", "upper", 0)])
def test_the_file_that_its_server_has_open_is_named(base, name, role, index):
    with ExitStack() as stack:
        union = Union(base, stack, old=role == "upper")
        layer = {0: union.upper, 1: union.l1, 2: union.l2}[index]
        mapped = stack.enter_context(Mapped(union.merged / name, 3))
        found = ask(mapped)
        assert named(found) == (str(layer / name), role, index, str(layer))
        assert found["backing"]["inode"] == (layer / name).stat().st_ino
        assert (found["state"], found["confidence"], found["proof"]) == ("current", "inferred", "lookup")
        assert [one["kind"] for one in found["evidence"]] == ["server", "contents"]
        assert mapped.whole() == (layer / name).read_bytes()


def test_layers_are_numbered_from_the_topmost_lower_where_there_is_no_upper_one(base):
    with ExitStack() as stack:
        union = Union(base, stack, upper=False)
        with Mapped(union.merged / "only", 0) as mapped:
            assert named(ask(mapped))[1:3] == ("lower", 2)


def test_a_relative_layer_is_found_although_the_server_has_left_its_directory(base, monkeypatch):
    monkeypatch.chdir(base)
    l1, _, work, merged = directories(base, "l1", "u", "w", "m")
    (l1 / "a").write_bytes(text_of("relative"))
    options = f"lowerdir=l1,upperdir=u,workdir={work}"
    with served(["fuse-overlayfs", "-o", options], merged), Mapped(merged / "a", 0) as mapped:
        assert named(ask(mapped)) == (str(l1 / "a"), "lower", 1, str(l1))


def test_files_of_one_number_on_two_filesystems_are_not_mistaken_for_each_other(base):
    l1, l2, merged = directories(base, "l1", "l2", "m")
    with kernel.mounted("one", l1, "tmpfs"), kernel.mounted("two", l2, "tmpfs"):
        (l1 / "a").write_bytes(text_of("a"))
        (l2 / "b").write_bytes(text_of("b"))
        assert (l1 / "a").stat().st_ino == (l2 / "b").stat().st_ino
        with served(["fuse-overlayfs", "-o", f"lowerdir={l1}:{l2}"], merged), Mapped(merged / "b", 0) as mapped:
            assert named(ask(mapped)) == (str(l2 / "b"), "lower", 2, str(l2))
            with Mapped(merged / "a", 0) as other:
                assert [ask(one)["backing"] for one in (mapped, other)] == [None, None]


def test_a_file_of_the_upper_layer_that_is_younger_than_its_server_is_not_named(union):
    """It may have been written through the mount, and in the layer as well, in any order."""
    (union.merged / "new").write_bytes(text_of("new"))
    with Mapped(union.merged / "new", 0) as mapped, Mapped(union.merged / "made", 0) as other:
        assert [ask(one)["backing"] for one in (mapped, other)] == [None, None]


def test_without_a_page_in_memory_nothing_is_named_unless_another_mapping_tells(union):
    with Mapped(union.merged / "a") as mapped:
        found = ask(mapped)
        assert (found["backing"], found["state"]) == (None, "current")
        assert found["needs"] == ["a page of the mapping in memory"]
        mapped.map[0]
        with Mapped(union.merged / "a", private=True) as below:
            below.map[0:4] = b"mine"
            found = asked(os.getpid())
            assert below.address > mapped.address or found[below.address]["backing"] is None
            assert found[mapped.address]["backing"] is not None


def changed(path: Path, page: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(data)


WRITTEN = {
    "a write through the mount": lambda union: changed(union.merged / "a", 7, b"written"),
    "a change of its mode": lambda union: (union.merged / "a").chmod(0o600),
    "a write in the layer": lambda union: changed(union.l1 / "a", 7, b"behind"),
    "a new file in the layer": lambda union: ((union.l1 / "n").write_bytes(text_of("n")),
                                              (union.l1 / "n").rename(union.l1 / "a")),
    "a file of the same name in the upper layer": lambda union: (union.upper / "a").write_bytes(text_of("u")),
    "a further link": lambda union: os.link(union.merged / "a", union.merged / "other"),
    "a link in the layer": lambda union: os.link(union.l1 / "a", union.l1 / "other"),
    "a rename": lambda union: (union.merged / "a").rename(union.merged / "z"),
    "its removal": lambda union: (union.merged / "a").unlink(),
    "another file that takes the name": lambda union: (union.merged / "b").rename(union.merged / "a"),
    "its removal from the layer": lambda union: (union.l1 / "a").unlink(),
    "an opening for writing": lambda union: (union.merged / "a").open("r+b").close(),
}


@pytest.mark.parametrize("what", WRITTEN)
def test_after(union, what):
    """Pages that are not in memory may be others' by now, so no file is named."""
    with Mapped(union.merged / "a", 0) as mapped:
        assert ask(mapped)["backing"] is not None
        WRITTEN[what](union)
        found = ask(mapped)
        assert found["backing"] is None, found
        assert found["reason"].startswith("fuse.fuse-overlayfs is served from other files")


def test_a_server_that_stands_still_is_not_waited_for(union):
    with Mapped(union.merged / "a", 0) as mapped:
        os.kill(union.server, signal.SIGSTOP)
        try:
            found = asked(os.getpid())[mapped.address]
        finally:
            os.kill(union.server, signal.SIGCONT)
        assert found["state"] == "unknown"
        assert found["backing"] is None


def test_a_page_that_leaves_memory_is_not_waited_for(union, mapper, monkeypatch):
    """Nothing makes the kernel take it away at that moment, so it is only said to be there."""
    there = pagemap.PageEntry(present=True, file=True, frame=1)
    monkeypatch.setattr(pagecontents, "present", lambda *_: [0])
    monkeypatch.setattr(pagecontents, "entry", lambda *_: there)
    with Target(mapper) as target:
        vma = vma_at(target, target.map(union.merged / "a", "n"))
        process = ProcFs(target.pid)
        machine = LiveMachine(process)
        [layer] = machine.directories(os.fsencode(union.l1), ())
        frames = LivePageFrames(machine)
        os.kill(union.server, signal.SIGSTOP)
        try:
            found = frames.contents(vma, InLayer(layer, b"a"))
        finally:
            os.kill(union.server, signal.SIGCONT)
            machine.close()
            process.close()
    assert found == ("silent", "its memory was not read in time: the server of a page may not answer")


def vma_at(target: Target, address: int) -> Vma:
    text = Path(f"/proc/{target.pid}/maps").read_bytes()
    return next(vma for vma in maps.parse(text) if vma.start == address)


def steps(union: Union, draw: random.Random, name: str) -> list[Callable[[], object]]:
    """Return what may be done to a file, through the mount and in the layers behind it."""
    merged, l1, upper = union.merged / name, union.l1 / name, union.upper / name
    other, page = draw.choice(NAMES), draw.randrange(PAGES)
    return [
        lambda: changed(merged, page, b"written"),
        lambda: merged.chmod(draw.choice([0o600, 0o644])),
        lambda: merged.rename(union.merged / other),
        merged.unlink,
        lambda: merged.write_bytes(text_of(str(draw.random()))),
        lambda: merged.open("r+b").close(),
        lambda: os.link(merged, union.merged / other),
        lambda: os.utime(merged),
        merged.read_bytes,
        lambda: dropped(merged),
        lambda: Path("/proc/sys/vm/drop_caches").write_text("2"),
        lambda: changed(l1, page, b"behind"),
        lambda: changed(upper, page, b"behind"),
        l1.unlink,
        upper.unlink,
        lambda: l1.rename(union.l1 / other),
        lambda: upper.rename(union.upper / other),
        lambda: shutil.copy2(l1, union.l1 / other),
        lambda: shutil.copy2(l1, union.upper / other),
        lambda: os.utime(l1, ns=(1, 1)),
    ]


def dropped(path: Path) -> None:
    """Drop the pages of a file that nobody has mapped."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def test_whatever_is_done_the_named_file_has_all_the_bytes_that_are_mapped(base):
    draw, answered = random.Random(SEED), 0
    for turn in range(TURNS):
        where = base / str(turn)
        where.mkdir()
        with ExitStack() as stack, mapsd.Session() as session:
            options = draw.choice(["", ",timeout=0", ",writeback=0", ",noacl", ",static_nlink"])
            union = Union(where, stack, options)
            mapped = list(lived(union, draw, stack))
            answers = {one.vma.start: one for one in session.lookup(os.getpid()).mappings}
            for one in mapped:
                backing = answers[one.address].backing
                if backing is not None:
                    answered += 1
                    assert one.whole() == Path(os.fsdecode(backing.path)).read_bytes(), (turn, answers[one.address])
    assert answered > TURNS / 2


def lived(union: Union, draw: random.Random, stack: ExitStack) -> Iterator[Mapped]:
    """Map files and do things to them, in any order."""
    for _ in range(6):
        path, pages = union.merged / draw.choice(NAMES), draw.sample(range(PAGES), draw.randint(0, 3))
        with suppress(OSError):
            yield stack.enter_context(Mapped(path, *pages))
        with suppress(OSError):
            draw.choice(steps(union, draw, draw.choice(NAMES)))()


@contextmanager
def lying(base: Path, uid: int, lie: str, owner: int = 0) -> Iterator[tuple[Path, Path]]:
    """Give the file of a layer, and what a program called fuse-overlayfs shows as that."""
    layer, merged = directories(base, "l1", "m")
    (layer / "a").write_bytes(text_of("true"))
    os.chown(layer / "a", owner, owner)
    program = base / "fuse-overlayfs"
    shutil.copy(Path(sys.executable).resolve(), program)
    device = os.open("/dev/fuse", os.O_RDWR)
    kernel.mount("fuse-overlayfs", merged, "fuse.fuse-overlayfs", 0,
                 f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other")
    words = [program, Path(__file__).with_name("liar.py"), device, layer / "a", uid, lie, "-o", f"lowerdir={layer}"]
    server = subprocess.Popen([*map(str, words)], pass_fds=[device], stdout=subprocess.PIPE,
                              env={**os.environ, "PYTHONHOME": sys.base_prefix})
    os.close(device)
    try:
        assert server.stdout.readline() == b"\n"
        yield layer / "a", merged / "a"
    finally:
        kernel.umount(merged, kernel.MNT_DETACH)
        server.kill()
        server.communicate()


def test_the_same_server_is_believed_where_it_is_roots_and_gives_the_bytes(base):
    with lying(base, 0, "same") as (file, shown), Mapped(shown, 0) as mapped:
        assert named(ask(mapped))[0] == str(file)


def test_bytes_that_are_not_the_files_speak_against_the_file_whoever_serves_them(base):
    with lying(base, 0, "x") as (_, shown), Mapped(shown, 5) as mapped:
        found = ask(mapped)
        assert (found["backing"], found["reason"]) == (
            None, "its server reads another file, or other bytes: page 5 has other bytes")


def test_the_word_of_a_user_on_a_file_of_roots_does_not_count_whatever_bytes_he_gives(base):
    with lying(base, USER, "same") as (_, shown), Mapped(shown, 0) as mapped:
        found = ask(mapped)
        assert found["backing"] is None
        assert found["reason"].endswith("open, which is not its user's own: its word does not count")


def test_the_word_of_a_user_on_a_file_of_his_own_counts_where_the_bytes_are_the_same(base):
    with lying(base, USER, "same") as (file, shown), Mapped(shown, 0) as mapped:
        os.chown(file, USER, USER)
        assert ask(mapped)["backing"] is None  # its time of change is another one by now
    (base / "again").mkdir()
    with lying(base / "again", USER, "same", USER) as (file, shown), Mapped(shown, 0) as mapped:
        assert named(ask(mapped))[0] == str(file)


ROOTLESS = """mount --bind {base}/fuse /dev/fuse
fuse-overlayfs -o lowerdir={base}/l1,upperdir={base}/u,workdir={base}/w {base}/m
exec "$0\""""


@pytest.mark.parametrize("owner", [USER, 0])
def test_where_root_may_not_enter_a_users_file_is_named(base, mapper, owner):
    layer, upper, work, merged = directories(base, "l1", "u", "w", "m")
    for name in ("a", "b"):
        (layer / name).write_bytes(text_of(name))
        os.chown(layer / name, owner, owner)
    os.mknod(base / "fuse", 0o20666, os.makedev(10, 229))
    (base / "fuse").chmod(0o666)
    for path in (base, layer, upper, work, merged):
        os.chown(path, USER, USER)
    shown_to_all(base)
    past(layer / "b")
    words = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "unshare", "-Urm", "sh", "-ec",
             ROOTLESS.format(base=base)]
    with ended(merged), Target(mapper, *words) as target:
        addresses = [target.map(merged / name) for name in ("a", "b")]
        with pytest.raises(PermissionError):
            os.stat(f"/proc/{target.pid}/map_files/{addresses[0]:x}-{addresses[0] + PAGE:x}")
        held = [target.memory(address) for address in addresses]
        found = asked(target.pid)
        assert held == [text_of(name)[:PAGE] for name in ("a", "b")]
        for name, address in zip(("a", "b"), addresses, strict=True):
            assert found[address]["state"] == "unknown"
            backing = found[address]["backing"]
            assert (backing and named(found[address])) == (
                (str(layer / name), "lower", 1, str(layer)) if owner else None), found[address]


@pytest.mark.parametrize("more", [(), ("--redact",)])
def test_what_is_recorded_is_answered_as_it_was_seen(union, base, mapper, more):
    with Target(mapper) as target:
        addresses = [target.map(union.merged / name) for name in ("a", "only", "b")]
        for address in addresses:
            target.memory(address)
        (union.merged / "b").chmod(0o600)
        assert run("record", target.pid, "-o", base / "recording", *more)[0] == 0
        seen = run("lookup", target.pid, "--json")[1]
        again = run("lookup", target.pid, "--json", "--from", base / "recording")[1]
    assert more or again == seen
    found = {int(one["start"], 16): one["backing"] for one in json.loads(again.replace(b" ,\n", b""))["mappings"]}
    assert [found[address] and found[address]["layer"]["index"] for address in addresses] == [1, 2, None]
