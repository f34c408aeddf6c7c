"""Names that the kernel prints ambiguously, or that look like something else; and paths that are too long."""

import ctypes
import mmap
import os
import signal
from pathlib import Path

import pytest

from tests.cli.command import mapsd
from tests.hostile.cli import cli, exact
from tests.hostile.conftest import until
from tests.hostile.scenes import forked, overlay
from tests.overlay.target import Target
from tests.schema import answered

NAMES = [
    b"plain", b"new\nline", rb"new\012line", b"two\n\nlines", b"six\n\n\n\n\n\n", rb"mixed\012" + b"\n" + rb"\012",
    b"back\\slash", rb"\\", rb"\x41", rb"\040", b"tab\tand blank ", b" (deleted)", b"f (deleted)",
    b"f (deleted) (deleted)", b"\n (deleted)", b"n" * 255, b"\xff" * 255, b"\x1b[31mred\x1b[0m\x07\r\x08",
    b"\xff\xfe\xc3", "\u202egnp.exe\u2028".encode(), b"\xed\xa0\x80", b"[heap]", b"[vdso]", b"[anon:x]",
    b"anon_inode:[io_uring]", b"memfd:x", b"memfd:x (deleted)", b"SYSV00001234", b"SYSV00001234 (deleted)",
    b"socket:[1]",
]
# At the root of a container the kernel prints these as it prints its own objects.
ROOTED = [b"/memfd:x", b"/memfd:x (deleted)", b"/SYSV00001234", b"/SYSV00001234 (deleted)", b"/dev/zero",
          b"/dev/zero (deleted)", b"/[heap]", b"/[stack]", b"/anon_inode:[io_uring]", b"/dev/nvidia0",
          b"/dev/dri/card0", b"/ (deleted)", b"/\n", b"/dev/shm/x", b"/i915 (deleted)", b"/drm mm object (deleted)"]


