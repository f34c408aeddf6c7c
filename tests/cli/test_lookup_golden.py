"""What a person sees of a container: kept outputs at 80 and 200 columns, through a real terminal."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import child, mapped, mapsd, said
from tests.cli.golden import golden
from tests.cli.pseudoterminal import COLOURED, on_terminal
from tests.conftest import missing
from tests.overlay import kernel
from tests.overlay.conftest import lab, mapper
from tests.overlay.files import fill
from tests.overlay.target import Target

__all__ = ["lab", "mapper"]
HERE = Path("/mnt")  # the same everywhere: widths are in the outputs
DEEP = "usr/share/" + "/".join(f"a-directory-with-a-long-name-{number}" for number in range(1, 5))
NAMES = ["usr/bin/program", "usr/lib/libssl.so.3", "usr/lib/libgone.so", "usr/lib/libswapped.so",
         "usr/lib/libcovered.so", f"{DEEP}/library.so", "srv/\u4e2d\u6587 blank.so", "srv/\x1b[31mred\n.so"]
FORMS = {
    "default": ["--overlay-only"],
    "files": ["--overlay-only", "--files"],
    "noheadings": ["--overlay-only", "-n"],
    "added": ["--overlay-only", "-o", "+OFFSET,KIND"],
    "named": ["--overlay-only", "-o", "STATE,USER_PATH,BACKING"],
    "changed": ["--state", "copied-up,replaced,deleted"],
}


@pytest.fixture(scope="module")
def container(lab: Path, mapper: Path) -> Iterator[int]:
    """A process whose root is an overlay of two lowers and an upper, and what happened to the files that it maps."""
    assert lab.is_dir()
    with kernel.mounted("golden", HERE, "tmpfs"):
        for name in ("l1/proc", "l2", "upper", "work", "merged"):
            (HERE / name).mkdir(parents=True)
        for number, name in enumerate(NAMES):
            fill(HERE / f"l{1 + number % 2}" / name, name, 6)
        kernel.mount("overlay", HERE / "merged", "overlay", 0,
                     f"lowerdir={HERE}/l1:{HERE}/l2,upperdir={HERE}/upper,workdir={HERE}/work")
        with Target(mapper) as target:
            target.ask("newns")
            target.ask("bind", Path("/proc"), HERE / "merged/proc")
            target.ask("pivot", HERE / "merged")
            for name in NAMES:
                for page in range(4 if name.startswith("usr/") else 1):
                    target.map(Path("/") / name, page=page)
            happen(target)
            yield target.pid
        kernel.umount(HERE / "merged", kernel.MNT_DETACH)


def happen(target: Target) -> None:
    root = Path(f"/proc/{target.pid}/root")
    with (root / "usr/lib/libssl.so.3").open("r+b") as file:
        file.write(b"changed")
    (root / "usr/lib/libgone.so").unlink()
    fill(root / "new", "new")
    (root / "new").rename(root / "usr/lib/libswapped.so")
    target.map(Path("/usr/lib/libssl.so.3"))
    target.ask("bind", Path("/usr/bin/program"), Path("/usr/lib/libcovered.so"))


def steady(text: str) -> str:
    """Return an output without what differs from run to run; every replacement is as long as what it replaces."""
    text = re.sub(r"\b[0-9a-f]{12}-[0-9a-f]{12}\b", "7fffffff1000-7fffffff2000", text)
    text = re.sub(r"\b0x[0-9a-f]{12}\b", "0x7fffffff1000", text)
    return re.sub(r"^\d+ mapper$", "PID mapper", text, flags=re.MULTILINE)


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("form", FORMS)
def test_a_container_looks_like_this(container, form, columns):
    shown = on_terminal(container, *FORMS[form], columns=columns)
    assert (shown.status, shown.errors) == (0, "")
    golden(f"lookup/{form}-{columns}", steady(shown.text))


def test_states_are_coloured_like_this(container):
    shown = on_terminal(container, "--overlay-only", "--files", environment=COLOURED, columns=200)
    golden("lookup/coloured-200", steady(shown.text).replace("\x1b", "ESC"))


def test_two_containers_have_titles_like_this(container):
    shown = on_terminal(container, container, "--state", "deleted")
    assert (shown.status, shown.errors) == (0, "")
    golden("lookup/several-80", steady(shown.text))


@pytest.mark.parametrize(("form", "words"), [
    ("piped", []), ("raw", ["-r"]), ("raw-files", ["--files", "-nro", "MAPPINGS,STATE,LAYER,USER_PATH,BACKING"])])
def test_a_program_reads_this(container, form, words):
    done = mapsd(container, "--overlay-only", *words)
    assert said(done) == (0, "")
    golden(f"lookup/{form}", steady(done.stdout.decode()))


def test_values_between_nul_bytes_are_like_this(container):
    done = mapsd(container, "--overlay-only", "--files", "-0", "-o", "STATE,USER_PATH,BACKING")
    assert said(done) == (0, "")
    golden("lookup/null", steady(done.stdout.decode().replace("\0", "NUL\n").replace("\x1b", "ESC")))


@pytest.mark.parametrize("columns", [80, 200])
def test_an_ordinary_process_looks_like_this(columns):
    if not os.path.ismount("/dev/shm"):
        missing("shm", "needs a tmpfs on /dev/shm, which is where it is on every machine")
    names = ["short", "n" * 100, "\u4e2d\u6587 blank", "\x1b[31mred\n", "back\\slash"]
    where = Path(f"/dev/shm/mapsd-golden-{os.getpid():010}")
    where.mkdir(mode=0o700)
    try:
        for name in names:
            (where / name).write_bytes(b"." * 4096)
        with child(lambda: mapped(*(where / name for name in names for _ in range(3)))) as pid:
            rows = mapsd(pid, "-nro", "START,USER_PATH").stdout.decode().splitlines()
            starts = [row.split(" ")[0] for row in rows if str(where) in row]
            text = on_terminal(pid, *starts, columns=columns).text
    finally:
        for name in names:
            (where / name).unlink()
        where.rmdir()
    assert len(starts) == len(names) * 3
    golden(f"lookup/ordinary-{columns}", steady(text.replace(str(where), "/dev/shm/mapsd-golden-0000000000")))
