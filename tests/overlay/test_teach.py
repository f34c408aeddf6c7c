"""`mapsd teach`: what a plain cat of the pinned file says, on a bpffs of the test's own."""

import contextlib
import ctypes
import errno
import mmap
import os
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mapsd.linux import ownoverlay, teach
from mapsd.linux.bpf import skeleton
from mapsd.linux.taught import COLUMNS
from mapsd.parse.escape import unescape
from tests.cli.command import BOUND, CHECKOUT, MAPSD, NOBODY, child
from tests.conftest import missing
from tests.overlay import kernel
from tests.overlay.battery import write
from tests.overlay.files import fill, identity
from tests.overlay.scenes import Scene
from tests.overlay.target import PAGE, Target

BPFFS = Path("/sys/fs/bpf")
TAUGHT = BPFFS / "mapsd/maps"
HOSTILE = [b"tab\tfield", b"new\nline", b"\x1b[31m", b"back\\011slash", b"del\x7f", b"c1\xc2\x9b2J", b"latin\xe9",
           b"a b", b"f (deleted)", "°µ".encode(), b"\x01" * 255]
LONG = [f"{number:02}".ljust(250, "x") for number in range(16)]  # too long to be written whole; twice: to be walked
CONTROL = [b"\n" * 250] * 15  # less, but four times as long where it is escaped
SLOTS, OBJECTS, VMAS = 64, 1_000_000, 50_000  # maps.bpf.c; kernel/bpf/bpf_iter.c; below vm.max_map_count


def run(*words: str, prefix: list[str] | None = None) -> tuple[int, str, str]:
    done = subprocess.run([*(prefix or []), MAPSD, *words], capture_output=True, text=True, timeout=BOUND, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def bare(lab):
    """The place of bpffs, with nothing mounted: in the mount namespace of the test's own."""
    assert lab
    if not BPFFS.is_dir():
        missing("overlay", f"no {BPFFS}")
    cleared()
    yield BPFFS
    cleared()


def cleared() -> None:
    with contextlib.suppress(OSError):  # EINVAL: nothing is left
        while True:
            kernel.umount(BPFFS, kernel.MNT_DETACH)


@pytest.fixture
def bpffs(bare):
    kernel.mount("bpf", bare, "bpf")
    return bare


@pytest.fixture
def taught(bpffs):
    assert bpffs == BPFFS
    assert run("teach") == (0, f"{TAUGHT} is there, for root to read\n", "")
    return TAUGHT


@pytest.fixture
def scene(lab, mapper):
    with Scene("taught", lab, mapper) as made:
        made.upper(made.base / "upper")
        layers = [made.lower(made.base / name) for name in ("lower1", "lower2")]
        for layer in layers:
            made.fill(layer, f"in{layer.index}", "both")
        (layers[0].path / "proc").mkdir()
        for name in HOSTILE:
            fill(layers[0].path / os.fsdecode(name), "hostile")
        made.mount()
        made.start()
        yield made


def text(*prefix: str) -> list[bytes]:
    """Return what cat prints."""
    done = subprocess.run([*prefix, "cat", TAUGHT], capture_output=True, check=False, timeout=BOUND)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"\n")
    return done.stdout[:-1].split(b"\n")


def lines(pid: int) -> dict[int, list[bytes]]:
    """Return the fields of every line of a process, by start address."""
    rows = [line.split(b"\t") for line in text() if not line.startswith(b"#")]
    assert {len(row) for row in rows} == {len(COLUMNS)}
    own = [row for row in rows if row[0] == b"%d" % pid]
    found = {int(row[1].split(b"-")[0], 16): row for row in own}
    assert len(found) == len(own), "an address is there twice"
    return found


def true(claim) -> list[bytes]:
    """Return the fields that are true of a claim's backing file, from its own stat."""
    fields = str(claim.identity[1]), str(claim.layer.index), f"/{claim.below}"
    return [as_maps_prints(claim.identity[0]), *map(os.fsencode, fields)]


