"""Literal kernel text in, values out."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.errors import ParseError
from mapsd.model import DeviceId, Handle, OverlayHandle, Vma
from mapsd.parse import maps, mountinfo, overlay_options, overlay_xattrs, pagemap, pages, smaps, stat
from mapsd.parse.escape import readings, unescape


def test_a_line_of_maps_is_read_field_by_field():
    line = b"560abe11d000-560abe11f000 r--p 00001000 00:30 8                          /slp x\n"
    assert maps.parse(line) == [Vma(0x560ABE11D000, 0x560ABE11F000, "r--p", 0x1000, DeviceId(0, 0x30), 8, b"/slp x")]


@pytest.mark.parametrize("line", [
    b"garbage\n", b"0-1 r--p 0 0:0\n", b"2-1 r--p 0 0:0 0\n", b"1-2 r-p 0 0:0 0\n", b"1-2 r--p 0 0:zz 0\n",
    b"1-2 r--p 0 0:0 -4\n", b"1-2 r--p 0 0:0 4", b"1-3 r--p 0 0:0 0\n2-4 r--p 0 0:0 0\n",
])
def test_a_line_that_nobody_knows_is_refused(line):
    with pytest.raises(ParseError):
        maps.parse(line)


@given(st.integers(0, 2**40), st.integers(1, 2**40), st.integers(0, 2**64 - 1),
       st.binary(min_size=1).filter(lambda name: b"\n" not in name))
def test_every_name_of_bytes_comes_back(start, length, inode, name):
    line = b"%x-%x rw-s %08x %02x:%02x %d %s/%s\n" % (start, start + length, 4096, 8, 1, inode, b" " * 20, name)
    assert maps.parse(line) == [Vma(start, start + length, "rw-s", 4096, DeviceId(8, 1), inode, b"/" + name)]


def test_the_escaped_newline_has_two_readings():
    assert set(readings(rb"/a\012b")) == {rb"/a\012b", b"/a\nb"}
    assert list(readings(b"/plain")) == [b"/plain"]


@pytest.mark.parametrize(("name", "device", "kind"), [
    (b"", 0, "anonymous"), (b"[heap]", 0, "heap"), (b"[stack]", 0, "stack"), (b"[vdso]", 0, "vdso"),
    (b"[vvar_vclock]", 0, "vvar"), (b"[anon:x]", 0, "anonymous"), (b"/memfd:my mem (deleted)", 1, "memfd"),
    (b"/SYSV00001234 (deleted)", 1, "shm"), (b"/dev/zero (deleted)", 1, "shm"), (b"/dev/zero", 6, "file"),
    (b"anon_inode:[io_uring]", 16, "other"), (b"/m/[heap]", 48, "file"),
])
def test_a_mapping_has_the_kind_of_its_name(name, device, kind):
    assert maps.kind_of(Vma(0, 1, "r--p", 0, DeviceId(0, device), 4, name)) == kind


def test_a_mount_is_unescaped_and_its_options_are_not():
    line = rb"117 112 0:54 /dir/x\040y//deleted /b\012ind rw,relatime shared:2 - overlay my\040src rw,lowerdir=/a\134:b"
    mount = mountinfo.parse_line(line)
    assert (mount.id, mount.parent, mount.device) == (117, 112, DeviceId(0, 54))
    assert (mount.root, mount.mount_point) == (b"/dir/x y//deleted", b"/b\nind")
    assert (mount.fs_type, mount.options) == (b"overlay", rb"rw,lowerdir=/a\134:b")


@pytest.mark.parametrize("line", [
    b"1 2 0:1 / /", b"x 2 0:1 / / rw - t s o", b"1 2 0 / / rw - t s o", b"1 2 0:1 / - t s o",
])
def test_a_mount_that_nobody_knows_is_refused(line):
    with pytest.raises(ParseError):
        mountinfo.parse_line(line)


@pytest.mark.parametrize(("text", "lower", "data", "upper"), [
    (rb"rw,lowerdir=/a:/b,upperdir=/u,workdir=/w", (b"/a", b"/b"), (), b"/u"),
    (rb"rw,lowerdir=r1:../l,upperdir=../u,workdir=../w,uuid=on", (b"r1", b"../l"), (), b"../u"),
    (rb"ro,lowerdir=/co\134:lon:/b", (b"/co:lon", b"/b"), (), None),
    (rb"ro,lowerdir=/co\072lon:/b", (b"/co:lon", b"/b"), (), None),
    (rb"ro,lowerdir=/com\134\054ma:/s\134\134b:/n\012l\040", (b"/com,ma", rb"/s\b", b"/n\nl "), (), None),
    (rb"ro,lowerdir=/l1:/l2::/d1::/d2", (b"/l1", b"/l2"), (b"/d1", b"/d2"), None),
    (rb"rw,lowerdir+=/a:b,lowerdir+=/c\134:d,datadir+=/e\054", (b"/a:b", rb"/c\:d"), (b"/e,",), None),
    (rb"rw,lowerdir=l/AA:l/BB,upperdir=x/diff,workdir=x/work", (b"l/AA", b"l/BB"), (), b"x/diff"),
])
def test_the_layers_of_every_era_are_read(text, lower, data, upper):
    options = overlay_options.parse(text)
    assert (options.lower, options.data, options.upper) == (lower, data, upper)


def test_switches_are_kept_as_printed():
    options = overlay_options.parse(b"rw,lowerdir=/a,redirect_dir=on,index=on,xino=auto,metacopy=on,fsync=volatile,"
                                    b"verity=require")
    asked = ("redirect_dir", "index", "xino", "metacopy", "fsync", "verity", "none")
    assert [options.flag(name) for name in asked] == ["on", "on", "auto", "on", "volatile", "require", ""]
    assert not options.userxattr
    assert overlay_options.parse(b"rw,userxattr").userxattr


def test_an_origin_names_the_lower_file():
    uuid = bytes(range(16))
    data = bytes([0, 0xFB, 29, 0, 1]) + uuid + bytes.fromhex("0d000000a80f79e4")
    assert overlay_xattrs.origin(data) == OverlayHandle(False, uuid, Handle(1, bytes.fromhex("0d000000a80f79e4")))
    assert overlay_xattrs.overlay_handle(Handle(0xF8, b"\0\0\0" + data)) == overlay_xattrs.origin(data)


@pytest.mark.parametrize("data", [b"", b"\0" * 30, b"\0\xfb\x05\0\1", bytes([1, 0xFB, 29, 0, 1]) + bytes(24)])
def test_an_origin_in_another_form_names_nothing(data):
    assert overlay_xattrs.origin(data) is None


def test_only_y_is_opaque():
    assert overlay_xattrs.is_opaque(b"y")
    assert not overlay_xattrs.is_opaque(b"x")
    assert not overlay_xattrs.is_opaque(None)


def test_a_command_name_may_hold_parentheses():
    text = b"7 (a) b) R) S 1 7 7 0 -1 4194560 " + b"0 " * 12 + b"4242 1 2"
    assert stat.parse(text) == stat.Stat(b"a) b) R", "S", 4194560, 4242)
    with pytest.raises(ParseError):
        stat.parse(b"7 nothing")


def test_a_pagemap_entry_has_a_frame_only_when_present():
    words = (1 << 63 | 1 << 61 | 0x1C6FB3).to_bytes(8, "little") + (0x55).to_bytes(8, "little") + b"torn"
    assert pagemap.parse(words) == [pagemap.PageEntry(True, True, 0x1C6FB3), pagemap.PageEntry(False, False, 0)]


@given(st.binary())
def test_unescaping_what_the_kernel_escapes_returns_it(path):
    text = b"".join(b"\\%03o" % byte if byte in b" \t\n\\" else bytes([byte]) for byte in path)
    assert unescape(text) == path


def test_the_pages_of_a_mapping_are_runs_of_one_state():
    present, swapped, file, guard = 1 << 63, 1 << 62, 1 << 61, 1 << 58
    words = [present | file | 5, present | file | 9, 0, present | 7, swapped | 3, swapped | file, swapped | guard, 0]
    data = b"".join(word.to_bytes(8, "little") for word in words)
    assert list(pages.runs(data + b"torn")) == [
        (0, 2, "file"), (2, 3, "absent"), (3, 5, "anonymous"), (5, 6, "file"), (6, 8, "absent")]
    assert list(pages.runs(b"")) == []


def test_the_flags_of_a_mapping_are_read_whatever_its_name():
    text = (b"7f10-7f20 r--p 00000000 fd:00 12                 /a/VmFlags: io\\012VmFlags: pf\nSize:    4 kB\n"
            b"Rss:     4 kB\nVmFlags: rd mr mw me sd \n"
            b"ffff0-ffff1 rw-s 00000000 00:06 9 /dev/x\nSize: 4 kB\nVmFlags: rd sh pf io \n")
    assert list(smaps.vm_flags(text)) == [(0x7F10, 0x7F20, {b"rd", b"mr", b"mw", b"me", b"sd"}),
                                          (0xFFFF0, 0xFFFF1, {b"rd", b"sh", b"pf", b"io"})]
    assert list(smaps.vm_flags(b"")) == []


def test_who_has_begun_to_exit_says_so_and_a_zombie_has():
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        zombie = stat.parse(Path(f"/proc/{child.pid}/stat").read_bytes())
    assert (zombie.state, zombie.exiting) == ("Z", True)
    assert not stat.parse(Path("/proc/self/stat").read_bytes()).exiting


def test_a_status_names_the_real_user_and_the_process_of_a_thread():
    status = b"Name:\tTgid: 7\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t42\nPid:\t43\nUid:\t1000\t0\t0\t0\n"
    assert (stat.real_uid(status), stat.thread_group(status)) == (1000, 42)


@pytest.mark.parametrize("read", [stat.real_uid, stat.thread_group])
def test_a_status_without_the_line_is_an_error(read):
    with pytest.raises(ParseError):
        read(b"Name:\tx\n")
