"""Which mappings are wanted, and which of them are of one file."""

import pytest

from mapsd.model import Evidence
from mapsd.views import selection
from tests.cli.answers import mapping


@pytest.mark.parametrize(("wanted", "found"), [
    (mapping(1, b"/a"), True),
    (mapping(1, b"/a", None), False),
    (mapping(1, b"/a", backing=None), True),
    (mapping(1, b"/a", "detached", mount=None), True),
    (mapping(1, b"/a", "unknown", mount=None, backing=None), True),
    (mapping(1, b"/a", mount=mapping(1, b"/a").mount._replace(fs_type=b"ext4"), backing=None), False),
    (mapping(1, b"/a", mount=None, backing=mapping(1, b"/a").backing._replace(overlaid=False)), False),
])
def test_what_is_on_an_overlay_or_may_be_is_told_from_what_is_not(wanted, found):
    assert selection.overlaid(wanted) == found


def test_a_mapping_holds_its_first_address_and_not_the_one_after_its_last():
    held = mapping(1, b"/a")
    assert [selection.holding([one])(held) for one in (4095, 4096, 8191, 8192)] == [False, True, True, False]
    assert selection.holding([0, 5000])(held)


def test_neighbours_of_one_file_with_one_answer_are_one_story():
    seen = Evidence("page-frame", "another page of the same file")
    told = [mapping(1, b"/a"), mapping(2, b"/a", evidence=(seen,)), mapping(3, b"/a", "copied-up"),
            mapping(4, b"/b", "copied-up"), mapping(5, b"/b", None), mapping(6, b"/b", None), mapping(7, b"/a")]
    assert list(selection.stories(told)) == [False, True, False, False, False, False, False]


def test_a_file_is_a_row_for_each_of_its_answers():
    told = [mapping(1, b"/a"), mapping(2, b"/b"), mapping(3, b"/a", None), mapping(4, b"/a"),
            mapping(5, b"/a", "copied-up")]
    assert selection.files(told) == [(told[0], told[3]), (told[1],), (told[4],)]
