"""What a lookup costs on a crowded machine, and what it must leave as it was: access times, pages, the layers."""

import os
import shutil
import time
from pathlib import Path

import pytest

from mapsd import lookup
from mapsd.parse import maps, pagemap
from tests.hostile.cli import cli, exact
from tests.hostile.scenes import overlay
from tests.overlay import kernel
from tests.overlay.target import PAGE, Target

MOUNTS, FILES, SECONDS = 3000, 300, 5
MS_STRICTATIME = 1 << 24


def mount_many(base: Path) -> None:
    """Mount 3000 filesystems: a tmpfs of its own, then a bind of it, in turn."""
    for number in range(MOUNTS // 2):
        for name in ("tmpfs", "bind"):
            (base / f"many/{name}{number}").mkdir(parents=True)
        kernel.mount("many", base / f"many/tmpfs{number}", "tmpfs")
        kernel.mount(base / f"many/tmpfs{number}", base / f"many/bind{number}", None, kernel.MS_BIND)


def syscalls(pid: int, where: Path) -> str:
    """Return the summary line of strace for one lookup."""
    if shutil.which("strace") is None:
        return "no strace"
    cli(pid, "strace", "-f", "-c", "-o", where / "strace")
    return (where / "strace").read_text().splitlines()[-1]


@pytest.mark.parametrize("seen_from", ["the same namespace", "the target's namespace alone"])
def test_three_thousand_mounts_are_answered_in_bounded_time(base, mapper, capsys, seen_from):
    merged = overlay(base)
    with Target(mapper) as target:
        if seen_from == "the same namespace":
            mount_many(base)
        else:
            target.ask("newns")
            (base / "many").mkdir()
            for _ in range(MOUNTS):
                target.ask("bind", base / "elsewhere", base / "many")
        for number in range(FILES):
            (merged / f"file{number}").write_bytes(b"%d" % number + b"." * PAGE)
            target.map(merged / f"file{number}")
            if number % 2:
                (merged / f"file{number}").unlink()
        for name in ("gone", "fresh2"):
            (merged / name).write_bytes(name.encode().ljust(PAGE))
        addresses = {target.map(merged / name): name for name in ("one", "two", "gone", "fresh2", "dir/deep")}
        (merged / "gone").unlink()
        (merged / "two").chmod(0o600)
        begun = time.monotonic()
        found = cli(target.pid)
        spent = time.monotonic() - begun
        total = syscalls(target.pid, base)
    with capsys.disabled():
        print(f"\n{MOUNTS} mounts in {seen_from}: {spent:.2f} s a lookup; strace: {total}")
    assert spent < SECONDS
    assert {name: found[at]["state"] for at, name in addresses.items()} == {
        "one": "current", "two": "copied-up", "gone": "deleted", "fresh2": "current", "dir/deep": "current"}


def below(*tops: Path) -> list[str]:
    """Return every path of some directories; the walk changes their access times."""
    return [os.path.join(directory, name) for top in tops for directory, _, names in os.walk(top)
            for name in ("", *names)]


def times(paths: list[str]) -> dict[str, tuple[int, int, int]]:
    """Return access, modification and change time, read by lstat alone."""
    return {path: (seen.st_atime_ns, seen.st_mtime_ns, seen.st_ctime_ns)
            for path in paths for seen in [os.lstat(path)]}


@pytest.mark.parametrize("options", ["", ",metacopy=on", ",index=on"])
def test_no_time_of_a_layer_file_changes(base, mapper, options):
    strict = base / "strict"
    strict.mkdir()
    kernel.mount("strict", strict, "tmpfs", MS_STRICTATIME)
    merged = overlay(strict, options)
    kernel.mount("none", merged, None, kernel.MS_BIND | 32 | MS_STRICTATIME)
    with Target(mapper) as target:
        for name in ("one", "two", "dir/deep", "fresh", "other"):
            target.map(merged / name)
        with (merged / "one").open("r+b") as file:
            file.write(b"changed")
        target.map(merged / "one")
        (merged / "two").chmod(0o600)
        (merged / "other").unlink()
        (merged / "dir" / "deep").rename(merged / "moved")
        paths = below(strict / "lower", strict / "upper", strict / "work")
        before = times(paths)
        states = {mapping.state for mapping in lookup(target.pid).mappings if mapping.state}
        after = times(paths)
    assert states >= {"current", "deleted"}
    assert [path for path in paths if before[path] != after[path]] == []


def present(pid: int) -> dict[int, int]:
    """Return the number of present pages of every mapping, by start."""
    found = {}
    with open(f"/proc/{pid}/maps", "rb") as text, open(f"/proc/{pid}/pagemap", "rb", 0) as entries:
        for vma in maps.parse(text.read()):
            if vma.start < 1 << 47:
                data = os.pread(entries.fileno(), (vma.end - vma.start) // PAGE * 8, vma.start // PAGE * 8)
                found[vma.start] = sum(entry.present for entry in pagemap.parse(data))
    return found


def resident(pid: int) -> str:
    return next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))


def test_no_page_is_faulted_into_the_target(base, mapper):
    merged = overlay(base)
    (merged / "long").write_bytes(b"x" * PAGE * 64)
    with Target(mapper) as target:
        untouched = [target.map(merged / name, "n", 0, pages) for name, pages in
                     (("one", 2), ("two", 2), ("fresh", 2), ("long", 64))]
        touched = [target.map(merged / name, "s") for name in ("one", "two", "fresh", "long")]
        (merged / "one").chmod(0o600)
        (merged / "two").unlink()
        before = present(target.pid), resident(target.pid)
        for _ in range(3):
            assert lookup(target.pid).mappings
        assert (present(target.pid), resident(target.pid)) == before
        assert [before[0][address] for address in untouched] == [0] * 4
        assert [before[0][address] for address in touched] == [1] * 4


def test_no_page_of_a_layer_file_is_read_from_its_disk(base, mapper):
    with kernel.filesystem("ext4", base / "disk") as disk:
        merged = overlay(disk)
        with Target(mapper) as target:
            untouched = target.map(merged / "two", "n")
            target.map(merged / "one")
            for name in ("one", "two"):
                (merged / name).chmod(0o600)
            os.sync()
            for name in ("lower/two", "upper/two", "upper/one"):
                with (disk / name).open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            device = os.stat(disk).st_dev
            counters = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")

            def sectors() -> int:
                return int(counters.read_text().split()[2])

            cli(target.pid)  # inodes and directories are read once
            before = sectors()
            found = cli(target.pid)[untouched]
            assert sectors() == before
            assert exact(found, "user_path") == os.fsencode(merged / "two")
            with (disk / "upper/two").open("rb") as file:
                assert file.read(1) == b"l"
            assert sectors() > before, "the pages were in memory all the time"
        kernel.umount(merged)
