"""The texts of /proc/PID/fd and /proc/PID/fdinfo: real ones in, values out."""

import os

import pytest

from mapsd.errors import ParseError
from mapsd.model.open import FdInfo
from mapsd.parse import fdinfo, fdlink
from mapsd.views.openfiles import access

# Linux 6.18; a file, an O_PATH descriptor, one of inotify, and a file of a kernel before 5.14.
TEXTS = {
    b"pos:\t3\nflags:\t02102001\nmnt_id:\t93\nino:\t8\n": FdInfo(3, 0o2102001, 93, 8),
    b"pos:\t0\nflags:\t012000000\nmnt_id:\t29\nino:\t5505\n": FdInfo(0, 0o12000000, 29, 5505),
    b"pos:\t0\nflags:\t00\nmnt_id:\t15\nino:\t1057\ninotify wd:1 ino:33 sdev:3e mask:fce ignored_mask:0 "
    b"fhandle-bytes:c fhandle-type:f8 f_handle:00000000fb21\n": FdInfo(0, 0, 15, 1057),
    b"pos:\t-1\nflags:\t0100000\nmnt_id:\t26\n": FdInfo(-1, 0o100000, 26, None),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_of_the_kernel_is_read(text):
    assert fdinfo.parse(text) == TEXTS[text]


@pytest.mark.parametrize("text", [b"", b"pos:\t0\n", b"pos:\t0\nflags:\t09\nmnt_id:\t1\n",
                                  b"pos: 0\nflags:\t0\nmnt_id:\t1\n", b"pos:\tx\nflags:\t0\nmnt_id:\t1\n",
                                  b"pos:\t0\nflags:\t0\nmnt_id:\t1\nino:\t\n"])
def test_a_form_that_nobody_knows_is_an_error(text):
    with pytest.raises(ParseError, match="fdinfo"):
        fdinfo.parse(text)


def test_what_a_driver_adds_does_not_count():
    text = b"pos:\t1\nflags:\t02\nmnt_id:\t3\nino:\t4\npos:\t9\nino:\t9\nPid:\t-1\n"
    assert fdinfo.parse(text) == FdInfo(1, 2, 3, 4)


def test_our_own_descriptor_is_read(tmp_path):
    path = tmp_path / "file"
    path.write_text("text")
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        os.lseek(fd, 2, os.SEEK_SET)
        with open(f"/proc/self/fdinfo/{fd}", "rb") as file:
            seen = fdinfo.parse(file.read())
    finally:
        os.close(fd)
    assert (seen.position, seen.flags & (os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)) == (
        2, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    assert access(seen.flags) == "write"
    assert seen.inode in {None, path.stat().st_ino}


@pytest.mark.parametrize(("text", "kind"), [
    (b"pipe:[5708934]", "pipe"), (b"socket:[9]", "socket"), (b"anon_inode:[eventpoll]", "anon_inode"),
    (b"anon_inode:inotify", "anon_inode"), (b"mnt:[4026532177]", "other"), (b"", "other"),
    (b"/pipe:[1]", None), (b"/memfd:x (deleted)", None), (b"/", None)])
def test_a_link_is_a_path_or_names_a_kind(text, kind):
    assert fdlink.kind_of(text) == kind


@pytest.mark.parametrize(("flags", "said"), [
    (os.O_RDONLY, "read"), (os.O_WRONLY | os.O_APPEND, "write"), (os.O_RDWR | os.O_CLOEXEC, "read-write"),
    (os.O_PATH | os.O_RDWR, "path"), (3, "none")])
def test_the_flags_say_what_a_descriptor_may_be_used_for(flags, said):
    assert access(flags) == said