def as_maps_prints(device: str) -> bytes:
    return b"%02x:%02x" % tuple(map(int, device.split(":")))


def named(claim) -> list[bytes]:
    return [b"-", os.fsencode(claim.path)]


@pytest.mark.usefixtures("taught")
def test_cat_tells_the_lower_file_from_its_copy_in_one_process(scene):
    lower1, lower2 = scene.sources
    claims = [scene.map(f"in{layer.index}", layer) for layer in (lower1, lower2)]
    before = scene.map("both", lower1, "n", about="before")
    write(scene.reach("both"))
    after = scene.map("both", scene.top, "n", about="after")
    seen = lines(scene.target.pid)
    for claim in (*claims, before, after):
        assert seen[claim.address][6:] == [*true(claim), *named(claim)], claim
    assert seen[before.address][2:6] == seen[after.address][2:6]


@pytest.mark.usefixtures("taught")
def test_the_first_line_names_the_fields_and_no_other_begins_so():
    first, *others = text()
    assert first.decode() == "#" + "\t".join(COLUMNS)
    assert not [line for line in others if line.startswith(b"#")]


@pytest.mark.usefixtures("taught")
def test_the_fields_of_maps_are_those_that_maps_prints(scene):
    scene.map("in1", scene.sources[0], "p", page=1)
    scene.map("in1", scene.sources[0], "s")
    scene.map("in2", scene.sources[1], "w")
    scene.target.ask("unmap", hex(scene.map("in1", scene.sources[0]).address), 1)
    seen, heads, labels = lines(scene.target.pid), [], []
    for line in Path(f"/proc/{scene.target.pid}/maps").read_bytes().splitlines():
        *head, name = [*line.split(None, 5), b""][:6]
        if name == b"[vsyscall]":
            continue  # in no process's memory
        row = seen[int(head[0].split(b"-")[0], 16)]
        heads.append((row[1:6], head))
        labels.append((row[6:], [b"-"] * 5 + [name if name in {b"[heap]", b"[stack]", b"[vdso]"} else b"-"]))
        if name.startswith(b"/"):
            labels[-1] = row[11:], [name]
    assert len(heads) == len(seen)
    assert [one for one, _ in heads] == [other for _, other in heads]
    assert [one for one, _ in labels] == [other for _, other in labels]


@pytest.mark.usefixtures("taught")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_forges_nothing_and_is_read_back_exactly(scene, name):
    claim = scene.map(os.fsdecode(name), scene.sources[0])
    row = lines(scene.target.pid)[claim.address]
    assert [unescape(field) for field in row[6:]] == [*true(claim), *named(claim)]
    field = row[11]
    assert not [byte for byte in field if byte < 0x20 or byte == 0x7F]
    assert b"\xc2\x9b" not in field
    if name in {"°µ".encode(), b"latin\xe9", b"a b", b"f (deleted)"}:
        assert field == os.fsencode(claim.path)


@pytest.mark.usefixtures("taught")
@pytest.mark.parametrize("name", [b"f (deleted)", b"in1"])
def test_an_unlinked_name_is_marked_beside_the_path(scene, name):
    claim = scene.map(os.fsdecode(name), scene.sources[0], "n")
    scene.reach(os.fsdecode(name)).unlink()
    assert lines(scene.target.pid)[claim.address][10:] == [b"deleted", os.fsencode(claim.path)]


@pytest.mark.usefixtures("taught")
def test_a_path_outside_the_process_s_root_is_marked(scene):
    claim = scene.map("in1", scene.sources[0])
    scene.target.ask("chroot", scene.base / "lower2")
    assert lines(scene.target.pid)[claim.address][6:11] == [*true(claim), b"unreachable"]


