"""What an overlay shows without being mounted: entries, links, and what is not known."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapsd.model import Absent, FileFacts, Refused
from mapsd.model.layers import Met
from mapsd.resolve.lookup import Hit, Miss
from mapsd.resolve.merged import Merged
from tests.resolve.fakes import FakeLayers, directory, entry, file, metacopy, refused, whiteout
from tests.resolve.test_descent import paths, trees


def merged(lowers, upper=None, links=None, **how):
    layers = FakeLayers(lowers, upper)
    texts = {} if links is None else links

    def link(layer, path):
        return texts.get((layer.position, path.decode()), Refused("it cannot be read"))
    return Merged(layers.layers, layers.ask, link, **how)


def told(view, path):
    """Return where a path leads as text."""
    way = view.way(path.encode())
    found = way.found
    what = found.kind if isinstance(found, FileFacts) else "nothing" if isinstance(found, Absent) else found.reason
    return f"{way.path.decode()} {what}" + (f", not {way.rest.decode()}" if way.rest else "")


WAYS = {  # what is so: (lowers, upper, links, path, where it leads)
    "a file of a lower layer": ([{"d/f": file()}], {}, {}, "/d/f", "/d/f file"),
    "the root": ([{}], {}, {}, "/", "/ directory"),
    "what is not there is missing from the longest part that is": (
        [{"d/f": file()}], {}, {}, "/d/x/y", "/d nothing, not x/y"),
    "a whiteout hides it": ([{"d/f": file()}], {"d/f": whiteout()}, {}, "/d/f", "/d nothing, not f"),
    "a link in one layer leads to a file of another": (
        [{"real/f": file()}], {"d": entry("symlink")}, {(0, "d"): b"real"}, "/d/f", "/real/f file"),
    "an absolute link begins at the root": (
        [{"real/f": file(), "d/l": entry("symlink")}], None, {(1, "d/l"): b"/real"}, "/d/l/f", "/real/f file"),
    "upwards ends at the root": ([{"f": file()}], None, {}, "/../../f", "/f file"),
    "a link upwards is taken from where it lies": (
        [{"a/b/l": entry("symlink"), "a/f": file()}], None, {(1, "a/b/l"): b"../f"}, "/a/b/l", "/a/f file"),
    "a link that a whiteout hides leads nowhere": (
        [{"l": entry("symlink"), "f": file()}], {"l": whiteout()}, {(1, "l"): b"f"}, "/l", "/ nothing, not l"),
    "links in a circle": ([{"l": entry("symlink")}], None, {(1, "l"): b"l"}, "/l",
                          "/l Too many levels of symbolic links"),
    "below a file is nothing": ([{"f": file()}], None, {}, "/f/x", "/f nothing, not x"),
    "a layer that may not be asked hides what may lie below it": (
        [{"f": file()}], {"f": refused()}, {}, "/f", "/f permission denied"),
    "a layer below the one that has it need not be asked": ([{"f": refused()}], {"f": file()}, {}, "/f", "/f file"),
    "a redirect leads to another name": (
        [{"old/f": file()}], {"new": directory(redirect=b"old")}, {}, "/new/f", "/new/f file"),
    "a file whose data lies below is one": ([{"f": file()}], {"f": metacopy()}, {}, "/f", "/f file"),
}


@pytest.mark.parametrize("what", WAYS)
def test_a_path_leads_where_the_overlay_would_lead(what):
    lowers, upper, links, path, expected = WAYS[what]
    assert told(merged(lowers, upper, links), path) == expected


def test_without_attributes_what_hangs_on_them_is_not_said():
    view = merged([{"d/f": file()}], {"d": directory(opaque=b"y")}, visible=False)
    found = view.entry(b"/d/f")
    assert isinstance(found, Refused)
    assert found.needs == "CAP_SYS_ADMIN"


def test_a_redirect_that_is_not_seen_may_lead_on_where_nothing_is_found():
    view = merged([{"old/f": file()}], {"new": directory(redirect=b"old")}, visible=False)
    assert isinstance(view.entry(b"/new/f"), Refused)
    assert isinstance(merged([{"f": file()}], {"f": whiteout()}, visible=False).entry(b"/f"), Absent)


def test_a_layer_that_cannot_be_asked_ends_the_lookup_as_the_kernels():
    view = merged([{"d": refused()}], {"d/f": file()})
    assert isinstance(view.entry(b"/d/f"), Refused)


@settings(max_examples=200)
@given(st.lists(trees, min_size=1, max_size=4), st.one_of(st.none(), trees), paths)
def test_a_file_is_seen_where_the_lookup_finds_one(lowers, upper, path):
    layers = FakeLayers(lowers, upper)
    top = Merged(layers.layers, layers.ask, lambda *_: Refused("no link is read")).top(b"/" + path.encode())
    match layers.lookup(path):
        case Hit(data, metadata):
            piece = metadata or data
            assert isinstance(top, Met)
            assert (top.layer, top.path) == (piece.layer, piece.path)
        case Miss():
            assert not (isinstance(top, Met) and isinstance(top.found, FileFacts) and top.found.kind == "file")
