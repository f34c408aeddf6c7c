"""One row a rule of ovl_lookup() (fs/overlayfs/namei.c), over layers made of dictionaries."""

import pytest

from mapsd.resolve.lookup import Undecided
from tests.resolve.fakes import FakeLayers, directory, entry, file, metacopy, refused, whiteout

NAMES = {  # rule: (lowers, upper, path, what is shown)
    "the upper layer comes first": ([{"f": file()}], {"f": file()}, "f", "0:f"),
    "the lower layers follow from the topmost down": ([{"f": file()}, {"f": file()}], None, "f", "1:f"),
    "a layer that lacks the name is passed by": ([{}, {"g": file()}, {"f": file()}], {}, "f", "3:f"),
    "a name in no layer is a miss": ([{"g": file()}], {}, "f", "miss"),
    "merged directories are asked layer by layer": ([{"d/g": file()}, {"d/f": file()}], {"d": directory()}, "d/f",
                                                    "2:d/f"),
    "a directory is no file": ([{"d/f": file()}], None, "d", "miss"),
    "a symlink is no file": ([{"f": entry("symlink")}, {"f": file()}], None, "f", "miss"),
    "a device is no file": ([{"f": entry("device")}, {"f": file()}], None, "f", "miss"),
    "a character device 0:0 hides what is below": ([{"f": whiteout()}, {"f": file()}], None, "f", "miss"),
    "a whiteout of a directory hides its files": ([{"d/f": file()}], {"d": whiteout()}, "d/f", "miss"),
    "a whiteout hides nothing above it": ([{"f": file()}, {"f": whiteout()}], None, "f", "1:f"),
    "an empty file with the attribute is a whiteout": ([{"f": file(0, whiteout=b"y")}, {"f": file()}], None, "f",
                                                       "miss"),
    "any value of the attribute makes a whiteout": ([{"f": file(0, whiteout=b"")}, {"f": file()}], None, "f", "miss"),
    "an empty file without the attribute is a file": ([{"f": file(0)}, {"f": file()}], None, "f", "1:f"),
    "a file with bytes and the attribute is a file": ([{"f": file(1, whiteout=b"y")}, {"f": file()}], None, "f", "1:f"),
    "an opaque directory hides the layers below": ([{"d/f": file()}], {"d": directory(opaque=b"y")}, "d/f", "miss"),
    "an opaque directory shows its own files": ([{"d/f": file()}], {"d": directory(opaque=b"y"), "d/f": file()}, "d/f",
                                                "0:d/f"),
    "an opaque directory hides nothing beside it": ([{"e/f": file()}], {"d": directory(opaque=b"y")}, "e/f", "1:e/f"),
    "a directory of xattr whiteouts merges": ([{"d": directory(opaque=b"x")}, {"d/f": file()}], None, "d/f", "2:d/f"),
    "an opaque value of two bytes is not read by the kernel": ([{"d": directory(opaque=b"yy")}, {"d/f": file()}], None,
                                                               "d/f", "2:d/f"),
    "a file above a directory hides it": ([{"d": file()}, {"d/f": file()}], None, "d/f", "miss"),
    "a file above a directory is the object": ([{"d": file()}, {"d/f": file()}], None, "d", "1:d"),
    "a directory above a file hides it": ([{"d": directory()}, {"d": file()}], None, "d", "miss"),
    "a file between two directories ends the merge": ([{"d": directory()}, {"d": file()}, {"d/f": file()}], None,
                                                      "d/f", "miss"),
    "a whiteout between two directories ends the merge": ([{"d": directory()}, {"d": whiteout()}, {"d/f": file()}],
                                                          None, "d/f", "miss"),
    "a whiteout may lead no further than its directory": ([{"d/f": whiteout()}, {"d/g": file()}], None, "d/g",
                                                          "2:d/g"),
}
REDIRECTS = {
    "a relative redirect renames the last name below": ([{"e/f": file()}], {"d": directory(redirect=b"e")}, "d/f",
                                                        "1:e/f"),
    "a redirect does not hold in its own layer": ([{"e/f": file()}], {"d": directory(redirect=b"e"), "d/f": file()},
                                                  "d/f", "0:d/f"),
    "the old name is no longer merged": ([{"d/f": file(), "e": directory()}], {"d": directory(redirect=b"e")}, "d/f",
                                         "miss"),
    "a relative redirect stays beside its parent": ([{"p/e/f": file(), "e/f": file()}],
                                                    {"p/d": directory(redirect=b"e")}, "p/d/f", "1:p/e/f"),
    "each layer may redirect anew": ([{"e": directory(redirect=b"g")}, {"g/f": file(), "e/f": file()}],
                                     {"d": directory(redirect=b"e")}, "d/f", "2:g/f"),
    "an absolute redirect starts at the root": ([{"a/b/f": file()}], {"p/d": directory(redirect=b"/a/b")}, "p/d/f",
                                                "1:a/b/f"),
    "an absolute redirect reaches layers that the parent had lost": (
        [{"p": directory()}, {"a/f": file()}], {"p": directory(opaque=b"y"), "p/d": directory(redirect=b"/a")},
        "p/d/f", "2:a/f"),
    "an absolute redirect asks only the layers below it": (
        [{"a/f": file(), "p/d": directory(redirect=b"/a")}, {"a/f": file()}], None, "p/d/f", "2:a/f"),
    "an opaque directory's redirect is not read": ([{"a/f": file()}], {"d": directory(opaque=b"y", redirect=b"/a")},
                                                   "d/f", "miss"),
    "a whiteout on the way of an absolute redirect stops": (
        [{"a": whiteout()}, {"a/b/f": file()}], {"d": directory(redirect=b"/a/b")}, "d/f", "miss"),
    "a missing name on the way does not": ([{"a": directory()}, {"a/b/f": file()}],
                                           {"d": directory(redirect=b"/a/b")}, "d/f", "2:a/b/f"),
    "a file on the way stops": ([{"a": file()}, {"a/b/f": file()}], {"d": directory(redirect=b"/a/b")}, "d/f", "miss"),
    "an opaque directory on the way stops below it": (
        [{"a": directory(opaque=b"y")}, {"a/b/f": file()}], {"d": directory(redirect=b"/a/b")}, "d/f", "miss"),
    "an opaque directory on the way shows its own": (
        [{"a": directory(opaque=b"y"), "a/b/f": file()}], {"d": directory(redirect=b"/a/b")}, "d/f", "1:a/b/f"),
    "an absolute redirect behind an opaque directory cancels its stop": (
        [{"a": directory(opaque=b"y"), "a/b": directory(redirect=b"/c")}, {"c/f": file()}],
        {"d": directory(redirect=b"/a/b")}, "d/f", "2:c/f"),
    "a relative redirect behind an opaque directory does not": (
        [{"a": directory(opaque=b"y"), "a/b": directory(redirect=b"c")}, {"a/c/f": file()}],
        {"d": directory(redirect=b"/a/b")}, "d/f", "miss"),
    "a relative redirect on the way renames that component": (
        [{"a": directory(redirect=b"c")}, {"c/b/f": file(), "a/b/f": file()}], {"d": directory(redirect=b"/a/b")},
        "d/f", "2:c/b/f"),
    "the layer that renames a component is asked under the old name": (
        [{"a": directory(redirect=b"c"), "a/b/f": file(), "c/b/f": file()}], {"d": directory(redirect=b"/a/b")},
        "d/f", "1:a/b/f"),
    "an absolute redirect on the way keeps what follows": (
        [{"a": directory(redirect=b"/x/y")}, {"x/y/b/f": file()}], {"d": directory(redirect=b"/a/b")}, "d/f",
        "2:x/y/b/f"),
}
BAD_REDIRECTS = [b"", b"/", b"//", b"/a/", b"a/b", b"/a//b", b".", b"..", b"/a/../a"]


