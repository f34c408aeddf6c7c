"""The arguments of fuse-overlayfs: its layers, or nothing where they could be others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.parse.fuse_overlayfs import Told, told

names = st.text(st.characters(exclude_characters="\\,:\0", codec="utf-8"), min_size=1).map(str.encode).filter(
    lambda name: b"//" not in name)


@pytest.mark.parametrize(("words", "layers"), [
    ([b"-o", b"lowerdir=/a:/b,upperdir=/u,workdir=/w", b"/m"], Told((b"/a", b"/b"), b"/u")),
    ([b"-olowerdir=l/A:l/B,upperdir=x/diff,workdir=w,volatile", b"/m"], Told((b"l/A", b"l/B"), b"x/diff")),
    ([b"-f", b"-o", b"allow_other", b"-o", b"lowerdir=/a", b"-o", b"noacl", b"/m"], Told((b"/a",), None)),
    ([b"-o", b"lowerdir=/a,upperdir=/u=v", b"/m"], Told((b"/a",), b"/u=v")),
    ([b"/m"], None), ([b"-o"], None), ([], None), ([b"-o", b"upperdir=/u", b"/m"], None),
    ([b"-o", b"lowerdir=/a,lowerdir=/b", b"/m"], None), ([b"-o", b"lowerdir=/a", b"-o", b"lowerdir=/a"], None),
    ([b"-o", b"lowerdir=/a,upperdir=/u,upperdir=/v"], None), ([b"-o", b"lowerdir=/a::/b"], None),
    ([b"-o", b"lowerdir=/a:"], None), ([b"-o", b"lowerdir=/a,upperdir="], None),
    ([b"-o", rb"lowerdir=/a\:b"], None), ([b"-o", rb"lowerdir=/a\,b,upperdir=/u"], None),
    ([b"-o", b"lowerdir=//plugin/data/a"], None),
    ([b"-o", b"lowerdir=/a,timeout=0"], None), ([b"-o", b"lowerdir=/a", b"-o", b"writeback=0"], None)])
def test_a_command_line_names_its_layers(words, layers):
    assert told([b"fuse-overlayfs", *words]) == layers


def test_a_process_without_arguments_names_none():
    assert told([]) is None
    assert told([b""]) is None


@given(st.lists(names, min_size=1), st.none() | names, st.lists(st.sampled_from([b"-f", b"/m", b"-oallow_other"])))
def test_layers_are_read_as_they_were_written(lowers, upper, more):
    options = b"lowerdir=" + b":".join(lowers) + (b",upperdir=" + upper if upper is not None else b"")
    assert told([b"fuse-overlayfs", *more, b"-o", options]) == Told(tuple(lowers), upper)


@given(st.lists(st.binary()))
def test_any_arguments_are_layers_or_nothing(words):
    found = told(words)
    assert found is None or (all(found.lowers) and found.upper != b"")