@pytest.mark.usefixtures("taught")
def test_in_a_container_the_path_is_the_container_s(scene):
    scene.contain()
    claim = scene.map("both", scene.sources[0], "n")
    write(scene.reach("both"))
    after = scene.map("both", scene.top, "n", about="after")
    seen = lines(scene.target.pid)
    for one in (claim, after):
        assert one.path == "/both"
        assert seen[one.address][6:] == [*true(one), b"-", b"/both"]


@pytest.mark.usefixtures("taught")
def test_of_an_overlay_on_an_overlay_both_layers_are_named(base, mapper):
    for name in ("one", "two", "inner", "top", "merged"):
        (base / name).mkdir()
    fill(base / "two/file", "nested")
    with kernel.mounted("inner", base / "inner", "overlay", 0, f"lowerdir={base}/one:{base}/two"), \
            kernel.mounted("outer", base / "merged", "overlay", 0, f"lowerdir={base}/top:{base}/inner"), \
            Target(mapper) as target:
        address = target.map(base / "merged/file")
        row = lines(target.pid)[address]
    number, inode = identity(base / "two/file")
    assert row[6:8] + row[9:10] == [as_maps_prints(number), b"%d" % inode, b"/file"]
    # Some kernels keep the inner overlay's path only (repaired by f2381b546e7e "fs: fix user path of nested backing
    # files"): maps names the inner one as well then.
    assert (row[8], *row[10:]) in {(b"2/2", b"-", os.fsencode(base / "merged/file")), (b"2", b"unreachable", b"/file")}


@pytest.mark.usefixtures("taught")
def test_where_a_mount_of_the_file_itself_is_gone_the_path_is_its_root(scene):
    (scene.base / "bound").touch()
    scene.target.ask("bind", scene.merged / "in1", scene.base / "bound")
    address = scene.target.map(scene.base / "bound")
    assert lines(scene.target.pid)[address][10:] == [b"-", os.fsencode(scene.base / "bound")]
    scene.target.ask("detach", scene.base / "bound")
    assert lines(scene.target.pid)[address][9:] == [b"/in1", b"unreachable", b"/"]


@pytest.mark.usefixtures("taught")
def test_a_file_that_never_had_a_name_is_marked(lab, mapper):
    memory = os.memfd_create("a\nb")
    os.truncate(memory, PAGE)
    with Scene("memory", lab, mapper) as scene:
        scene.start(pass_fds=[memory])
        address = scene.target.ask("fdmap", "s", memory)
        os.close(memory)
        assert lines(scene.target.pid)[address][6:] == [b"-"] * 4 + [b"nameless", rb"/memfd:a\012b"]


def deep(where: Path, names: list) -> int:
    """Return a descriptor of a directory whose path is too long for a system call."""
    fd = os.open(where, os.O_RDONLY)
    for name in names:
        os.mkdir(name, dir_fd=fd)
        inner = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    return fd


@pytest.mark.usefixtures("taught")
@pytest.mark.parametrize("names", [LONG, [*LONG, *LONG], CONTROL])
def test_a_long_path_is_cut_and_ends_no_reading(scene, names):
    fd = deep(scene.merged, names)
    file = os.open("end", os.O_RDWR | os.O_CREAT, 0o600, dir_fd=fd)
    os.write(file, b"x" * PAGE)
    with Scene("deep", scene.base, scene.mapper) as other:
        other.start(pass_fds=[file])
        address = other.target.ask("fdmap", "s", file)
        os.close(file)
        os.close(fd)
        row = lines(other.target.pid)[address]
    whole = "/" + "/".join([*map(os.fsdecode, names), "end"])
    below, path = (os.fsdecode(unescape(row[place])) for place in (9, 11))
    assert below == (whole if len(whole) <= 4000 else "?")
    full = f"{scene.merged}{whole}"
    assert (row[10], path) == ((b"-", full) if len(full) <= 4000 else (b"cut", path))
    assert full.endswith(path)
    assert len(path) >= min(len(full), 3700)


