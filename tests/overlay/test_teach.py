"""`mapsd teach`: what a plain cat of the pinned file says, on a bpffs of the test's own."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.command import BOUND, MAPSD, NOBODY
from tests.conftest import missing
from tests.overlay import kernel
from tests.overlay.battery import write
from tests.overlay.scenes import Scene

BPFFS = Path("/sys/fs/bpf")
TAUGHT = BPFFS / "mapsd/maps"


def run(*words: str, prefix: list[str] | None = None) -> tuple[int, str, str]:
    done = subprocess.run([*(prefix or []), MAPSD, *words], capture_output=True, text=True, timeout=BOUND, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def bpffs(lab):
    assert lab  # in a mount namespace of the test's own
    try:
        kernel.mount("bpf", BPFFS, "bpf")
    except OSError as error:
        missing("overlay", f"no bpffs: {error}")
    yield BPFFS
    kernel.umount(BPFFS, kernel.MNT_DETACH)


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
        made.fill(layers[0], "a b", "tab\tnew\nline\x1b[31m", "deleted later")
        made.mount()
        made.start()
        yield made


def lines(pid: int) -> dict[int, list[str]]:
    """Return the fields of every line of a process, by start address."""
    text = subprocess.run(["cat", TAUGHT], capture_output=True, check=True).stdout
    rows = [line.decode().split("\t") for line in text.split(b"\n") if line]
    assert {len(row) for row in rows} == {12}
    return {int(row[1].split("-")[0], 16): row for row in rows if row[0] == str(pid)}


def true(claim) -> list[str]:
    """Return the fields that are true of a claim's backing file, from its own stat."""
    device = "{:02x}:{:02x}".format(*map(int, claim.identity[0].split(":")))
    return [device, str(claim.identity[1]), str(claim.layer.index), f"/{claim.below}"]


@pytest.mark.usefixtures("taught")
def test_cat_tells_the_lower_file_from_its_copy_in_one_process(scene):
    lower1, lower2 = scene.sources
    claims = [scene.map(f"in{layer.index}", layer) for layer in (lower1, lower2)]
    before = scene.map("both", lower1, "n", about="before")
    write(scene.reach("both"))
    after = scene.map("both", scene.top, "n", about="after")
    seen = lines(scene.target.pid)
    for claim in (*claims, before, after):
        assert seen[claim.address][8:] == true(claim), claim
        assert seen[claim.address][6:8] == ["-", claim.path]
    assert seen[before.address][4:6] == seen[after.address][4:6]


@pytest.mark.usefixtures("taught")
def test_the_first_columns_are_those_of_maps(scene):
    claim = scene.map("in1", scene.sources[0], "p", page=1)
    seen = lines(scene.target.pid)
    for text in Path(f"/proc/{scene.target.pid}/maps").read_text().splitlines():
        fields = text.split(None, 5)
        if len(fields) < 6 or not fields[5].startswith("/"):
            continue
        address, perms, offset, device, inode = fields[:5]
        row = seen[int(address.split("-")[0], 16)]
        assert [row[1], row[2], int(row[3]) * 4096, row[4], row[5]] == [address, perms, int(offset, 16), device, inode]
    assert seen[claim.address][3] == "1"


@pytest.mark.usefixtures("taught")
def test_a_name_forges_neither_field_nor_line(scene):
    hostile = scene.map("tab\tnew\nline\x1b[31m", scene.sources[0])
    blank = scene.map("a b", scene.sources[0])
    seen = lines(scene.target.pid)
    assert seen[hostile.address][7] == f"{scene.merged}/tab?new?line?[31m"
    assert seen[hostile.address][8:10] == true(hostile)[:2]
    assert seen[blank.address][7:] == [blank.path, *true(blank)]


@pytest.mark.usefixtures("taught")
def test_an_unlinked_name_and_one_outside_the_root_are_marked(scene):
    claim = scene.map("deleted later", scene.sources[0], "n")
    scene.reach("deleted later").unlink()
    assert lines(scene.target.pid)[claim.address][6:8] == ["deleted", claim.path]
    kept = scene.map("in1", scene.sources[0])
    scene.target.ask("chroot", scene.base / "lower2")
    assert lines(scene.target.pid)[kept.address][6] == "unreachable"
    assert lines(scene.target.pid)[kept.address][8:] == true(kept)


@pytest.mark.usefixtures("taught")
def test_readers_at_the_same_time_see_the_same(scene):
    claims = [scene.map(f"in{layer.index}", layer) for layer in scene.sources for _ in range(20)]
    with ThreadPoolExecutor(8) as pool:
        for seen in pool.map(lambda _: lines(scene.target.pid), range(64)):
            assert all(seen[claim.address][7:] == [claim.path, *true(claim)] for claim in claims)


def test_the_file_is_root_s_alone_and_teaching_again_replaces_it(taught):
    seen, directory = os.stat(taught), os.stat(taught.parent)
    assert (seen.st_uid, seen.st_mode & 0o7777, directory.st_uid, directory.st_mode & 0o7777) == (0, 0o400, 0, 0o700)
    assert subprocess.run([*NOBODY, "cat", taught], capture_output=True, check=False).returncode == 1
    assert run("teach")[0] == 0
    assert os.listdir(taught.parent) == ["maps"]
    assert os.stat(taught).st_ino != seen.st_ino


def test_unteach_leaves_nothing(taught):
    assert run("unteach") == (0, "", "")
    assert not os.path.lexists(taught.parent)
    assert run("unteach") == (1, "", "mapsd: nothing was taught\n")


@pytest.mark.usefixtures("bpffs")
def test_without_privilege_it_is_refused_and_the_capability_named():
    for command in ("teach", "unteach"):
        status, out, err = run(command, prefix=NOBODY)
        assert (out, err.count("\n")) == ("", 1 if status else 0)
        assert status == {"teach": 3, "unteach": 1}[command]
    assert "CAP_BPF" in run("teach", prefix=NOBODY)[2]
    assert not os.path.lexists(TAUGHT.parent)


@pytest.mark.usefixtures("bpffs")
@pytest.mark.parametrize("what", ["a directory that others may write", "a link"])
def test_a_directory_that_somebody_else_made_is_not_used(what, tmp_path):
    if what == "a link":
        TAUGHT.parent.symlink_to(tmp_path)
    else:
        TAUGHT.parent.mkdir()
        TAUGHT.parent.chmod(0o777)
    status, out, err = run("teach")
    assert (status, out, err) == (70, "", "mapsd: /sys/fs/bpf/mapsd is not a directory of our own\n")
    assert not os.listdir(tmp_path)
