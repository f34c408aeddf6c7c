"""Redirects read backwards: no name that leads to a path of a layer is missing."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapsd.model import FileFacts
from mapsd.model.searched import Redirect
from mapsd.resolve.descent import descend
from mapsd.resolve.rewrites import NAMES, names_of
from tests.resolve.fakes import FakeLayers
from tests.resolve.test_descent import trees

NAMED = {  # what is so: (path, redirects, the names beside the path itself)
    "without redirects a path is its own name": ("a/f", {}, []),
    "what lies below a renamed directory has its name": ("a/f", {"b": "a"}, ["b/f"]),
    "a relative redirect stays beside its parent": ("p/a/f", {"p/b": "a"}, ["p/b/f"]),
    "an absolute redirect begins at the root": ("a/f", {"p/b": "/a"}, ["p/b/f"]),
    "a file may be redirected itself": ("o/aa", {"bin/sh": "/o/aa", "bin/ash": "/o/aa"}, ["bin/ash", "bin/sh"]),
    "a name that only begins alike is another one": ("ab/f", {"b": "a"}, []),
    "redirects follow each other": ("a/s/f", {"b": "/a", "b/t": "s"}, ["b/s/f", "b/t/f"]),
    "what the kernel refuses leads nowhere": ("a/f", {"b": "../a", "c": "", "d": "/a/"}, []),
}


@pytest.mark.parametrize("rule", NAMED)
def test_of_names(rule):
    path, redirects, wanted = NAMED[rule]
    found = names_of(path.encode(), [Redirect(name.encode(), text.encode()) for name, text in redirects.items()])
    assert (found.names[0], sorted(found.names[1:]), found.whole) == (
        path.encode(), sorted(name.encode() for name in wanted), True)


def test_a_directory_that_leads_to_one_above_it_has_names_without_end():
    found = names_of(b"a/f", [Redirect(b"a/b", b"/a"), Redirect(b"a/c", b"/a")])
    assert not found.whole
    assert b"a/b/c/f" in found.names
    assert len(found.names) <= NAMES + 2


PATHS = ["/".join(parts) for depth in (1, 2, 3) for parts in product("abc", repeat=depth)]


@settings(max_examples=200, deadline=None)
@given(st.lists(trees, min_size=1, max_size=4), st.one_of(st.none(), trees), st.lists(trees, max_size=2))
def test_every_name_that_leads_to_a_path_is_among_them(lowers, upper, data):
    layers = FakeLayers(lowers, upper, data)
    every = [*([upper] if upper is not None else []), *lowers, *data]
    redirects = [(layer.position, Redirect(path.encode(), dict(found.xattrs)["redirect"]))
                 for layer, tree in zip(layers.layers, every, strict=True) if layer.role != "data"
                 for path, found in tree.items() if isinstance(found, FileFacts) and "redirect" in dict(found.xattrs)]
    for name in PATHS:
        for met in descend(layers.layers, name.encode(), layers.ask):
            if met.what in {"opens", "metacopy"}:
                above = [one for position, one in redirects if position < met.layer.position]
                found = names_of(met.path, above)
                assert name.encode() in found.names or not found.whole
