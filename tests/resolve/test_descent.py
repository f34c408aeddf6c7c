"""A name in every layer: what the overlay takes of it, what that hides, and what cannot be said."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mapsd.model import FileFacts
from mapsd.model.layers import Met
from mapsd.resolve.descent import descend
from mapsd.resolve.lookup import Hit, Miss, Undecided
from tests.resolve.fakes import FakeLayers, directory, entry, file, metacopy, refused, whiteout


def told(layers: FakeLayers, path: str, **how: bool) -> str:
    """Return what was met as text: `0:d passed, 1:d/f hidden by 0`, the places counted from 0."""
    met = descend(layers.layers, path.encode(), layers.ask, **how)
    return ", ".join(one(each) for each in met)


def one(met: Met) -> str:
    by = "" if met.by is None else f" by {met.by}"
    return f"{met.layer.position}:{met.path.decode()} {met.what}{by}"


NAMES = {  # what is so: (lowers, upper, path, what is met)
    "what lies below the winner is hidden by it": (
        [{"f": file()}, {}, {"f": file()}], {"f": file()}, "f", "0:f opens, 1:f hidden by 0, 3:f hidden by 0"),
    "a whiteout hides every copy below it": (
        [{"f": file()}, {"f": file()}], {"f": whiteout()}, "f", "0:f whiteout, 1:f hidden by 0, 2:f hidden by 0"),
    "an empty file with the attribute is a whiteout": (
        [{"f": file(0, whiteout=b"y")}, {"f": file()}], {}, "f", "1:f whiteout, 2:f hidden by 0"),
    "a whiteout below the winner is met and hides nothing more": (
        [{"f": whiteout()}, {"f": file()}], {"f": file()}, "f", "0:f opens, 1:f whiteout by 0, 2:f hidden by 0"),
    "a whiteout of a directory on the way hides the name": (
        [{"d/f": file()}], {"d": whiteout()}, "d/f", "0:d whiteout, 1:d/f hidden by 0"),
    "an opaque directory on the way hides the name": (
        [{"d/f": file()}, {"d/f": file()}], {"d": directory(opaque=b"y")}, "d/f",
        "0:d passed, 1:d/f hidden by 0, 2:d/f hidden by 0"),
    "an opaque directory shows its own": (
        [{"d/f": file()}], {"d": directory(opaque=b"y"), "d/f": file()}, "d/f",
        "0:d passed, 0:d/f opens, 1:d/f hidden by 0"),
    "an opaque directory that is asked for is the last that is merged": (
        [{"d": directory(opaque=b"y")}, {"d": directory()}], {"d": directory()}, "d",
        "0:d merged, 1:d merged, 2:d hidden by 1"),
    "a directory of xattr whiteouts hides nothing itself": (
        [{"d": directory(opaque=b"x")}, {"d": directory()}], None, "d", "1:d merged, 2:d merged"),
    "a directory is merged from every layer that has it": (
        [{"d": directory()}, {}, {"d": directory()}], {}, "d", "1:d merged, 3:d merged"),
    "a file on the way hides the directories below": (
        [{"d/f": file()}], {"d": file()}, "d/f", "0:d blocked, 1:d/f hidden by 0"),
    "a file below a directory is hidden by it, and so is all below the file": (
        [{"d": directory()}, {"d": file()}, {"d": directory()}], None, "d",
        "1:d merged, 2:d hidden by 0, 3:d hidden by 1"),
    "the copy that a redirected directory hides has another name": (
        [{"old/f": file()}], {"new": directory(redirect=b"old"), "new/f": file()}, "new/f",
        "0:new passed, 0:new/f opens, 1:old/f hidden by 1"),
    "an absolute redirect leads to layers that were hidden": (
        [{"p": directory()}, {"a/f": file()}], {"p": directory(opaque=b"y"), "p/d": directory(redirect=b"/a")},
        "p/d/f", "0:p passed, 0:p/d passed, 2:a/f opens"),
    "what an absolute redirect passes may hide": (
        [{"a": directory(opaque=b"y")}, {"a/b/f": file()}], {"d": directory(redirect=b"/a/b")}, "d/f",
        "0:d passed, 1:a passed, 2:a/b/f hidden by 1"),
    "a metacopy is followed to the bytes": (
        [{"f": metacopy()}, {"f": file()}, {"f": file()}], {"f": metacopy()}, "f",
        "0:f metacopy, 1:f metacopy, 2:f opens, 3:f hidden by 2"),
    "a metacopy that is redirected": (
        [{"g": file(), "f": file()}], {"f": metacopy(redirect=b"g")}, "f", "0:f metacopy, 1:g opens"),
    "a metacopy over a directory has no bytes": (
        [{"f": directory()}, {"f": file()}], {"f": metacopy()}, "f",
        "0:f metacopy, 1:f hidden by 0, 2:f hidden by 1"),
    "any other object is opened as it is": (
        [{"f": entry("symlink")}, {"f": file()}], {"f": entry("other")}, "f",
        "0:f opens, 1:f hidden by 0, 2:f hidden by 0"),
    "a name in no layer is met nowhere": ([{"g": file()}], {}, "f", ""),
    "the root is merged from every layer, whatever its attributes": (
        [{}, {}], {}, "", "0: merged, 1: merged, 2: merged"),
    "a layer that cannot be asked leaves all below it open": (
        [{"f": refused()}, {"f": file()}, {"f": whiteout()}], {}, "f",
        "1:f unknown, 2:f unknown by 0, 3:f whiteout by 0"),
    "a layer that cannot be asked changes nothing above it": (
        [{"f": refused()}], {"f": file()}, "f", "0:f opens, 1:f unknown by 0"),
    "a redirect that the kernel refuses leaves the rest open": (
        [{"f": file()}], {"d": directory(redirect=b"a/b"), "d/f": file()}, "d", "0:d unknown"),
}


@pytest.mark.parametrize("rule", NAMES)
def test_of_a_name_in_the_layers(rule):
    lowers, upper, path, wanted = NAMES[rule]
    assert told(FakeLayers(lowers, upper), path) == wanted


def test_only_the_data_layers_below_the_one_that_has_it_are_hidden():
    layers = FakeLayers([{"f": metacopy(redirect=b"/o")}], {}, [{"o": directory()}, {"o": file()}, {"o": file()}])
    assert told(layers, "f") == "1:f metacopy, 3:o opens, 4:o hidden by 1"


def test_names_of_data_layers_are_never_seen_nor_hidden():
    layers = FakeLayers([{"f": file()}], {}, [{"f": file()}])
    assert told(layers, "f") == "1:f opens"


UNSEEN = {  # without the attributes: (lowers, upper, path, what is met)
    "what lies at the top is met as it is": ([{"f": file()}], {"f": file(5)}, "f", "0:f opens, 1:f unknown by 0"),
    "a device hides whatever the attributes say": (
        [{"f": file()}], {"f": whiteout()}, "f", "0:f whiteout, 1:f hidden by 0"),
    "a directory may be opaque": ([{"d": directory()}], {"d": directory()}, "d", "0:d merged, 1:d unknown"),
    "a directory on the way may be redirected": ([{"d/f": file()}], {"d": directory()}, "d/f", "1:d/f unknown"),
    "a directory that only one layer has decides nothing": ([{"d/f": file()}], {}, "d/f", "1:d/f opens"),
    "a whiteout is a whiteout whatever the attributes say": (
        [{"d/f": whiteout()}, {"d/f": file()}], {"d": directory()}, "d/f", "1:d/f whiteout, 2:d/f unknown by 0"),
}


@pytest.mark.parametrize("rule", UNSEEN)
def test_what_hangs_on_unseen_attributes_is_unknown(rule):
    lowers, upper, path, wanted = UNSEEN[rule]
    layers = FakeLayers(lowers, upper)
    assert told(layers, path, visible=False) == wanted
    met = descend(layers.layers, path.encode(), layers.ask, visible=False)
    assert all((each.needs == "CAP_SYS_ADMIN") == (each.what == "unknown") for each in met)


def test_a_file_that_cannot_be_a_metacopy_hides_for_sure():
    layers = FakeLayers([{"f": file()}], {"f": file(5)})
    assert told(layers, "f", visible=False, metacopy=False) == "0:f opens, 1:f hidden by 0"
    empty = FakeLayers([{"f": file()}], {"f": file(0)})
    assert told(empty, "f", visible=False, metacopy=False) == "0:f opens, 1:f unknown by 0"


names = st.sampled_from("abc")
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
redirects = st.one_of(names, paths.map("/{}".format), st.sampled_from(["", "/", "a/b"])).map(str.encode)
marked = {"redirect": redirects, "metacopy": st.sampled_from([b"", b"\0\4\0\0", b"\1"]), "whiteout": st.just(b"")}
entries = st.one_of(
    st.builds(lambda marks: file(**marks), st.fixed_dictionaries({}, optional=marked)),
    st.builds(lambda marks: file(0, **marks), st.fixed_dictionaries({}, optional=marked)),
    st.builds(lambda marks: directory(**marks), st.fixed_dictionaries({}, optional={
        "opaque": st.sampled_from([b"y", b"x"]), "redirect": redirects})),
    st.builds(whiteout), st.builds(lambda: entry("symlink")), st.builds(refused))
trees = st.dictionaries(paths, entries, max_size=6)


@settings(max_examples=300, deadline=None)
@given(st.lists(trees, min_size=1, max_size=4), st.one_of(st.none(), trees), st.lists(trees, max_size=2), paths)
def test_it_takes_what_the_lookup_takes(lowers, upper, data, path):
    layers = FakeLayers(lowers, upper, data)
    met = descend(layers.layers, path.encode(), layers.ask)
    opens = [(each.layer, each.path) for each in met if each.what == "opens"]
    regular = [place for place in opens if kind(layers, place) == "file"]
    match layers.lookup(path):
        case Hit(held, metadata):
            assert opens == [(held.layer, held.path)]
            copies = [(each.layer, each.path) for each in met if each.what == "metacopy"]
            assert copies[:1] == ([] if metadata is None else [(metadata.layer, metadata.path)])
        case Miss():
            assert not regular
        case Undecided():
            assert any(each.what == "unknown" for each in met) or not regular
    assert all(each.by is None or each.by < number for number, each in enumerate(met))
    assert all(each.by is not None for each in met if each.what == "hidden")


@settings(max_examples=100, deadline=None)
@given(st.lists(trees, min_size=1, max_size=4), st.one_of(st.none(), trees), paths)
def test_what_is_said_without_the_attributes_is_so_with_them(lowers, upper, path):
    layers = FakeLayers(lowers, upper)
    unseen = FakeLayers([bare(tree) for tree in lowers], upper and bare(upper))
    met = descend(layers.layers, path.encode(), layers.ask)
    # What the kernel refuses no name opens.
    assume(not any(each.what == "unknown" and isinstance(each.found, FileFacts) and not each.by for each in met))
    truth = {(each.layer.position, each.path): each.what for each in met}
    said = descend(unseen.layers, path.encode(), unseen.ask, visible=False)
    for each in said:
        if each.what in {"hidden", "merged"}:
            assert truth.get((each.layer.position, each.path)) == each.what


def kind(layers: FakeLayers, place: tuple) -> str:
    found = layers.ask(*place)
    assert isinstance(found, FileFacts)
    return found.kind


def bare(tree: dict) -> dict:
    """Return a tree as somebody sees it who may not read the attributes."""
    return {path: found._replace(xattrs=()) if isinstance(found, FileFacts) else found
            for path, found in tree.items()}
