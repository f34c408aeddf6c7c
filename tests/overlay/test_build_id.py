"""Build ids on real overlays, beside the ids that the linker was given and the ones that readelf prints."""

import ctypes
import mmap
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapsd.linux.buildid import LiveBuildIds
from mapsd.linux.machine import LiveMachine
from mapsd.linux.procfs import ProcFs
from mapsd.linux.procmap import is_sound
from mapsd.model import Refused
from mapsd.parse import maps
from mapsd.ports import ByVma, InRoot
from tests import test_elf as images
from tests.conftest import missing
from tests.hostile.cli import never_opened
from tests.hostile.conftest import storm, until
from tests.overlay import kernel
from tests.overlay.capabilities import drop
from tests.overlay.child import told
from tests.overlay.target import PAGE, Target

LOWER, UPPER = b"\xa1" * 20, b"\xb2" * 20
NO_ID = Refused("the kernel finds no build id in the mapped file")
DOUBTFUL = Refused("the candidate has no build id on which kernels agree")
MEANWHILE = Refused("the addresses held another mapping meanwhile")


class Asked:
    """The port on one process, and everything that must be closed again."""

    def __init__(self, pid: int, maps_file: str = "", trial: Callable[[], bool] = is_sound) -> None:
        self.pid, self.process = pid, ProcFs(pid)
        self.machine = LiveMachine(self.process)
        path = maps_file or f"/proc/{pid}/maps"
        self.ids = LiveBuildIds(self.machine, lambda: os.open(path, os.O_RDONLY | os.O_CLOEXEC), trial)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in (self.ids, self.machine, self.process):
            each.close()

    def vma(self, address: int):
        with open(f"/proc/{self.pid}/maps", "rb") as file:
            return next(vma for vma in maps.parse(file.read()) if vma.start == address)

    def mapped(self, address: int) -> bytes | Refused:
        return self.ids.mapped(self.vma(address))

    def of(self, path: Path) -> bytes | Refused:
        return self.ids.of(InRoot(os.fsencode(path)))


def shared_object(path: Path, build_id: bytes, text: str = "") -> bytes:
    """Compile a shared object with the id (none for an empty one) and return the file."""
    if shutil.which("gcc") is None:
        missing("overlay", "needs gcc for shared objects")
    path.parent.mkdir(parents=True, exist_ok=True)
    wanted = f"-Wl,--build-id=0x{build_id.hex()}" if build_id else "-Wl,--build-id=none"
    subprocess.run(["gcc", "-shared", "-nostdlib", "-x", "c", "-o", path, wanted, "-"], input=text.encode(), check=True)
    return path.read_bytes()


def readelf(path: Path) -> bytes:
    """Return the id that binutils prints: the other oracle."""
    printed = subprocess.run(["readelf", "-n", path], capture_output=True, check=True, text=True).stdout
    return bytes.fromhex(next((line.split()[-1] for line in printed.splitlines() if "Build ID:" in line), ""))