def written(directory: bytes, name: bytes) -> bytes:
    path = os.path.join(directory, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(path.ljust(4096, b"."))
    return path


@pytest.mark.parametrize("where", ["lower", "upper", "tmpfs"])
def test_a_living_file_has_its_own_name_and_a_deleted_one_its_last(base, mapper, where):
    for name in NAMES:
        if where == "lower":
            written(os.fsencode(base / "lower"), name)
    merged = os.fsencode(overlay(base) if where != "tmpfs" else base / "plain")
    paths = [os.path.join(merged, name) if where == "lower" else written(merged, name) for name in NAMES]
    inner = os.fsencode(base / where) if where != "tmpfs" else merged
    with Target(mapper) as target:
        addresses = {target.map(path): name for path, name in zip(paths, NAMES, strict=True)}
        living = cli(target.pid)
        wrong = [(name, living[at]["state"], exact(living[at], "user_path"), exact(living[at]["backing"], "path"))
                 for at, name in addresses.items()
                 if (living[at]["kind"], living[at]["state"], exact(living[at], "user_path"),
                     exact(living[at]["backing"], "path")) != ("file", "current", os.path.join(merged, name),
                                                               os.path.join(inner, name))]
        assert not wrong
        for path in paths:
            os.unlink(path)
        gone = cli(target.pid)
        wrong = [(name, gone[at]["state"], exact(gone[at], "user_path")) for at, name in addresses.items()
                 if (gone[at]["state"], exact(gone[at], "user_path")) not in (
                     ("deleted", os.path.join(merged, name)), ("unknown", None))]
        assert not wrong
        assert sum(gone[at]["state"] == "unknown" for at in addresses) <= 5


@pytest.mark.parametrize("layer", ["lower", "upper"])
def test_a_file_that_is_named_like_an_object_of_the_kernel_is_a_file(base, mapper, layer):
    if layer == "lower":
        for name in ROOTED:
            written(os.fsencode(base / "lower"), name[1:])
    merged = overlay(base)
    if layer == "upper":
        for name in ROOTED:
            written(os.fsencode(merged), name[1:])
    with Target(mapper) as target:
        target.ask("newns")
        target.ask("pivot", merged)
        addresses = {target.map(name): name for name in ROOTED}
        found = cli(target.pid)
    wrong = [(name, found[at]["kind"], found[at]["state"], found[at]["user_path"]) for at, name in addresses.items()
             if (found[at]["kind"], found[at]["state"], exact(found[at], "user_path")) != ("file", "current", name)]
    assert not wrong


@pytest.mark.parametrize("twin", [b"f", b"f (deleted)"])
def test_a_deleted_file_is_told_from_a_living_one_with_the_suffix(base, mapper, twin):
    merged = os.fsencode(overlay(base))
    one, other = written(merged, b"f"), written(merged, b"f (deleted)")
    with Target(mapper) as target:
        plain, suffixed = target.map(one), target.map(other)
        os.unlink(os.path.join(merged, twin))
        found = cli(target.pid)
        said = {at: (found[at]["state"], exact(found[at], "user_path")) for at in (plain, suffixed)}
    alive, dead = (suffixed, plain) if twin == b"f" else (plain, suffixed)
    paths = {plain: one, suffixed: other}
    assert said[alive] == ("current", paths[alive])
    assert said[dead] in {("deleted", paths[dead]), ("unknown", None)}


def test_a_newline_is_told_from_its_escape_where_both_names_exist(base, mapper):
    merged = os.fsencode(overlay(base))
    names = [written(merged, b"a\nb"), written(merged, rb"a\012b")]
    with Target(mapper) as target:
        addresses = [target.map(name) for name in names]
        found = cli(target.pid)
    assert [exact(found[at], "user_path") for at in addresses] == names
    assert [found[at]["state"] for at in addresses] == ["current", "current"]


@pytest.mark.parametrize("name", [b") Z 0 0 (", b"\nUid:\t7\t7", b"\x1b[2J", b"\xff\xfe", b"\\x41", b"", b"a) R 1 2 3"])
@pytest.mark.usefixtures("root")
def test_a_process_may_call_itself_anything(name):
    ready, done = os.pipe()

    def rename() -> None:
        ctypes.CDLL(None).prctl(15, name, 0, 0, 0)
        os.write(done, b".")
        signal.pause()

    child = forked(rename)
    os.read(ready, 1)
    try:
        answer = answered(child)
        table = mapsd(child).stdout.decode()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert exact(answer["process"], "name") == name
    assert (answer["process"]["uid"], bool(answer["mappings"])) == (0, True)
    assert all(char.isprintable() or char == "\n" for char in table)


def deep(top: Path, length: int) -> tuple[int, bytes]:
    """Make a file whose path has *length* bytes, directory by directory, and open it."""
    path, here = os.fsencode(top), os.open(top, os.O_RDONLY)
    while length - len(path) > 258:
        path += b"/" + b"d" * min(250, length - len(path) - 3)
        os.mkdir(os.path.basename(path), dir_fd=here)
        here, above = os.open(os.path.basename(path), os.O_RDONLY, dir_fd=here), here
        os.close(above)
    name = b"f" * (length - len(path) - 1)
    fd = os.open(name, os.O_RDWR | os.O_CREAT, dir_fd=here)
    os.write(fd, b"deep".ljust(4096))
    os.close(here)
    return fd, path + b"/" + name


@pytest.mark.parametrize("where", ["overlay", "tmpfs"])
@pytest.mark.parametrize("length", [4000, 4094, 4095, 4096, 4097, 4107, 4527, 9000])
def test_a_path_of_any_length_is_named_or_unknown(base, where, length):
    top = overlay(base) if where == "overlay" else base
    fd, path = deep(top, length)

    def hold() -> None:
        held = mmap.mmap(fd, 4096, prot=mmap.PROT_READ)
        assert held[0]
        signal.pause()

    child = forked(hold)
    os.close(fd)
    try:
        until(lambda: b"/dddd" in Path(f"/proc/{child}/maps").read_bytes())
        found = next(m for m in cli(child).values() if "/dddd" in m["shown"]["path"])
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert found["kind"] == "file"
    assert exact(found["shown"], "path") == path
    assert (found["state"], exact(found, "user_path")) in {("current", path), ("unknown", None)}, found
    if length < 4096:
        assert found["state"] == "current", found
    if found["backing"] is not None and found["backing"]["path"] is not None:
        seen = os.stat(found["backing"]["path"])
        assert (seen.st_size, seen.st_ino) == (4096, found["backing"]["inode"])