@pytest.mark.usefixtures("taught")
def test_threads_are_not_repeated_also_without_a_leader(scene):
    claim = scene.map("in1", scene.sources[0])
    scene.target.ask("thread")
    deadline = time.monotonic() + BOUND
    while Path(f"/proc/{scene.target.pid}/maps").read_bytes():
        assert time.monotonic() < deadline, "the leader stays"
    assert lines(scene.target.pid)[claim.address][6:] == [*true(claim), *named(claim)]


def crowd(threads: int) -> mmap.mmap:
    """Keep many mappings, and threads whose descriptors are their own: the iterator visits each thread's."""
    libc = ctypes.CDLL(None, use_errno=True)
    room = mmap.mmap(-1, VMAS * PAGE)
    base = ctypes.addressof(ctypes.c_char.from_buffer(room))
    for page in range(0, VMAS, 2):
        assert libc.mprotect(ctypes.c_void_p(base + page * PAGE), ctypes.c_size_t(PAGE), 0) == 0
    ready = threading.Barrier(threads + 1)

    def stay() -> None:
        assert libc.unshare(0x400) == 0  # CLONE_FILES
        ready.wait()
        threading.Event().wait()
    for _ in range(threads):
        threading.Thread(target=stay, daemon=True).start()
    ready.wait()
    return room


@pytest.mark.usefixtures("taught")
def test_no_process_can_hide_the_ones_after_it():
    with child(lambda: crowd(3 * OBJECTS // VMAS)) as hostile, child(lambda: None) as later:
        rows = text()
        assert [row for row in rows if row.startswith(b"%d\t" % later)]
        assert len([row for row in rows if row.startswith(b"%d\t" % hostile)]) < VMAS + 5000
        assert b"#" in rows


@pytest.mark.usefixtures("taught")
def test_readers_at_the_same_time_see_the_same(scene):
    claims = [scene.map(f"in{layer.index}", layer) for layer in scene.sources for _ in range(20)]
    with ThreadPoolExecutor(2 * SLOTS) as pool:
        for seen in pool.map(lambda _: lines(scene.target.pid), range(4 * SLOTS)):
            assert all(seen[claim.address][6:] == [*true(claim), *named(claim)] for claim in claims)


@pytest.mark.usefixtures("taught")
def test_a_reader_sees_the_numbers_and_the_processes_of_its_own_pid_namespace():
    pids = {row.split(b"\t")[0] for row in text("unshare", "--pid", "--fork") if not row.startswith(b"#")}
    assert pids == {b"1"}


@pytest.mark.usefixtures("taught")
@pytest.mark.parametrize("command", [line.strip() for line in (CHECKOUT / "docs/teach.md").read_text().splitlines()
                                     if line.startswith("    awk ")])
def test_a_command_of_the_documentation_works(command):
    script = f"{command}\nexit $?"
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=False, timeout=BOUND)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("change", [lambda read, _: read("held"), lambda read, name: altered(read(name))])
def test_a_program_that_fails_its_test_is_not_pinned(bpffs, monkeypatch, change):
    read = skeleton.read
    monkeypatch.setattr(skeleton, "read", lambda name: change(read, name))
    with pytest.raises(teach.NotTaught, match="failed its test"):
        teach.teach()
    assert not (bpffs / "mapsd").exists()


def failing(number: int):
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))
    return fail


def test_without_an_overlay_to_test_it_on_nothing_is_pinned(bpffs, monkeypatch):
    monkeypatch.setattr(ownoverlay, "made", failing(errno.ENODEV))
    with pytest.raises(teach.NotTaught, match="no overlay can be mounted to test it on: No such device"):
        teach.teach()
    assert not (bpffs / "mapsd").exists()


@pytest.mark.usefixtures("bpffs")
@pytest.mark.parametrize(("changes", "reason"), [
    ({}, "the kernel refuses the program: Operation not permitted"),
    ({"text": lambda _: "none integrity [confidentiality]"}, "lockdown=confidentiality"),
    ({"BTF": "/sys/kernel/btf/none"}, "there is no /sys/kernel/btf/none")])