@pytest.fixture
def merged(base):
    """An overlay whose lower file one.so has the id LOWER; the id UPPER is in upper.so beside the layers."""
    for name in ("lower", "upper", "work", "merged"):
        (base / name).mkdir()
    shared_object(base / "lower/one.so", LOWER)
    shared_object(base / "upper.so", UPPER)
    with kernel.mounted("overlay", base / "merged", "overlay", 0,
                        f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work") as path:
        yield path


@pytest.fixture
def asked(merged, mapper):
    """A target and the port on it; skips where the kernel has no PROCMAP_QUERY, or one that may crash it."""
    with Target(mapper) as target, Asked(target.pid) as found:
        found.target = target
        answer = found.mapped(target.map(merged / "one.so"))
        if isinstance(answer, Refused) and "this kernel" in answer.reason:
            missing("overlay", answer.reason)
        yield found


@pytest.mark.parametrize("mode", ["s", "p", "d", "n"])
def test_a_mapping_keeps_its_id_through_a_copy_up(base, merged, asked, mode):
    path = merged / "one.so"
    before = asked.target.map(path, mode)
    assert asked.mapped(before) == LOWER
    with path.open("r+b") as file:
        file.write((base / "upper.so").read_bytes())
    after = asked.target.map(path, mode)
    assert (asked.mapped(before), asked.mapped(after)) == (LOWER, UPPER)
    assert asked.vma(before)[2:] == asked.vma(after)[2:], "the kernel's text tells them apart"
    layers = base / "lower/one.so", base / "upper/one.so"
    assert [asked.of(layer) for layer in layers] == [readelf(layer) for layer in layers] == [LOWER, UPPER]
    assert asked.ids.of(ByVma(before, asked.vma(before).end)) == UPPER, "map_files opens what the path opens now"


def test_every_page_of_a_file_has_the_files_id(merged, asked):
    assert asked.mapped(asked.target.map(merged / "one.so", "s", 1)) == LOWER


def test_an_id_survives_the_name_and_the_mount(base, merged, asked):
    address = asked.target.map(merged / "one.so")
    (merged / "one.so").unlink()
    assert asked.mapped(address) == LOWER
    kernel.umount(merged, kernel.MNT_DETACH)
    assert asked.mapped(address) == LOWER
    kernel.mount(base / "work", merged, None, kernel.MS_BIND)


def test_real_files_have_the_id_that_readelf_prints(asked):
    ask = asked.of
    paths = [Path("/bin/sh").resolve(), Path(shutil.which("gcc")).resolve(), Path(shutil.which("readelf")).resolve()]
    for path in paths:
        path.read_bytes()  # into memory
        assert ask(path) == readelf(path)


def test_the_kernels_other_mappings_are_recognized():
    with Asked(os.getpid()) as own, open("/proc/self/maps", "rb") as file:
        reasons = [found.reason for vma in maps.parse(file.read()) if vma.name != b"[vsyscall]"
                   for found in [own.ids.mapped(vma)] if isinstance(found, Refused)]
    assert reasons
    assert set(reasons) == {NO_ID.reason}


def test_a_file_that_is_no_elf_and_one_without_a_note_have_no_id(merged, asked):
    (merged / "text").write_bytes(b"text".ljust(PAGE))
    shared_object(merged / "bare.so", b"")
    for name in ("text", "bare.so"):
        address = asked.target.map(merged / name)
        assert asked.mapped(address) == NO_ID
        assert asked.of(merged / name) == DOUBTFUL


@pytest.mark.parametrize("change", [
    {"start": -PAGE}, {"end": PAGE}, {"offset": PAGE}, {"inode": 1}, {"device": None}])
def test_an_answer_for_another_mapping_is_no_answer(merged, asked, change):
    vma = asked.vma(asked.target.map(merged / "one.so"))
    [(field, by)] = change.items()
    other = vma.device._replace(minor=vma.device.minor + 1) if by is None else getattr(vma, field) + by
    assert asked.ids.mapped(vma) == LOWER
    assert asked.ids.mapped(vma._replace(**{field: other})) == MEANWHILE


def test_a_mapping_that_went_away_has_no_answer(merged, asked):
    vma = asked.vma(asked.target.map(merged / "one.so", "s", 0, 2))
    asked.target.ask("unmap", f"{vma.start + PAGE:x}", 1)
    assert asked.ids.mapped(vma) == MEANWHILE
    asked.target.ask("unmap", f"{vma.start:x}", 1)
    assert asked.ids.mapped(vma) == Refused("the addresses hold no mapping any more")


def test_another_file_mapped_in_its_place_has_no_answer(base, merged):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3,
                                                              ctypes.c_long]
    with (merged / "one.so").open("rb") as one, (base / "upper.so").open("rb") as other, Asked(os.getpid()) as own:
        address = libc.mmap(None, PAGE, mmap.PROT_READ, mmap.MAP_SHARED, one.fileno(), 0)
        vma = own.vma(address)
        assert own.ids.mapped(vma) == LOWER
        assert libc.mmap(address, PAGE, mmap.PROT_READ, mmap.MAP_SHARED | 0x10, other.fileno(), 0) == address
        assert own.ids.mapped(vma) == MEANWHILE
        assert own.mapped(address) == UPPER
        libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(PAGE))


