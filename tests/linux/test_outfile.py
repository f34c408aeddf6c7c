"""A file that appears whole or not at all."""

import errno
import os
import resource
import stat

import pytest

from mapsd.errors import NotWritten
from mapsd.linux import outfile
from mapsd.linux.outfile import OutFile


@pytest.fixture(params=["without a name", "under a name of its own", "on a filesystem without links"])
def way(request, monkeypatch):
    """Every way to a file that appears at once: the later ones are for filesystems that lack something."""
    if request.param != "without a name":
        real = os.open

        def refuse(path, flags, *rest, **named):
            if path == b".":
                raise OSError(errno.EOPNOTSUPP, "no such files")
            return real(path, flags, *rest, **named)
        monkeypatch.setattr(os, "open", refuse)
    if request.param == "on a filesystem without links":
        def no_link(*_, **__):
            raise PermissionError(errno.EPERM, "no links")
        monkeypatch.setattr(os, "link", no_link)


def written(path, *parts: bytes, replace: bool = False) -> OutFile:
    made = OutFile(os.fsencode(path), replace=replace)
    for part in parts:
        made.write(part)
    return made


@pytest.mark.usefixtures("way")
def test_a_file_has_its_name_when_it_is_whole_and_only_its_owner_may_read_it(tmp_path):
    path = tmp_path / "made"
    made = written(path, b"one", b"two")
    assert not path.exists()
    made.commit()
    made.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["made"]
    assert path.read_bytes() == b"onetwo"
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_nlink) == (0o600, 1)


@pytest.mark.usefixtures("way")
def test_what_is_not_committed_leaves_nothing(tmp_path):
    written(tmp_path / "made", b"half").close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("kind", ["file", "link to a file", "dangling link", "directory", "fifo"])
@pytest.mark.parametrize("replace", [False, True])
def test_only_a_regular_file_is_replaced_and_only_when_asked(tmp_path, kind, replace, late):
    path, other = tmp_path / "made", tmp_path / "other"
    other.write_bytes(b"other")
    made = written(path, b"new", replace=replace) if late else None
    put = {"file": lambda: path.write_bytes(b"old"), "link to a file": lambda: path.symlink_to("other"),
           "dangling link": lambda: path.symlink_to("nowhere"), "directory": path.mkdir,
           "fifo": lambda: os.mkfifo(path)}
    put[kind]()
    before = path.lstat()
    if kind == "file" and replace:
        made = made or written(path, b"new", replace=True)
        made.commit()
        made.close()
        assert path.read_bytes() == b"new"
    else:
        with pytest.raises(NotWritten, match="it exists"):
            (made or written(path, b"new", replace=replace)).commit()
        if made:
            made.close()
        assert path.lstat() == before
    assert other.read_bytes() == b"other"
    assert {entry.name for entry in tmp_path.iterdir()} == {"made", "other"}


@pytest.mark.usefixtures("way")
def test_a_name_that_is_taken_in_the_last_moment_is_left_alone(tmp_path, monkeypatch):
    made = written(tmp_path / "made", b"new")
    (tmp_path / "made").write_bytes(b"theirs")
    monkeypatch.setattr(made, "_unless_taken", lambda: None)
    if os.link.__name__ == "no_link":
        monkeypatch.setattr(outfile, "_NO_LINK", {errno.EPERM})
    with pytest.raises(NotWritten, match="File exists"):
        made.commit()
    made.close()
    assert (tmp_path / "made").read_bytes() == b"theirs"
    assert [entry.name for entry in tmp_path.iterdir()] == ["made"]


def test_zeros_need_no_room(tmp_path):
    made = written(tmp_path / "made", b"a")
    made.skip(1 << 20)
    made.write(b"b")
    made.write(bytes(1 << 18))
    made.skip(1 << 30)
    made.commit()
    made.close()
    seen = (tmp_path / "made").stat()
    assert seen.st_size == (1 << 20) + 2 + (1 << 18) + (1 << 30)
    assert seen.st_blocks * 512 < 1 << 16
    with (tmp_path / "made").open("rb") as file:
        assert file.read((1 << 20) + 2) == b"a" + bytes(1 << 20) + b"b"


def test_what_was_taken_can_be_read_again(tmp_path):
    made = written(tmp_path / "made", b"abc")
    made.skip(2)
    made.write(b"d")
    assert (made.read(1, 3), made.read(5, 9), made.read(9, 1)) == (b"bc\0", b"d", b"")
    made.close()


@pytest.mark.parametrize(("name", "why"), [
    ("", "not the name"), ("a/", "not the name"), (".", "not the name"), ("..", "not the name"), ("a/..", "not the"),
    ("nowhere/a", "No such file"), ("file/a", "Not a directory"), ("n" * 256, "File name too long")])
def test_a_place_where_no_file_can_be_is_refused(tmp_path, name, why):
    (tmp_path / "file").touch()
    (tmp_path / "a").mkdir()
    held = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NotWritten, match=why):
        OutFile(os.fsencode(tmp_path) + b"/" + name.encode() if name else b"", replace=True)
    assert len(os.listdir("/proc/self/fd")) == held


def test_a_directory_that_is_a_link_may_lead_there(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    made = written(tmp_path / "link" / "made", b"x")
    (tmp_path / "link").unlink()
    made.commit()
    made.close()
    assert (tmp_path / "real" / "made").read_bytes() == b"x"


@pytest.mark.usefixtures("way")
def test_a_full_disk_is_a_failure_that_leaves_nothing(tmp_path):
    made = written(tmp_path / "made", b"x" * 4096)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        with pytest.raises(NotWritten, match="File too large"):
            made.write(b"y" * 8192)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        made.close()
    assert list(tmp_path.iterdir()) == []


def test_descriptors_are_given_back(tmp_path):
    held = len(os.listdir("/proc/self/fd"))
    written(tmp_path / "one").close()
    made = written(tmp_path / "two")
    made.commit()
    made.close()
    assert len(os.listdir("/proc/self/fd")) == held
