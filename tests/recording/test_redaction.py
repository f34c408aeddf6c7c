"""Pseudonyms: whatever the rules make of a text, they make of the text with other names as well."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.parse import maps, mountinfo, overlay_options, stat
from mapsd.parse.escape import DELETED, readings
from mapsd.recording.redaction import Pseudonyms
from mapsd.resolve.mounts import inside, is_below, join, rest

pieces = st.sampled_from([b"/", b"a", b"bc", b"\\", b"\n", rb"\012", b" (deleted)", b"\xff", b" ", b"..", b"work"])
paths = st.lists(pieces, max_size=7).map(b"".join)
components = st.binary(min_size=1, max_size=5).map(lambda name: name.replace(b"/", b"x").replace(b"\0", b"y"))


@given(paths, paths)
def test_what_is_put_together_or_taken_apart_is_so_with_pseudonyms(one, other):
    named = Pseudonyms().path
    assert named(b"/" + one) + b"/" + named(other) == named(b"/" + one + b"/" + other)
    assert named(one.removesuffix(DELETED)) == named(one).removesuffix(DELETED)
    assert is_below(named(one), named(other)) == is_below(one, other)
    whole = b"/" + one  # everything absolute is below the root
    if is_below(whole, other):
        assert named(rest(whole, other)) == rest(named(whole), named(other))
    assert named(join(one, other)) == join(named(one), named(other))
    assert named(one.replace(b"\n", rb"\012")) == named(one).replace(b"\n", rb"\012")
    assert {named(text) for text in readings(one)} == set(readings(named(one)))
    assert len(named(one).split(b"/")) == len(one.split(b"/"))


@given(st.lists(paths, max_size=6))
def test_names_that_differ_have_pseudonyms_that_differ(texts):
    named = Pseudonyms().path
    assert len({named(text) for text in texts}) == len(set(texts))


@given(components)
def test_nothing_is_left_of_a_name(name):
    names = Pseudonyms()
    written = names.path(b"/home/" + name)
    assert b"home" not in written
    parts = re.split(rb"/| \(deleted\)|\\012|\n|\\", name)
    kept = names._kept
    for part in parts:
        if len(part) > 2 and part not in kept and not re.fullmatch(rb"n\d+", part):
            assert part not in written


@pytest.mark.parametrize("text", [
    b"", b"/", b"[heap]", b"[stack:12]", b"[vvar_vclock]", b"pipe:[7]", b"socket:[7]", b"mnt:[4026531841]",
    b"anon_inode:[eventpoll]", b"anon_inode:kvm-vcpu:0", b"/dev/zero (deleted)", b"/SYSV0000000a (deleted)",
    b"/proc/7/root", b"/var/lib/docker/overlay2", b"/secretmem (deleted)"])
def test_what_the_kernel_or_a_rule_spells_stays(text):
    assert Pseudonyms([7]).path(text) == text


@pytest.mark.parametrize(("text", "written"), [
    (b"/memfd:secret (deleted)", b"/memfd:n1 (deleted)"), (b"[anon:secret name]", b"[anon:n1]"),
    (b"[secret]", b"n1"), (b"/proc/8/root", b"/proc/n1/root"), (b"/a/b/a (deleted)", b"/n1/n2/n1 (deleted)"),
    (b"/a//deleted", b"/n1//deleted"), (b"(unreachable)/a", b"(unreachable)/n1"), (b"/n1/n2", b"/n1/n2")])
def test_a_name_has_a_pseudonym(text, written):
    assert Pseudonyms([7]).path(text) == written


@pytest.mark.parametrize(("words", "written"), [
    ("No such file or directory", "No such file or directory"), ("Input/output error", "Input/output error"),
    ("cannot open /a/b: denied", "cannot open /n1/n2 denied"),
    ("maps: not a mapping: b'7f /home/me'", "maps: not a mapping: …")])
def test_names_in_sentences_have_pseudonyms(words, written):
    assert Pseudonyms().words(words) == written


def _escaped(name: bytes) -> bytes:
    """Return a layer's name as a careful author writes it, and mountinfo after him."""
    once = name.replace(b"\\", b"\\\\").replace(b":", b"\\:")
    return once.replace(b"\\", rb"\134").replace(b" ", rb"\040").replace(b"\n", rb"\012").replace(b",", rb"\054")