@pytest.mark.parametrize("rule", [*NAMES, *REDIRECTS])
def test_a_name_is_looked_up_as_the_kernel_does(rule):
    lowers, upper, path, shown = {**NAMES, **REDIRECTS}[rule]
    assert FakeLayers(lowers, upper).shown(path) == shown


@pytest.mark.parametrize("redirect", BAD_REDIRECTS)
def test_a_redirect_that_the_kernel_refuses_is_never_followed(redirect):
    everywhere = {"a/f": file(), "a/b/f": file(), "d/f": file(), "f": file(), "a/..": directory(), "..": directory(),
                  "d/../f": file(), "a/../a": directory(), "a/../a/f": file(), ".": directory(), "./f": file(),
                  "../f": file()}
    assert FakeLayers([everywhere], {"d": directory(redirect=redirect)}).shown("d/f") in {"miss", "undecided"}


@pytest.mark.parametrize(("lowers", "upper"), [([{"f": refused()}, {"f": file()}], None),
                                               ([{"f": file()}], {"f": refused()}),
                                               ([{"f": refused()}], {"f": metacopy()}),
                                               ([{"a": refused()}, {"a": file()}], {"f": metacopy(redirect=b"/a")})])
def test_a_layer_that_cannot_be_asked_leaves_the_name_undecided(lowers, upper):
    outcome = FakeLayers(lowers, upper).lookup("f")
    assert outcome == Undecided("permission denied", "CAP_DAC_READ_SEARCH")


def test_a_layer_that_is_not_reached_is_not_asked():
    layers = FakeLayers([{"f": file()}, {"f": refused()}], {})
    assert layers.shown("f") == "1:f"
    assert {position for position, _ in layers.asked} == {0, 1}
