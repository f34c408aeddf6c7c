"""Rows become lines: nothing is lost, nothing is wider than the terminal, nothing but text is printed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.views import colour, fitted
from mapsd.views.columns import SAME
from mapsd.views.fitted import Fitted
from mapsd.views.render import escaped, printable
from mapsd.views.selection import STATES
from mapsd.views.table import HEADING, LABEL, Heading, Line, Table, width
from tests.cli.answers import PATHS

FIXED, LONG = Heading("STATE", once=True), Heading("PATH", long=True, once=True)
CELLS = PATHS.map(lambda path: printable(escaped(path)) or "-")
ROWS = st.lists(st.tuples(st.sampled_from(STATES), CELLS, CELLS), min_size=1, max_size=6)
HEADINGS = [FIXED, LONG, Heading("BACKING", long=True, once=True)]


def plain(headings, rows, **options):
    return list(Table(headings, **options).lines([Line(row) for row in rows]))


def test_columns_are_as_wide_as_their_widest_cell():
    assert plain([FIXED, LONG], [("current", "/a"), ("-", "/long")]) == [
        "STATE    PATH", "current  /a", "-        /long"]


def test_a_line_ends_with_its_last_text():
    assert plain([LONG, FIXED], [("/long", ""), ("/a", "-")], headed=False) == ["/long", "/a     -"]
    assert plain([FIXED], [("",)], headed=False) == [""]


def test_a_later_batch_has_no_headings_and_no_narrower_columns():
    table = Table([FIXED, LONG])
    assert list(table.lines([Line(("copied-up", "/a"))])) == ["STATE      PATH", "copied-up  /a"]
    assert list(table.lines([Line(("current", "/b"))])) == ["current    /b"]
    assert list(table.lines([])) == []


def test_no_rows_are_headings():
    assert plain([FIXED, LONG], []) == ["STATE  PATH"]
    assert plain([FIXED, LONG], [], headed=False) == []
    assert list(Fitted([FIXED, LONG], 80).lines([])) == ["STATE  PATH"]


@pytest.mark.parametrize(("text", "columns"), [("", 0), ("abc", 3), ("\u00e9", 1), ("e\u0301", 1), ("\u4e2d", 2),
                                               ("\uff21", 2), ("a\u20dd", 1)])
def test_a_text_is_as_wide_as_a_terminal_shows_it(text, columns):
    assert width(text) == columns


def lines_of(rows, room, **options):
    return list(Fitted(HEADINGS, room, **options).lines([Line(*row) for row in rows]))


def test_what_fits_stands_in_a_row():
    assert lines_of([(("current", "/a", "/b"),)], 40) == ["STATE    PATH  BACKING", "current  /a    /b"]


def test_what_does_not_fit_stands_below_its_row_with_its_name():
    assert lines_of([(("current", "/long/path/of/a/file", "/b"),), (("deleted", "/a", "-"),)], 20) == [
        "STATE    PATH", "current", "  PATH     /long/pat", "           h/of/a/fi", "           le",
        "  BACKING  /b", "deleted  /a"]


def test_a_column_that_fits_nothing_has_no_heading():
    assert lines_of([(("current", "/long/path", "-"),)], 12) == [
        "STATE", "current", "  PATH     /long/pa", "           th"]


def test_a_column_of_fixed_width_that_does_not_fit_stands_below():
    made = Fitted([Heading("ONE"), Heading("TWO"), Heading("THREE")], 20)
    assert list(made.lines([Line(("1" * 12, "2" * 12, "3"))])) == ["ONE           THREE", "111111111111  3",
                                                                  "  TWO  222222222222"]


def test_a_row_of_which_nothing_fits_has_no_empty_line():
    made = Fitted([LONG, Heading("BACKING", long=True)], 19)
    assert list(made.lines([Line(("/long/path/of/a/file", "-")), Line(("/a", "/long/path/of/a/file"))])) == [
        "PATH", "  PATH     /long/pa", "           th/of/a/", "           file",
        "/a", "  BACKING  /long/pa", "           th/of/a/", "           file"]


def test_of_one_file_everything_is_said_once():
    first, again = ("current", "/a/long/path/of/a/file", "/b"), True
    assert lines_of([(first,), (first, again), (("current", "/c", "/d"),)], 90) == [
        "STATE    PATH                    BACKING", "current  /a/long/path/of/a/file  /b",
        'current  "                       "', "current  /c                      /d"]
    assert lines_of([(first,), (first, again), (("current", "/c", "/d"),)], 20) == [
        "STATE    PATH", "current", "  PATH     /a/long/p", "           ath/of/a/", "           file",
        "  BACKING  /b", 'current  "', "current  /c", "  BACKING  /d"]


@pytest.mark.parametrize("cell", ["-", "", SAME])
def test_what_says_nothing_has_no_line_below(cell):
    assert lines_of([(("current", "/a", cell),)], 14, headed=False)[0].startswith("current  /a")
    assert len(lines_of([(("current", "/a", cell),)], 14, headed=False)) == 1


def test_a_lone_wide_cell_of_a_loose_column_pushes_its_row():
    rows = [Line(("1", "a")), Line(("1" * 9, "b")), Line(("22", "c"))]
    assert list(Fitted([Heading("A", loose=True), FIXED], 40).lines(rows)) == [
        "A   STATE", "1   a", "111111111  b", "22  c"]


@given(ROWS, st.integers(30, 120), st.booleans(), st.lists(st.booleans(), min_size=6, max_size=6))
def test_no_line_is_wider_than_the_terminal_and_no_cell_is_cut(rows, room, headed, again):
    marked = [(row, number > 0 and rows[number - 1] == row and again[number]) for number, row in enumerate(rows)]
    found = lines_of(marked, room, headed=headed)
    assert all(width(line) <= room and line.isprintable() for line in found)
    joined = "".join("".join(line.split(" ")) for line in found)
    for row in rows:
        for cell in row:
            text = "".join(cell.split(" "))
            assert text in joined or cell in fitted._EMPTY


@given(CELLS, st.integers(2, 40))
def test_a_folded_text_is_whole(text, room):
    parts = list(fitted.folded(text, room))
    assert "".join(parts) == text
    assert all(width(part) <= room for part in parts)


@given(st.lists(st.integers(1, 300), max_size=4), st.integers(0, 300))
def test_shares_are_never_more_than_there_is(natural, left):
    found = fitted.shares(natural, left)
    assert all(0 <= one <= most for one, most in zip(found, natural, strict=True))
    assert sum(found) + 2 * sum(map(bool, found)) <= max(left, 0)
    if sum(natural) + 2 * len(natural) <= left:
        assert found == natural


def test_what_a_short_column_leaves_goes_to_a_long_one():
    assert fitted.shares([100, 10], 100) == [86, 10]
    assert fitted.shares([100, 100], 100) == [48, 48]
    assert fitted.shares([100, 100], 40) == [38, 0]


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_a_colour_that_ends(state):
    text = colour.painted("STATE", state)
    assert (text.startswith("\x1b["), text.endswith("\x1b[0m"), state in text) == (True, True, True)


def test_colours_are_for_what_they_mean():
    assert colour.painted("USER_PATH", "deleted") == "deleted"
    assert colour.painted("STATE", "-") == "-"
    assert colour.painted(HEADING, "STATE") == "\x1b[1mSTATE\x1b[0m"
    assert colour.painted(LABEL, "STATE") == "\x1b[2mSTATE\x1b[0m"
    assert colour.painted("PROOF", "none") != "none"
    assert colour.painted("CONFIDENCE", "proven") == "proven"


def test_colours_take_no_room():
    painted = Table([FIXED, LONG], paint=colour.painted)
    found = list(painted.lines([Line(("current", "/a"))]))
    assert found == ["\x1b[1mSTATE\x1b[0m    \x1b[1mPATH\x1b[0m", "\x1b[32mcurrent\x1b[0m  /a"]
