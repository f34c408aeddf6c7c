"""Values, and texts of /proc, as a recording spells them: read again they are the same, and nothing else is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.errors import AccessDenied, NoHost, ParseError, ProcessGone
from mapsd.model import Absent, DeviceId, Evidence, FileFacts, Handle, LayerDir, Mount, OverlayHandle, Refused, Vma
from mapsd.model.containers import Container, ImageLayer, ImageLayers, Uncontained, Unidentified
from mapsd.model.diagnosis import NUMBERS, Capabilities, Diagnosis, Finding
from mapsd.model.held import Held, LayerHeld, Walked
from mapsd.model.layers import Link, Way
from mapsd.model.open import Entry, FdInfo
from mapsd.model.packages import Digest, Distribution, NotOwned, Owned, Package, Record
from mapsd.parse.stat import Stat
from mapsd.ports import ByHandle, ByVma, InLayer, InRoot, Namespace
from mapsd.recording import codec, kerneltext, nouns, packages
from mapsd.recording.codec import Malformed
from mapsd.recording.failures import FAILURE
from mapsd.recording.plain import Plain

parts = st.sampled_from([b"/", b"a", b"\\", b"\n", b"\xff", b" (deleted)", "ü".encode()])
names = st.binary(max_size=8) | st.lists(parts, max_size=6).map(b"".join)
numbers = st.integers(0, (1 << 64) - 1)
texts = st.text(max_size=8)
devices = st.builds(DeviceId, st.integers(0, 4095), st.integers(0, 1 << 20))
handles = st.builds(Handle, st.integers(0, 255), st.binary(max_size=9))
attributes = st.fixed_dictionaries({}, optional={
    "redirect": names, "opaque": names, "origin": st.binary(max_size=9)}).map(lambda found: tuple(found.items()))
facts = st.builds(FileFacts, st.sampled_from(["file", "whiteout"]), devices, numbers, numbers, numbers, numbers,
                  st.none() | handles, names, attributes, numbers, st.none() | numbers)
refused = st.builds(Refused, texts, texts)
found = facts | st.just(Absent()) | refused
mounts = st.builds(Mount, numbers, numbers, devices, names, names, names, names)
directories = st.builds(LayerDir, st.just(0), names, facts, st.none() | numbers,
                        st.lists(st.tuples(names, numbers), max_size=3).map(tuple), st.booleans())
overlay_handles = st.builds(OverlayHandle, st.booleans(), st.binary(max_size=16), handles)
ranges = st.tuples(st.integers(0, 1 << 47), st.integers(1, 1 << 47))
walked = st.builds(Walked, names, st.booleans(), st.booleans(), st.booleans())
layers_held = st.builds(LayerHeld, devices, numbers, walked, walked, st.booleans(), st.booleans(), st.none() | numbers,
                        st.none() | numbers, numbers, numbers)
nears = st.lists(directories, max_size=1).map(tuple)
addresses = st.integers(0, 1 << 47)
capabilities = st.lists(st.sampled_from(list(NUMBERS)), max_size=3).map(tuple)
findings = st.lists(st.builds(Finding, texts, st.none() | st.booleans(), texts, capabilities, texts),
                    max_size=3).map(tuple)
shown = st.text("ab.~\u00fc", min_size=1, max_size=8)
made = st.builds(Package, st.sampled_from(["dpkg", "apk", "rpm", "python", "node"]), shown, shown, st.none() | shown,
                 st.none() | st.builds(Distribution, shown, st.none() | shown), st.none() | shown, st.none() | shown)
records = st.builds(Record, made, names, st.booleans(), st.none() | numbers,
                    st.none() | st.builds(Digest, texts, st.binary(max_size=32)), st.booleans())
VALUES = {
    "owner": (packages.OWNER, refused | st.builds(NotOwned, st.lists(shown, max_size=2).map(tuple)) | st.builds(
        Owned, st.lists(records, min_size=1, max_size=2).map(tuple), st.lists(refused, max_size=1).map(tuple))),
    "vma": (nouns.VMA, st.builds(Vma, addresses, addresses, st.just("r--p"), numbers, devices, numbers, names)),
    "found": (nouns.FOUND, found), "mount": (nouns.MOUNT, mounts),
    "namespace": (nouns.NAMESPACE, st.builds(Namespace, st.sampled_from(["here", "unknown"]), texts,
                                             st.none() | mounts, texts)),
    "directory": (nouns.DIRECTORY_WHOLE, directories),
    "ref": (nouns.FILE_REF, ranges.map(lambda one: ByVma(*one)) | names.map(InRoot) | st.builds(
        InLayer, directories, names) | st.builds(ByHandle, overlay_handles, nears)),
    "held": (nouns.HELD, st.builds(Held, *[numbers] * 4, devices, numbers, numbers, names, walked, devices, numbers,
                                   numbers, numbers, st.none() | layers_held)),
    "stat": (nouns.STAT, st.builds(Stat, names, st.sampled_from("RSZ"), numbers, numbers)),
    "entry": (nouns.ENTRY, st.builds(
        Entry, texts, st.none() | names, st.none() | st.builds(FdInfo, numbers, numbers, numbers, st.none() | numbers),
        st.none() | devices, st.none() | numbers, st.none() | numbers)),
    "diagnosis": (nouns.DIAGNOSIS, st.builds(
        Diagnosis, texts, st.sampled_from([None, "overlay-inode"]),
        st.builds(Capabilities, capabilities, st.booleans()), findings, findings)),
    "housing": (nouns.HOUSING, st.tuples(
        st.builds(Uncontained, texts) | st.builds(Unidentified, texts, capabilities) | st.builds(
            Container, st.none() | texts, st.none() | texts, image=st.none() | texts, store=st.none() | names,
            others=st.lists(names, max_size=2).map(tuple), reason=st.none() | texts,
            evidence=st.lists(st.builds(Evidence, texts, texts), max_size=2).map(tuple)),
        st.builds(ImageLayers, st.lists(st.builds(ImageLayer, numbers, st.none() | texts, st.none() | texts, names,
                                                  st.none() | texts), max_size=2).map(tuple), st.none() | texts))),
    "way": (nouns.WAY, st.builds(Way, names, found, names, st.lists(st.builds(Link, names, names),
                                                                    max_size=2).map(tuple))),
}


class Book(Plain):
    """The port Pen and the port Book: every directory is written down under its number."""

    def __init__(self):
        self.written = []

    def directory(self, one):
        if isinstance(one, int):
            return self.written[one]
        self.written.append(one)
        return len(self.written) - 1


def through(spelling, value):
    """Return what is read of what is spelled, by way of JSON."""
    book = Book()
    text = json.dumps(spelling.spell(value, book))
    assert text.isascii()
    read = spelling.read(json.loads(text), book)
    assert json.dumps(spelling.spell(read, Book())) == json.dumps(spelling.spell(value, Book()))
    return read


@pytest.mark.parametrize("noun", VALUES)
@given(data=st.data())
def test_what_is_spelled_is_read_as_it_was(noun, data):
    spelling, values = VALUES[noun]
    value = data.draw(values)
    assert through(spelling, value) == value


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
                           lambda inner: st.lists(inner, max_size=6) | st.dictionaries(texts, inner, max_size=3))


@pytest.mark.parametrize("noun", VALUES)
@given(value=json_values)
def test_what_is_no_spelling_is_refused(noun, value):
    spelling, _ = VALUES[noun]
    try:
        read = spelling.read(value, Book())
    except (Malformed, IndexError):
        return
    assert spelling.spell(read, Book()) == value


@pytest.mark.parametrize(("spelling", "wrong"), [
    (codec.NUMBER, True), (codec.NUMBER, 1.0), (codec.NUMBER, 1 << 64), (codec.FLAG, 1), (codec.TEXT, None),
    (codec.PATH, "\ud800"), (codec.PATH, "\udcc3\udca9"), (codec.RAW, "0"), (codec.RAW, "AA"), (codec.RAW, "a a"),
    (codec.NOTHING, 0), (codec.MOMENT, 1), (codec.MOMENT, 1e300), (codec.MOMENT, -1.0), (nouns.DEVICE, "1"),
    (nouns.DEVICE, "1:x"), (nouns.DEVICE, ":"),
    (packages.OWNER, {"owned": [[], []]}), (packages.OWNER, {"not owned": {"searched": ["\x1b[31m"]}}),
    (packages.OWNER, {"not owned": {"searched": ["\ud800"]}}), (packages.OWNER, {"not owned": {"searched": [""]}}),
    (nouns.FOUND, {}), (nouns.FOUND, {"absent": {}, "file": {}}), (nouns.FOUND, {"absent": {"x": 1}}),
    (nouns.STAT, {"name": "x"}), (nouns.VMA, ["1-2"] * 6), (nouns.HANDLE, [1]), (nouns.VERDICT, ["perhaps", ""])])
def test_a_wrong_value_is_refused(spelling, wrong):
    with pytest.raises(Malformed):
        spelling.read(wrong, Book())


@pytest.mark.parametrize("failure", [
    ProcessGone(7, seen=True), ProcessGone(7, seen=False), AccessDenied("7: maps", "CAP_SYS_PTRACE"),
    ParseError("maps", b"a \xff line", "not a mapping"), NoHost(b"/proc", "no procfs"), OSError(5, "I/O")])
def test_a_failure_is_met_again(failure):
    again = through(FAILURE, failure)
    assert (type(again), str(again), vars(again)) == (type(failure), str(failure), vars(failure))


pieces = st.sampled_from([b"a", b"\\", b".", b"\n", b"x41", b"\0", b"\xff", b"\\."])


@given(st.lists(pieces, max_size=8).map(b"".join))
def test_a_text_of_the_kernel_is_read_as_it_was(text):
    rows = kerneltext.lines(text)
    assert all(row.isascii() and row.isprintable() for row in rows)
    assert kerneltext.text(rows) == text


@given(st.lists(st.text("\\x4.1 a", max_size=6), max_size=3))
def test_rows_that_are_no_text_as_it_is_written_are_refused(rows):
    try:
        text = kerneltext.text(rows)
    except Malformed:
        return
    assert kerneltext.lines(text) == rows