def _layer(path: bytes) -> bytes:
    return b"/" + path.replace(b",", b"")


@given(st.lists(paths.map(_layer), min_size=1, max_size=3), st.lists(paths.map(_layer), max_size=2), paths.map(_layer))
def test_the_layers_of_an_overlay_are_found_in_its_options(lower, data, upper):
    names = Pseudonyms()
    text = b"rw,lowerdir=" + b"::".join([b":".join(map(_escaped, lower)), *map(_escaped, data)])
    text += b",upperdir=" + _escaped(upper) + b",workdir=" + _escaped(upper) + b",redirect_dir=on,userxattr,uuid=on"
    before, after = overlay_options.parse(text), overlay_options.parse(names.options(b"overlay", text))
    assert after == before._replace(
        lower=tuple(map(names.path, before.lower)), data=tuple(map(names.path, before.data)),
        upper=names.path(before.upper), work=names.path(before.work))


def test_layers_that_are_an_option_each_and_unknown_options_are_found_as_they_are():
    names = Pseudonyms()
    text = rb"rw,lowerdir+=/a\040b,datadir+=/c:d,context=secret_u:object_r,fsuuid=1-2,xino=auto,volatile"
    assert names.options(b"overlay", text) == rb"rw,lowerdir+=/n1,datadir+=/n2,xino=auto,volatile"
    assert overlay_options.parse(text).lower == (b"/a b",)
    assert names.options(b"cifs", b"rw,username=me") == b"rw"
    assert names.options(b"ext4", b"ro,errors=remount-ro") == b"ro"


def test_the_texts_of_proc_are_parsed_as_before_but_for_the_names():
    names = Pseudonyms([7])
    text = (b"00400000-00401000 r--p 00000000 08:01 12                                 /bin/my prog (deleted)\n"
            b"00500000-00501000 rw-p 00000000 00:00 0 \n"
            b"00600000-00601000 rw-p 00000000 00:00 0                                  [heap]\n"
            b"00700000-00701000 r--s 00000000 08:01 13                                 /a\\012b\n")
    assert maps.parse(names.text("maps", text)) == [
        vma._replace(name=names.path(vma.name)) for vma in maps.parse(text)]
    text = (b"20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/secret rw,errors=remount-ro\n"
            b"21 20 0:30 /sub\\040dir//deleted /my\\040mnt\\134x rw master:2 - overlay me rw,lowerdir=/a:/b\n")
    assert mountinfo.parse(names.text("mountinfo", text)) == [
        mount._replace(root=names.path(mount.root), mount_point=names.path(mount.mount_point),
                       options=names.options(mount.fs_type, mount.options)) for mount in mountinfo.parse(text)]
    assert b"secret" not in names.text("mountinfo", text)
    assert b"shared:1" in names.text("mountinfo", text)


def test_ids_of_users_are_others_but_root_s():
    names = Pseudonyms()
    text = b"Name:\tme\nTgid:\t7\nPid:\t7\nUid:\t0\t501\t501\t501\nGid:\t20\t20\t20\t20\nGroups:\t20 80\nVmRSS:\t1 kB\n"
    written = names.text("status", text)
    assert written == b"Name:\tn1\nTgid:\t7\nPid:\t7\nUid:\t0\t1001\t1001\t1001\nGid:\t1002\t1002\t1002\t1002\n"
    assert stat.real_uid(written) == 0


@given(paths)
def test_a_mount_s_root_and_point_are_where_they_were(path):
    names = Pseudonyms()
    mount = mountinfo.parse_line(b"20 1 8:1 /r /m rw - ext4 x rw")
    other = mount._replace(root=names.path(mount.root), mount_point=names.path(mount.mount_point))
    found = inside(mount, b"/m/" + path)
    assert inside(other, names.path(b"/m/" + path)) == (None if found is None else names.path(found))
