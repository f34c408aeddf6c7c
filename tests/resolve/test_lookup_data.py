"""One row a rule of ovl_lookup() for files whose data lies elsewhere: metacopy and data-only layers."""

import pytest

from mapsd.resolve.lookup import Hit
from tests.resolve.fakes import FakeLayers, directory, entry, file, metacopy, refused, whiteout

METACOPY = {  # rule: (lowers, upper, what is shown at "f")
    "a metacopy takes its data from below": ([{"f": file()}], {"f": metacopy()}, "1:f under 0:f"),
    "a metacopy of a lower layer does so too": ([{"f": metacopy()}, {"f": file()}], {}, "2:f under 1:f"),
    "a chain ends at the first file with data": ([{"f": metacopy()}, {"f": file()}, {"f": file()}],
                                                 {"f": metacopy()}, "2:f under 0:f"),
    "a layer that lacks the name is passed by": ([{}, {"f": file()}], {"f": metacopy()}, "2:f under 0:f"),
    "a relative redirect names the data": ([{"g": file(), "f": file()}], {"f": metacopy(redirect=b"g")},
                                           "1:g under 0:f"),
    "an absolute redirect names the data": ([{"a/g": file()}], {"f": metacopy(redirect=b"/a/g")}, "1:a/g under 0:f"),
    "a chain follows each redirect": (
        [{"g": metacopy(redirect=b"/a/h")}, {"a/h": metacopy(redirect=b"i")}, {"a/i": file()}],
        {"f": metacopy(redirect=b"g")}, "3:a/i under 0:f"),
    "a redirect holds until the next one": ([{"g": metacopy()}, {"g": file(), "f": file()}],
                                            {"f": metacopy(redirect=b"g")}, "2:g under 0:f"),
    "a redirect without the metacopy mark is not read": ([{"g": file()}], {"f": file(redirect=b"g")}, "0:f"),
    "an absolute redirect is subject to redirects on its way": (
        [{"a": directory(redirect=b"b")}, {"b/g": file(), "a/g": file()}], {"f": metacopy(redirect=b"/a/g")},
        "2:b/g under 0:f"),
    "an opaque directory above a metacopy does not stop it": (
        [{"a": directory(opaque=b"y"), "a/g": metacopy()}, {"a/g": file()}], {"f": metacopy(redirect=b"/a/g")},
        "2:a/g under 0:f"),
}
NO_DATA = {
    "nothing below": ([{}], {"f": metacopy()}),
    "only a whiteout below": ([{"f": whiteout()}, {"f": file()}], {"f": metacopy()}),
    "a directory below": ([{"f": directory()}, {"f": file()}], {"f": metacopy()}),
    "a symlink below": ([{"f": entry("symlink")}, {"f": file()}], {"f": metacopy()}),
    "only metacopies": ([{"f": metacopy()}], {"f": metacopy()}),
    "a redirect to nothing": ([{"f": file()}], {"f": metacopy(redirect=b"g")}),
    "an opaque directory on the way to the data": ([{"a": directory(opaque=b"y")}, {"a/g": file()}],
                                                   {"f": metacopy(redirect=b"/a/g")}),
    "a metacopy attribute of an unknown version": ([{"f": file(metacopy=b"\1\4\0\0")}, {"f": file()}], None),
    "a metacopy attribute that is cut short": ([{"f": file(metacopy=b"\0")}, {"f": file()}], None),
    "a metacopy attribute of the wrong length": ([{"f": file(metacopy=b"\0\5\0\0")}, {"f": file()}], None),
}
DATA = {  # rule: (lowers, upper, data layers, what is shown at "f")
    "an absolute redirect of a metacopy finds it": ([{"f": metacopy(redirect=b"/o/1")}], None, [{"o/1": file()}],
                                                    "2:o/1 under 1:f"),
    "the first data layer that has it wins": ([{"f": metacopy(redirect=b"/o")}], {}, [{}, {"o": file()}, {"o": file()}],
                                              "3:o under 1:f"),
    "a directory is not data": ([{"f": metacopy(redirect=b"/o")}], None, [{"o/x": file()}, {"o": file()}],
                                "3:o under 1:f"),
    "a symlink is not data": ([{"f": metacopy(redirect=b"/o")}], None, [{"o": entry("symlink")}, {"o": file()}],
                              "3:o under 1:f"),
    "a lower layer that has the name comes first": ([{"f": metacopy(redirect=b"/o")}, {"o": file()}], None,
                                                    [{"o": file()}], "2:o under 1:f"),
    "a whiteout in a lower layer does not hide data": ([{"f": metacopy(redirect=b"/o")}, {"o": whiteout()}], None,
                                                       [{"o": file()}], "3:o under 1:f"),
    "marks in a data layer mean nothing": ([{"f": metacopy(redirect=b"/o")}], None,
                                           [{"o": file(metacopy=b"", redirect=b"/p"), "p": file()}],
                                           "2:o under 1:f"),
    "an upper metacopy leads to a lower one's data": ([{"f": metacopy(redirect=b"/o")}], {"f": metacopy()},
                                                      [{"o": file()}], "2:o under 0:f"),
    "a data-only name is not visible": ([{"g": file()}], {}, [{"f": file()}], "miss"),
    "a relative redirect does not lead there": ([{"f": metacopy(redirect=b"o")}], None, [{"o": file()}], "undecided"),
    "a metacopy without a redirect does not": ([{"f": metacopy()}], None, [{"f": file()}], "undecided"),
    "no data layer has it": ([{"f": metacopy(redirect=b"/o")}], None, [{}, {"p": file()}], "undecided"),
    "a data layer that refuses": ([{"f": metacopy(redirect=b"/o")}], None, [{"o": refused()}, {"o": file()}],
                                  "undecided"),
    "an upper metacopy alone does not lead there": ([{}], {"f": metacopy(redirect=b"/o")}, [{"o": file()}],
                                                    "undecided"),
    "a later metacopy without a redirect forgets the absolute one": (
        [{"f": metacopy(redirect=b"/o")}, {"o": metacopy()}], None, [{"o": file()}], "undecided"),
    "a directory on the way of the redirect forgets it too": (
        [{"f": metacopy(redirect=b"/a/o")}, {"a": directory()}], None, [{"a/o": file()}], "undecided"),
}


@pytest.mark.parametrize("rule", METACOPY)
def test_a_metacopy_leads_to_its_data(rule):
    lowers, upper, shown = METACOPY[rule]
    assert FakeLayers(lowers, upper).shown("f") == shown


@pytest.mark.parametrize("rule", NO_DATA)
def test_a_metacopy_whose_data_is_missing_is_never_a_hit(rule):
    lowers, upper = NO_DATA[rule]
    assert FakeLayers(lowers, upper).shown("f") in {"miss", "undecided"}


@pytest.mark.parametrize("rule", DATA)
def test_data_only_layers_are_reached_by_an_absolute_redirect_alone(rule):
    lowers, upper, data, shown = DATA[rule]
    assert FakeLayers(lowers, upper, data).shown("f") == shown


def test_the_metadata_is_the_topmost_file():
    layers = FakeLayers([{"f": metacopy(redirect=b"/o")}, {"o": file()}], {"f": metacopy()})
    outcome = layers.lookup("f")
    assert isinstance(outcome, Hit)
    assert outcome.metadata is not None
    assert (outcome.metadata.layer.role, outcome.data.layer.position, outcome.data.path) == ("upper", 2, b"o")


def test_a_directory_of_a_data_layer_is_never_merged():
    layers = FakeLayers([{"d": directory()}], {}, [{"d/f": file()}])
    assert layers.shown("d/f") == "miss"
