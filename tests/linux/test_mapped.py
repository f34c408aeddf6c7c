"""What a map_files link opens: asked once for what maps prints alike, and again for all else."""

import mmap
import os
from contextlib import ExitStack

import pytest

from mapsd.linux.machine import LiveMachine
from mapsd.linux.pageframes import LivePageFrames
from mapsd.linux.procfs import ProcFs
from mapsd.model import FileFacts
from mapsd.parse import maps
from mapsd.ports import ByVma

pytestmark = pytest.mark.usefixtures("root")
PAGE = mmap.PAGESIZE


@pytest.fixture
def ourselves():
    process = ProcFs(os.getpid())
    yield process
    process.close()


@pytest.fixture
def mapped():
    """Map a page of a file, and return its line of maps."""
    with ExitStack() as held:
        def one(path, page=0):
            before = set(lines())
            with open(path, "rb") as file:
                room = held.enter_context(mmap.mmap(file.fileno(), PAGE, mmap.MAP_SHARED, mmap.PROT_READ,
                                                    offset=page * PAGE))
            room[0]
            [line] = [vma for vma in lines() if vma not in before and vma.inode == os.stat(path).st_ino]
            return line
        yield one


def lines():
    with open("/proc/self/maps", "rb") as file:
        return maps.parse(file.read())


def opens(monkeypatch, process):
    """Return the list to which every open of a map_files link is added."""
    seen, really = [], process.open_mapped
    monkeypatch.setattr(process, "open_mapped", lambda start, *others: seen.append(start) or really(start, *others))
    return seen


def test_the_mappings_of_one_file_open_it_once(ourselves, mapped, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(bytes(4 * PAGE))
    # Neighbours would be one mapping.
    vmas = [mapped(path, page) for page in (0, 2)]
    opened = opens(monkeypatch, ourselves)
    first, second = (ourselves.mapped(vma) for vma in vmas)
    assert isinstance(first, FileFacts)
    assert first.path == bytes(path)
    assert first is second
    assert opened == [vmas[0].start]


def test_a_file_that_changed_in_between_is_opened_again(ourselves, mapped, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(4 * PAGE))
    vmas = [mapped(path, page) for page in (0, 2)]
    assert ourselves.mapped(vmas[0]).nlink == 1
    path.with_name("other").hardlink_to(path)
    assert ourselves.mapped(vmas[1]).nlink == 2


def test_two_names_that_maps_prints_alike_are_two(ourselves, mapped, tmp_path):
    plain, line = tmp_path / "a\\012", tmp_path / "a\n"
    plain.write_bytes(bytes(4 * PAGE))
    line.hardlink_to(plain)
    vmas = [mapped(plain), mapped(line, 2)]
    assert vmas[0].name == vmas[1].name
    assert [ourselves.mapped(vma).path for vma in (*vmas, *vmas)] == [bytes(plain), bytes(line)] * 2


def test_another_file_of_the_same_name_is_opened(ourselves, mapped, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(PAGE))
    old = mapped(path)
    assert ourselves.mapped(old).path == bytes(path)
    path.unlink()
    path.write_bytes(bytes(PAGE))
    new = mapped(path)
    assert [ourselves.mapped(vma).inode for vma in (old, new)] == [old.inode, new.inode]
    assert ourselves.mapped(old).path == bytes(path) + b" (deleted)"


@pytest.mark.parametrize("keep", [False, True])
def test_page_frames_give_every_descriptor_back(ourselves, mapped, tmp_path, keep):
    path = tmp_path / "file"
    path.write_bytes(b"x" * PAGE)
    vma = mapped(path)
    before = os.listdir("/proc/self/fd")
    machine = LiveMachine(ourselves)
    frames = LivePageFrames(machine, keep=keep)
    verdicts = [frames.compare(vma, ByVma(vma.start, vma.end))[0] for _ in range(3)]
    assert verdicts == ["same"] * 3
    assert len(os.listdir("/proc/self/fd")) == len(before) + 2 * keep
    frames.close()
    machine.close()
    assert os.listdir("/proc/self/fd") == before
