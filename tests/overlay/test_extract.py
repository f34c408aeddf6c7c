"""What is extracted of mappings of an overlay, beside the layers' own files and the process's memory."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from mapsd import lookup
from mapsd.copying import Wish
from mapsd.errors import NotExtracted, NothingHeld, ProcessGone
from mapsd.extraction import extracted
from mapsd.linux.backingfile import open_backing
from mapsd.model import Backing, DeviceId, Refused
from mapsd.resolve.source import FromFile, FromMemory
from tests.cli.command import MAPSD, until
from tests.overlay import kernel
from tests.overlay.battery import happen, lay
from tests.overlay.files import fill
from tests.overlay.scenes import Scene
from tests.overlay.taken import Taken, taken
from tests.overlay.target import PAGE, Target


@pytest.fixture
def ground(lab):
    """Two lowers, an upper and an overlay of them: plain and written below, fresh above."""
    base = Path(tempfile.mkdtemp(dir=lab))
    for name in ("l1", "l2", "u", "w", "merged"):
        (base / name).mkdir()
    for name in ("plain", "written", "other"):
        fill(base / "l2" / name, f"lower {name}", 4)
    options = f"lowerdir={base}/l1:{base}/l2,upperdir={base}/u,workdir={base}/w"
    with kernel.mounted("overlay", base / "merged", "overlay", 0, options):
        fill(base / "merged" / "fresh", "upper fresh", 8)
        yield base


@pytest.fixture
def target(mapper):
    with Target(mapper) as made:
        yield made


def rewrite(path: Path, tag: str = "changed", pages: int = 4) -> None:
    """Write other pages into a file that stays the same file (a lower one is copied up)."""
    with path.open("r+b") as file:
        file.write(b"".join(f"{tag} page {n}\n".encode().ljust(PAGE, b"!") for n in range(pages)))


def holes(found) -> list[tuple[int, int, str]]:
    return [(hole.start // PAGE, hole.end // PAGE, hole.why) for hole in found.copied.holes]


def own(found) -> list[tuple[int, int]]:
    return [(one.start // PAGE, one.end // PAGE) for one in found.copied.own]


def poke(target: Target, address: int, data: bytes) -> None:
    """Write into the process as a debugger does: a private page becomes its own."""
    with open(f"{target.proc()}/mem", "wb", 0) as memory:
        os.pwrite(memory.fileno(), data, address)


@pytest.mark.parametrize("mode", ["s", "p"])
def test_before_a_copy_up_the_lower_file_is_extracted_and_after_it_the_upper_one(ground, target, mode):
    path = ground / "merged" / "written"
    before = target.map(path, mode, 1)
    old = path.read_bytes()
    rewrite(path)
    after = target.map(path, mode, 1)
    for address, layer, wanted in ((before, "l2", old), (after, "u", path.read_bytes())):
        data, found = taken(target, address)
        assert (data, found.source) == (wanted, FromFile(found.mapping.backing, os.fsencode(ground / layer / "written"),
                                                         found.mapping.proof))
        assert data[PAGE:2 * PAGE] == target.memory(address)


def test_the_command_extracts_what_the_mapping_holds_and_not_what_its_path_opens(ground, target):
    path, out = ground / "merged" / "written", ground / "out"
    before = target.map(path)
    old = path.read_bytes()
    rewrite(path)
    done = subprocess.run([MAPSD, "extract", str(target.pid), hex(before), "-o", out], capture_output=True, check=True)
    assert out.read_bytes() == old
    assert f"source    backing file {ground}/l2/written (proof " in done.stdout.decode()


def test_a_deleted_lower_file_still_has_a_name_in_its_layer(ground, target):
    path = ground / "merged" / "plain"
    address, old = target.map(path), path.read_bytes()
    path.unlink()
    assert taken(target, address)[0] == old


def test_a_deleted_upper_file_is_put_together_from_memory(ground, target):
    path = ground / "merged" / "fresh"
    pages = {page: target.map(path, "s", page, count) for page, count in ((0, 2), (4, 1))}
    path.unlink()
    for address in pages.values():
        data, found = taken(target, address)
        assert isinstance(found.source, FromMemory)
        assert (data[:2 * PAGE], data[4 * PAGE:]) == (target.memory(pages[0], 2 * PAGE), target.memory(pages[4]))
        assert holes(found) == [(2, 4, "unmapped")]
        assert not any(data[2 * PAGE:4 * PAGE])


def test_mappings_before_and_after_a_copy_up_look_alike_and_are_never_mixed(ground, target):
    path = ground / "merged" / "written"
    before, old = target.map(path, "s", 0), path.read_bytes()
    rewrite(path)
    after = [target.map(path, "s", 1), target.map(path, "s", 3)]
    path.unlink()
    lines = Path(f"/proc/{target.pid}/maps").read_text().splitlines()
    assert len({line.split(None, 3)[3] for line in lines if "written" in line}) == 1
    assert taken(target, before)[0] == old
    for address in after:
        data, found = taken(target, address)
        assert isinstance(found.source, FromMemory)
        assert (data[PAGE:2 * PAGE], data[3 * PAGE:]) == (target.memory(after[0]), target.memory(after[1]))
        assert holes(found) == [(0, 1, "unmapped"), (2, 3, "unmapped")]
        assert [vma.start for vma in found.left_out] == [before]


def test_dirty_private_pages_are_the_process_s_and_are_named(ground, target):
    path = ground / "merged" / "fresh"
    address = target.map(path, "p", 0, 4)
    poke(target, address + PAGE, b"patched")
    path.unlink()
    data, found = taken(target, address)
    assert data == target.memory(address, 4 * PAGE)
    assert data[PAGE:].startswith(b"patched")
    assert own(found) == [(1, 2)]


def test_dirty_private_pages_of_a_file_with_a_name_are_named_and_not_written(ground, target):
    path = ground / "merged" / "plain"
    addresses = [target.map(path, "p", 1, 2), target.map(path, "d", 3)]
    poke(target, addresses[0] + PAGE, b"patched")
    data, found = taken(target, addresses[0])
    assert data == (ground / "l2" / "plain").read_bytes()
    assert [(one.start, one.end, one.address) for one in found.copied.own] == [
        (2 * PAGE, 3 * PAGE, addresses[0] + PAGE), (3 * PAGE, 4 * PAGE, addresses[1])]


def test_a_clean_page_is_taken_before_a_dirty_one(ground, target):
    path = ground / "merged" / "fresh"
    clean, dirty = target.map(path, "s", 1), target.map(path, "p", 0, 3)
    for page in (0, 1):
        poke(target, dirty + page * PAGE, b"patched")
    path.unlink()
    data, found = taken(target, dirty)
    assert data[:7] == b"patched"
    assert data[PAGE:2 * PAGE] == target.memory(clean)
    assert own(found) == [(0, 1)]


def test_a_page_that_is_written_to_while_it_is_read_is_named(ground, target):
    path = ground / "merged" / "fresh"
    address = target.map(path, "p", 0, 2)
    poke(target, address, b"patched")
    path.unlink()
    _, found = taken(target, address, meanwhile=lambda: poke(target, address + PAGE, b"late"))
    assert own(found) == [(0, 2)]


def test_what_is_not_known_is_one_mapping_from_memory(ground, target, monkeypatch):
    path = ground / "merged" / "written"
    untouched = [target.map(path, "n", page) for page in (0, 2)]
    rewrite(path)
    monkeypatch.setattr("mapsd.extraction.lookup", lambda pid: lookup(pid, "page-frame"))
    data, found = taken(target, untouched[1])
    assert data[2 * PAGE:] == target.memory(untouched[1])
    assert data[2 * PAGE:].startswith(b"lower written page 2")
    assert [vma.start for vma in found.copied.read] == [untouched[1]]
    assert [vma.start for vma in found.left_out] == [untouched[0]]
    assert holes(found) == [(0, 2, "unmapped")]
    assert found.source.reason.startswith("the backing file is not proven: ")


def test_a_file_that_was_truncated_ends_where_its_last_page_ends(ground, target):
    path = ground / "merged" / "fresh"
    address = target.map(path, "s", 0, 4)
    os.truncate(path, PAGE + 5)
    path.unlink()
    data, found = taken(target, address)
    assert data == target.memory(address, 2 * PAGE)
    assert holes(found) == [(2, 4, "unreadable")]


def test_where_nothing_may_be_faulted_in_only_resident_pages_are_read(ground, target):
    path = ground / "merged" / "fresh"
    touched, untouched = target.map(path, "s", 0), target.map(path, "n", 1, 2)
    path.unlink()
    data, found = taken(target, touched, fault="never")
    assert (data, holes(found)) == (target.memory(touched), [(1, 3, "absent")])
    target.ask("unmap", f"{touched:x}", 1)
    with pytest.raises(NothingHeld, match="no page of the mapping"):
        taken(target, untouched, fault="never")


def test_metadata_only_copy_ups_leave_the_data_file(base, target):
    for name in ("l", "u", "w", "merged"):
        (base / name).mkdir()
    fill(base / "l" / "f", "data", 4)
    options = f"lowerdir={base}/l,upperdir={base}/u,workdir={base}/w,metacopy=on"
    with kernel.mounted("overlay", base / "merged", "overlay", 0, options):
        (base / "merged" / "f").chmod(0o640)
        data, found = taken(target, target.map(base / "merged" / "f"))
        assert (data, found.source.path) == ((base / "l" / "f").read_bytes(), os.fsencode(base / "l" / "f"))


@pytest.mark.parametrize("more", ["", ",metacopy=on,redirect_dir=on"])
def test_every_mapping_of_a_scene_is_extracted_as_it_is_in_memory(lab, mapper, more):
    with Scene("extracted", lab, mapper) as scene:
        for number in (1, 2):
            scene.lower(scene.base / f"l{number}")
        lay(scene, "one")
        scene.upper(scene.base / "u")
        scene.mount(more)
        scene.start()
        happen(scene, "one")
        for claim in scene.claims:
            data, found = taken(scene.target, claim.address)
            assert data[claim.page * PAGE:][:PAGE] == claim.held, claim
            where = claim.where()
            if isinstance(found.source, FromFile):
                assert data == where.read_bytes(), claim
            else:
                assert where is None or not claim.present, claim


def test_a_process_in_a_container_of_its_own_is_extracted_by_the_layers_of_the_observer(lab, mapper):
    with Scene("contained", lab, mapper) as scene:
        scene.lower(scene.base / "l")
        lay(scene, "one")
        scene.upper(scene.base / "u")
        scene.mount()
        scene.start()
        scene.contain()
        happen(scene, "one", singles=False)
        for claim in scene.claims[:12]:
            data, _ = taken(scene.target, claim.address)
            assert data[claim.page * PAGE:][:PAGE] == claim.held, claim


def test_a_process_whose_leader_has_exited_has_its_memory_still(ground, target):
    path = ground / "merged" / "fresh"
    address = target.map(path, "s", 0, 2)
    path.unlink()
    held = target.memory(address, 2 * PAGE)
    target.ask("thread")
    until(lambda: Path(f"/proc/{target.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z")
    assert taken(target, address)[0] == held


@pytest.mark.parametrize("name", ["fresh", "plain"])
def test_a_mapping_that_is_another_one_meanwhile_is_a_failure(ground, target, name):
    path = ground / "merged" / name
    address = target.map(path)
    if name == "fresh":
        path.unlink()
    with pytest.raises(NotExtracted, match="changed while it was read"):
        taken(target, address, meanwhile=lambda: target.ask("unmap", f"{address:x}", 1))


def test_one_of_several_mappings_that_goes_meanwhile_is_a_failure(ground, target):
    path = ground / "merged" / "fresh"
    first, second = target.map(path, "s", 0), target.map(path, "s", 1)
    path.unlink()
    with pytest.raises(NotExtracted, match="changed while it was read"):
        taken(target, first, meanwhile=lambda: target.ask("unmap", f"{second:x}", 1))


def test_a_process_that_ends_meanwhile_is_gone(ground, target):
    for name in ("fresh", "plain"):
        with Target(target.process.args[0]) as victim:
            address = victim.map(ground / "merged" / name, "s", 0, 2)
            if name == "fresh":
                (ground / "merged" / name).unlink()
            with pytest.raises(ProcessGone) as raised:
                taken(victim, address, meanwhile=lambda victim=victim: victim.process.kill() or victim.process.wait())
            assert raised.value.seen


@pytest.mark.usefixtures("lab")
def test_another_program_s_memory_is_never_read_for_this_one():
    with subprocess.Popen(["sh", "-c", "read x; exec sleep 1000"], stdin=subprocess.PIPE) as process:
        stack = next(line for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines() if "[stack]" in line)
        address = int(stack.split("-")[0], 16)

        def execs() -> None:
            process.stdin.write(b"go\n")
            process.stdin.flush()
            while "sleep" not in os.readlink(f"/proc/{process.pid}/exe"):
                pass

        class Process:
            pid = process.pid
        try:
            with pytest.raises(NotExtracted):
                taken(Process, address, meanwhile=execs)
        finally:
            process.kill()


def test_a_backing_file_that_changes_while_it_is_read_is_said_to(ground, target):
    path = ground / "merged" / "fresh"
    address = target.map(path)
    data, found = taken(target, address)
    assert not found.copied.changed
    long = 2 << 20
    os.truncate(path, long)
    for change, size in ((lambda: os.truncate(path, long + PAGE), long), (lambda: os.truncate(path, 1 << 20), 1 << 20),
                         (lambda: rewrite(path), 1 << 20)):
        data, found = taken(target, address, meanwhile=change)
        assert (found.copied.changed, len(data)) == (True, size)


@pytest.mark.parametrize("put", ["another file", "link", "fifo", "directory", "nothing", "the file under another name"])
def test_only_the_very_file_is_read(ground, put):
    path = ground / "l2" / "plain"
    seen = path.stat()
    backing = Backing(os.fsencode(path), DeviceId(os.major(seen.st_dev), os.minor(seen.st_dev)), seen.st_ino, b"tmpfs")
    file = open_backing(backing, backing.path)
    assert b"".join(file.chunks(1 << 20)) == path.read_bytes()
    assert file.is_at(backing.path)
    path.rename(ground / "l2" / "moved")
    {"another file": lambda: fill(path, "lower plain", 4), "fifo": lambda: os.mkfifo(path), "directory": path.mkdir,
     "link": lambda: path.symlink_to(ground / "l2" / "other"), "nothing": lambda: None,
     "the file under another name": lambda: os.link(ground / "l2" / "moved", path)}[put]()
    if put == "the file under another name":
        assert file.is_at(backing.path)
    else:
        assert isinstance(open_backing(backing, backing.path), Refused)
        assert not file.is_at(backing.path)
    file.close()


def test_a_file_that_may_not_be_read_is_read_from_memory_and_it_is_said_why(ground, target, monkeypatch):
    path = ground / "merged" / "plain"
    address = target.map(path, "s", 0, 4)
    monkeypatch.setattr("mapsd.extraction.open_backing", lambda *_: Refused("it cannot be opened: Permission denied"))
    data, found = taken(target, address)
    assert data == path.read_bytes()
    assert found.source == FromMemory("the backing file is not read: it cannot be opened: Permission denied",
                                      os.fsencode(ground / "l2" / "plain"))


def test_a_file_of_a_subvolume_is_known_by_its_filesystem(lab, target):
    where = lab / "extract-btrfs"
    with kernel.filesystem("btrfs", where) as disk:
        subprocess.run(["btrfs", "subvolume", "create", disk / "sub"], check=True, stdout=subprocess.DEVNULL)
        fill(disk / "sub" / "f", "subvolume", 3)
        address = target.map(disk / "sub" / "f")
        data, found = taken(target, address)
        assert data == (disk / "sub" / "f").read_bytes()
        assert isinstance(found.source, FromFile)
        target.ask("unmap", f"{address:x}", 1)


def test_nothing_is_committed_on_failure(ground, target):
    address = target.map(ground / "merged" / "plain")
    output = Taken(lambda: target.ask("unmap", f"{address:x}", 1))
    with pytest.raises(NotExtracted):
        extracted(target.pid, address, output, Wish(1 << 30))
    assert not output.committed