def test_a_kernel_that_refuses_the_program_is_said_to_and_why(monkeypatch, changes, reason):
    monkeypatch.setattr(skeleton, "load", failing(errno.EPERM))
    for name, value in changes.items():
        monkeypatch.setattr(teach, name, value)
    with pytest.raises(teach.NotTaught, match=reason):
        teach.teach()


def altered(made: skeleton.Skeleton) -> skeleton.Skeleton:
    """Return a program whose first line names another field."""
    return made._replace(data=made.data.replace(b"inode\tlayer\t", b"inode\tother\t"))


def test_the_file_is_root_s_alone_and_teaching_again_replaces_it(taught):
    seen, directory = os.stat(taught), os.stat(taught.parent)
    assert (seen.st_uid, seen.st_mode & 0o7777, directory.st_uid, directory.st_mode & 0o7777) == (0, 0o400, 0, 0o700)
    assert subprocess.run([*NOBODY, "cat", taught], capture_output=True, check=False).returncode == 1
    (taught.parent / "maps_new").mkdir()
    assert run("teach") == (70, "", "mapsd: the kernel cannot be taught: maps_new: Is a directory\n")
    (taught.parent / "maps_new").rmdir()
    with taught.open("rb", 0) as reader:
        begun = reader.read(1)
        assert run("teach")[0] == 0
        assert begun + reader.read(3) == b"#pid"
    assert os.listdir(taught.parent) == ["maps"]
    assert os.stat(taught).st_ino != seen.st_ino


def test_unteach_leaves_nothing(taught):
    assert run("unteach") == (0, "", "")
    assert not os.path.lexists(taught.parent)
    assert run("unteach") == (1, "", "mapsd: nothing was taught\n")


def test_unteach_leaves_what_is_another_s(taught):
    (taught.parent / "other").mkdir()
    assert run("unteach") == (0, "", "")
    assert os.listdir(taught.parent) == ["other"]


def test_bpffs_is_mounted_for_root_alone_where_nothing_is(bare):
    assert run("teach") == (0, f"bpffs was mounted on {bare}\n{TAUGHT} is there, for root to read\n", "")
    assert os.stat(bare).st_mode & 0o777 == 0o700
    assert text()


def test_what_is_mounted_there_is_not_covered(bare):
    kernel.mount("other", bare, "tmpfs")
    assert run("teach") == (70, "", f"mapsd: the kernel cannot be taught: {bare}: something else is mounted there\n")
    assert not os.listdir(bare)


@pytest.mark.usefixtures("bpffs")
def test_without_privilege_it_is_refused_and_the_capability_named():
    status, out, err = run("teach", prefix=NOBODY)
    assert (status, out, err.count("\n")) == (3, "", 1)
    assert "CAP_BPF" in err
    assert run("unteach", prefix=NOBODY) == (1, "", "mapsd: nothing was taught\n")
    assert not os.path.lexists(TAUGHT.parent)


@pytest.mark.usefixtures("taught")
def test_without_privilege_nothing_is_removed():
    status, out, err = run("unteach", prefix=NOBODY)
    assert (status, out, err) == (3, "", "mapsd: what was taught cannot be removed: permission denied: needs root\n")
    assert TAUGHT.exists()


@pytest.mark.usefixtures("bpffs")
@pytest.mark.parametrize("command", ["teach", "unteach"])
@pytest.mark.parametrize("what", ["a directory that others may write", "a link"])
def test_a_directory_that_somebody_else_made_is_not_used(command, what, tmp_path):
    (tmp_path / "maps").touch(0o600)
    if what == "a link":
        TAUGHT.parent.symlink_to(tmp_path)
    else:
        TAUGHT.parent.mkdir()
        TAUGHT.parent.chmod(0o777)
    assert run(command) == (70, "", "mapsd: /sys/fs/bpf/mapsd is not a directory of mapsd's own\n")
    assert os.listdir(tmp_path) == ["maps"]
