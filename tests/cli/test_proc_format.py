"""`--format=proc`: what maps prints, byte for byte, but with the paths that the process itself uses."""

import ctypes
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.linux import processes
from mapsd.model import DeviceId, Vma
from mapsd.parse import maps
from mapsd.views import mapstext
from tests.cli.answers import NAMES, mapping
from tests.cli.command import BOUND, child, mapped, mapsd, said
from tests.conftest import missing
from tests.overlay import kernel
from tests.overlay.conftest import lab, mapper
from tests.overlay.files import fill
from tests.overlay.target import Target

__all__ = ["lab", "mapper"]


def text_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/maps").read_bytes()


def asked(pid: int, *words: object) -> bytes:
    done = mapsd(pid, "--format=proc", *words)
    assert said(done) == (0, "")
    return done.stdout


@pytest.mark.parametrize("line", [
    b"00400000-00401000 r--p 00000000 00:21 12                                 /x/mapper\n",
    b"7ffd4c1c2000-7ffd4c1e4000 rw-p 00000000 00:00 0                          [stack]\n",
    b"7f0c1c000000-7f0c1c026000 rw-p 00000000 00:00 0 \n",
    b"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n",
    b"7f0c1c000000-7f0c1c026000 r--s 123456789abcdef000 1f3:fffff 18446744073709551615  /a b\\012\n",
    b"7f0c1c000000-7f0c1c026000 r--s 00000000 103:02 12                        /x (deleted)\n"])
def test_a_line_of_the_kernel_is_written_again(line):
    assert mapstext.line(maps.parse_line(line[:-1], {})) == line


NUMBERS = st.integers(0, (1 << 64) - 1)
DEVICES = st.builds(DeviceId, st.integers(0, 0xfff), st.integers(0, 0xfffff))
TEXTS = st.just(b"") | NAMES.map(lambda name: b"/" + name.replace(b"\n", rb"\012"))


@given(st.builds(Vma, st.integers(0, (1 << 63) - 1), st.integers(1 << 63, (1 << 64) - 1),
                 st.sampled_from(["r--p", "rwxs", "---p"]), NUMBERS, DEVICES, NUMBERS, TEXTS))
def test_a_vma_is_read_as_it_was_written(vma):
    assert maps.parse(mapstext.line(vma)) == [vma]


def test_every_line_of_every_process_is_written_as_the_kernel_does():
    seen = 0
    for pid in processes.pids():
        try:
            text = text_of(pid)
        except OSError:
            # It exited, or may not be read: those of this test's user are enough.
            continue
        assert b"".join(map(mapstext.line, maps.parse(text))) == text
        seen += bool(text)
    assert seen > 0


@pytest.mark.parametrize(("state", "path", "printed"), [
    ("current", b"/new", b"/new"), ("copied-up", b"/new", b"/new"), ("covered", b"/new", b"/new"),
    ("deleted", b"/new", b"/new (deleted)"), ("replaced", b"/new", b"/new (deleted)"),
    ("current", b"/new\nline", rb"/new\012line"), ("current", b"/\x1b\xff\\ ", b"/\x1b\xff\\ "),
    ("unknown", b"/new", b"/new"), ("unknown", None, b"/old (deleted)"), ("unreachable", None, b"/old (deleted)"),
    ("detached", None, b"/old (deleted)"), (None, None, b"/old (deleted)")])
def test_a_path_is_corrected_where_it_is_established(state, path, printed):
    held = mapping(1, b"/old (deleted)")._replace(state=state, user_path=path)
    assert mapstext.name(held) == printed


def test_a_process_whose_paths_are_right_is_printed_as_the_kernel_prints_it(tmp_path):
    names = [b"plain", b"new\nline", rb"new\012line", b"file (deleted)", b"\x1b[31m", b"\xff\xfe", b"blank and\ttab"]
    paths = [os.path.join(os.fsencode(tmp_path), name) for name in names]
    for path in paths:
        with open(path, "wb") as file:
            file.write(b"." * 4096)
    with child(lambda: mapped(*paths, __file__)) as pid:
        os.unlink(paths[0])
        text = text_of(pid)
        assert asked(pid) == text
        first = text.splitlines(keepends=True)[0]
        assert asked(pid, f"0x{first.split(b'-')[0].decode()}") == first
    assert b"plain (deleted)" in text


def test_a_process_without_memory_is_an_empty_text():
    with child(lambda: None, stays=False) as pid:
        assert asked(pid) == b""


@pytest.fixture
def jailed(lab, mapper):
    """A process that lives below the root of this test: the kernel prints this test's names, not the process's."""
    jail = Path(tempfile.mkdtemp(dir=lab))
    for name in ("lib/one.so", "lib/two lines\n.so", "lib/gone.so", "lib/replaced.so"):
        fill(jail / name, name)
    with Target(mapper) as target:
        outside = target.map(mapper)
        target.ask("chroot", jail)
        inside = {target.map(Path("/") / name): f"/{name}" for name in
                  ("lib/one.so", "lib/two lines\n.so", "lib/gone.so", "lib/replaced.so")}
        (jail / "lib/gone.so").unlink()
        fill(jail / "new", "new")
        (jail / "new").rename(jail / "lib/replaced.so")
        yield target.pid, inside, outside, jail