@pytest.mark.usefixtures("asked")
def test_after_an_exec_the_old_memory_is_gone():
    with subprocess.Popen(["sh", "-c", "read x; exec sleep 1000"], stdin=subprocess.PIPE) as process:
        shell = os.readlink(f"/proc/{process.pid}/exe")
        with Asked(process.pid) as found, open(f"/proc/{process.pid}/maps", "rb") as file:
            vma = maps.parse(file.read())[0]
            found.ids.mapped(vma)
            process.stdin.close()
            until(lambda: os.readlink(f"/proc/{process.pid}/exe") != shell)
            answer = found.ids.mapped(vma)
        process.kill()
    assert answer == Refused("the memory that was asked about is gone: the process exited or executed another program")


def test_maps_that_cannot_be_read_need_a_capability(merged, asked):
    vma = asked.vma(asked.target.map(merged / "one.so"))

    def ask():
        os.setresuid(65534, 65534, 65534)
        return asked.ids.mapped(vma)
    asked.ids.close()
    assert told(ask) == ["the process's maps cannot be opened: Permission denied", "CAP_SYS_PTRACE"]


def test_a_kernel_without_the_query_is_told_apart(merged, asked):
    vma = asked.vma(asked.target.map(merged / "one.so"))
    with Asked(asked.pid, "/dev/null") as found:
        assert found.ids.mapped(vma) == Refused("this kernel has no PROCMAP_QUERY (Linux 6.11)")
    with Asked(asked.pid, "/dev/absent") as found:
        assert found.ids.mapped(vma) == Refused("the process's maps cannot be opened: No such file or directory")


def test_a_kernel_that_may_crash_is_not_asked(merged, asked):
    def untried() -> bool:
        raise OSError(38, "no memfd")
    vma = asked.vma(asked.target.map(merged / "one.so"))
    for trial, reason in ((lambda: False, "may crash"), (untried, "cannot be tried: no memfd")):
        with Asked(asked.pid, "/dev/null", trial) as found:
            assert reason in found.ids.mapped(vma).reason


def test_the_descriptor_is_given_back(merged, asked):
    vma = asked.vma(asked.target.map(merged / "one.so"))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with Asked(asked.pid) as found:
            for _ in range(3):
                assert (found.ids.mapped(vma), found.of(merged / "one.so")) == (LOWER, LOWER)
            found.ids.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_fifo_is_not_opened(merged, asked):
    os.mkfifo(merged / "pipe")
    with never_opened(merged / "pipe"):
        assert asked.of(merged / "pipe") == Refused("the candidate's build id cannot be read: not a regular file")


def test_a_candidate_of_somebody_else_needs_a_capability(merged):
    os.chown(merged / "one.so", 1, 1)
    (merged / "one.so").chmod(0o644)

    def ask():
        with Asked(os.getpid()) as found:
            drop((3,))  # CAP_FOWNER
            return found.of(merged / "one.so")
    assert told(ask)[1] == "CAP_FOWNER"


def test_no_time_of_access_changes(base, mapper):
    strict = kernel.mounted("strict", base / "strict", "tmpfs", 1 << 24)
    with strict as where:
        for name in ("lower", "upper", "work", "merged"):
            (where / name).mkdir()
        for name in ("lower/one.so", "upper/two.so"):
            shared_object(where / name, LOWER)
        with (kernel.mounted("overlay", where / "merged", "overlay", 0,
                             f"lowerdir={where}/lower,upperdir={where}/upper,workdir={where}/work") as merged,
              Target(mapper) as target, Asked(target.pid) as found):
            for path, name in ((where / "lower", "one.so"), (where / "upper", "two.so")):
                address = target.map(merged / name)
                before = os.stat(path / name).st_atime_ns, os.stat(merged / name).st_atime_ns
                assert found.mapped(address) == LOWER
                assert [found.of(each / name) for each in (path, merged)] == [LOWER, LOWER]
                assert (os.stat(path / name).st_atime_ns, os.stat(merged / name).st_atime_ns) == before


def test_a_candidate_is_not_read_from_its_disk(base, asked):
    with kernel.filesystem("ext4", base / "disk") as disk:
        shared_object(disk / "cold.so", LOWER)
        os.sync()
        device = os.stat(disk).st_dev
        counters = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
        with (disk / "cold.so").open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            before = counters.read_text().split()[2]
            assert asked.of(disk / "cold.so") == Refused("the candidate's build id cannot be read: it is not in memory")
            assert counters.read_text().split()[2] == before
            file.read()
            assert asked.of(disk / "cold.so") == LOWER
            assert counters.read_text().split()[2] != before, "it was in memory all the time"


@pytest.mark.parametrize("how", ["written", "stored"])
def test_a_rewritten_file_has_one_of_its_ids_or_none(base, asked, how):
    path = base / "flipping.so"
    states = [(base / name).read_bytes() for name in ("lower/one.so", "upper.so")]
    assert len(states[0]) == len(states[1])
    path.write_bytes(states[0])
    file = path.open("r+b", buffering=0)
    memory = mmap.mmap(file.fileno(), 0)

    def step():
        for state in states:
            if how == "written":
                os.pwrite(file.fileno(), state, 0)
            else:
                memory[:] = state
    with storm(step):
        found = {asked.of(path) for _ in range(3000)}
    memory.close()
    file.close()
    assert found <= {LOWER, UPPER, DOUBTFUL, Refused("the candidate changed while its build id was read")}


# What this reader leaves out on purpose: kernels differ in it, or a hostile file could go on for hours.
ONLY_THE_KERNEL = {
    "two ids in a segment", "two ids in two segments", "two ids, one behind the first page", "a count of 65535",
    "torn by its segment", "torn behind its header", "a segment behind the end of the file", "a segment at 2^63",
    "a segment at the end of 64 bits", "a segment that ends behind 4 GiB", "a size of 2^32 and more",
    "a size of 2^64 - 1", "overlapping notes without an end",
}
NOBODY_ELSE = {"64 bit, the other order", "32 bit, the other order"}


def both(asked: Asked, path: Path, file: bytes) -> tuple[bytes | None, bytes | None]:
    """Return what the kernel finds in a file that is mapped, and what the reader does."""
    path.write_bytes(file)
    address = asked.target.map(path, "s" if file else "n")
    kernels, ours = asked.mapped(address), asked.of(path)
    asked.target.ask("unmap", f"{address:x}", 1)
    path.unlink()
    assert isinstance(kernels, bytes) or kernels == NO_ID
    assert isinstance(ours, bytes) or ours == DOUBTFUL
    return kernels if isinstance(kernels, bytes) else None, ours if isinstance(ours, bytes) else None


@pytest.mark.parametrize("name", [*images.FOUND, *images.NONE])
def test_the_kernel_agrees(merged, asked, name):
    file, expected = images.FOUND[name] if name in images.FOUND else (images.NONE[name], None)
    kernels, ours = both(asked, merged / "odd", file)
    assert ours == expected
    assert None in {kernels, ours} or kernels == ours
    if kernels != ours:
        # Older kernels find fewer: they look at the first page only.
        assert name in (ONLY_THE_KERNEL if ours is None else NOBODY_ELSE) or kernels is None


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(images.SMALL), images.mutations, st.integers(0, 1000))
def test_the_kernel_agrees_about_damage(merged, asked, file, changes, end):
    kernels, ours = both(asked, merged / "odd", images.mutated(file, changes, end))
    assert None in {kernels, ours} or kernels == ours