def test_a_path_below_another_root_is_the_process_s_own(jailed):
    pid, inside, outside, jail = jailed
    kernels, ours = text_of(pid).splitlines(), asked(pid).splitlines()
    assert len(kernels) == len(ours)
    changed = 0
    for before, after in zip(kernels, ours, strict=True):
        address = int(before.split(b"-")[0], 16)
        if address not in inside:
            assert before == after
            continue
        path = os.fsencode(inside[address]).replace(b"\n", rb"\012")
        mark = b" (deleted)" if b"gone" in path or b"replaced" in path else b""
        assert (before[:73], before[73:]) == (after[:73], os.fsencode(jail) + path + mark)
        assert after[73:] == path + mark
        changed += 1
    assert changed == 4
    assert outside in {int(line.split(b"-")[0], 16) for line in ours}


def read_by(command: list[str], pid: int) -> str:
    """Run a program that finds the corrected text where /proc/PID/maps is; nobody else does."""
    if shutil.which(command[0]) is None:
        missing("consumers", f"needs {command[0]}")
    script = 'mount --bind "$1" "/proc/$2/maps" && shift 2 && exec "$@"'
    with tempfile.NamedTemporaryFile() as corrected:
        corrected.write(asked(pid))
        corrected.flush()
        private = ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", corrected.name, str(pid)]
        done = subprocess.run([*private, *command], capture_output=True, text=True, timeout=BOUND, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_gdb_reads_it(jailed):
    pid, inside, _, jail = jailed
    text = read_by(["gdb", "-batch", "-nx", "-ex", f"info proc mappings {pid}"], pid)
    rows = {int(row[0], 16): row for row in (line.split(maxsplit=5) for line in text.splitlines()) if
            row[:1] and row[0].startswith("0x")}
    assert len(rows) == len(asked(pid).splitlines())
    low = (1 << 32) - 1  # a gdb that knows no program yet prints no more of an address
    assert {at: rows[at & low][5] for at in inside} == {
        at: path.replace("\n", r"\012") + (" (deleted)" if "gone" in path or "replaced" in path else "")
        for at, path in inside.items()}
    assert f"{jail}/lib" not in text


def test_gdb_that_has_attached_reads_it(jailed):
    pid, inside, _, jail = jailed
    text = read_by(["gdb", "-batch", "-nx", "-p", str(pid), "-ex", "info proc mappings"], pid)
    assert all(path.replace("\n", r"\012") in text for path in inside.values())
    assert f"{jail}/lib" not in text


def test_pmap_reads_it(jailed):
    pid, inside, _, jail = jailed
    text = read_by(["pmap", "-p", str(pid)], pid)
    rows = {int(line.split()[0], 16): line.split(maxsplit=3)[3] for line in text.splitlines()[1:-1]}
    assert {at: rows[at] for at in inside} == {
        at: path.replace("\n", r"\012") + (" (deleted)" if "gone" in path or "replaced" in path else "")
        for at, path in inside.items()}
    assert f"{jail}/lib" not in text


def far(path: Path) -> int:
    """Map a page of a file at the end of all offsets, and return its address."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3,
                                                              ctypes.c_long]
    with open(path, "rb") as file:
        address = libc.mmap(None, 4096, 1, 1, file.fileno(), (1 << 63) - (1 << 17))
    assert address not in {None, ctypes.c_void_p(-1).value}, os.strerror(ctypes.get_errno())
    return address


def test_a_line_that_is_longer_than_its_column_is_written_as_the_kernel_does(lab):
    base = lab / "long-line"
    for name in ("one", "two", "merged"):
        (base / name).mkdir(parents=True)
    with kernel.mounted("one", base / "one", "tmpfs"), kernel.mounted("two", base / "two", "tmpfs"):
        fill(base / "two" / "far", "far")
        kernel.mount("overlay", base / "merged", "overlay", 0, f"lowerdir={base}/one:{base}/two,xino=on")
        with child(lambda: far(base / "merged/far")) as pid:
            text = text_of(pid)
            line = next(line for line in text.splitlines() if line.endswith(b"/merged/far"))
            assert line.index(b"  /") > 72
            assert asked(pid) == text
        kernel.umount(base / "merged", kernel.MNT_DETACH)


def test_an_overlay_s_paths_are_right_as_they_are(lab, mapper):
    base = lab / "proc-format"
    for name in ("lower", "upper", "work", "merged"):
        (base / name).mkdir(parents=True)
    for name in ("kept", "written", "gone", "swapped"):
        fill(base / "lower" / name, name)
    kernel.mount("overlay", base / "merged", "overlay", 0,
                 f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work")
    with Target(mapper) as target:
        for name in ("kept", "written", "gone", "swapped"):
            target.map(base / "merged" / name)
        with (base / "merged/written").open("r+b") as file:
            file.write(b"copied up")
        (base / "merged/gone").unlink()
        (base / "merged/kept").rename(base / "merged/moved")
        fill(base / "merged/new", "new")
        (base / "merged/new").rename(base / "merged/swapped")
        assert asked(target.pid) == text_of(target.pid)
    kernel.umount(base / "merged", kernel.MNT_DETACH)
