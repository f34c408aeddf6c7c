"""Which pages are read for which bytes of a file, against a table of every page."""

from hypothesis import given
from hypothesis import strategies as st

from mapsd.model import DeviceId, Vma
from mapsd.parse.pages import Run
from mapsd.resolve import image
from mapsd.resolve.image import Hole, Mapped, Own, Piece

PAGE = 4096
STATES = {".": "absent", "f": "file", "o": "anonymous"}


def vma(start: int, pages: int, offset: int = 0, perms: str = "r--p", inode: int = 7) -> Vma:
    return Vma(start * PAGE, (start + pages) * PAGE, perms, offset * PAGE, DeviceId(8, 1), inode, b"/f")


def mapped(start: int, offset: int, pages: str, perms: str = "r--p", fault: bool = True, inode: int = 7) -> Mapped:
    runs = [Run(number, number + 1, STATES[state]) for number, state in enumerate(pages)]
    return Mapped(vma(start, len(pages), offset, perms, inode), runs, fault)


def read(*parts: Mapped) -> list[tuple[int, int, int, bool]]:
    return [(piece.start // PAGE, piece.end // PAGE, piece.address // PAGE, piece.own)
            for piece in image.pieces(parts, PAGE)]


def missing(*parts: Mapped, kind: str = "file") -> list[tuple[int, int, str]]:
    found = image.holes(parts, kind, image.pieces(parts, PAGE))
    return [(hole.start // PAGE, hole.end // PAGE, hole.why) for hole in image.merged(found)]


def test_each_part_is_at_its_place_in_the_file():
    assert read(mapped(100, 2, "f"), mapped(200, 5, "f")) == [(2, 3, 100, False), (5, 6, 200, False)]
    assert missing(mapped(100, 2, "f"), mapped(200, 5, "f")) == [(0, 2, "unmapped"), (3, 5, "unmapped")]


def test_a_page_of_the_file_is_taken_before_one_to_fault_in_and_before_the_process_s_own():
    assert read(mapped(100, 0, "o.f"), mapped(200, 0, "foo"), mapped(300, 0, "...")) == [
        (0, 1, 200, False), (1, 2, 101, False), (2, 3, 102, False)]
    assert read(mapped(100, 0, "o"), mapped(200, 0, ".")) == [(0, 1, 200, False)]
    assert read(mapped(100, 0, "o"), mapped(200, 0, ".", fault=False)) == [(0, 1, 100, True)]


def test_pages_that_may_not_be_faulted_in_are_absent():
    assert read(mapped(100, 0, "f.f", fault=False)) == [(0, 1, 100, False), (2, 3, 102, False)]
    assert missing(mapped(100, 0, "f.f", fault=False)) == [(1, 2, "absent")]


def test_memory_of_no_file_begins_at_its_mapping_and_is_zeros_where_it_was_never_touched():
    assert read(mapped(100, 0, "o.o", "rw-p", False, inode=0)) == [(0, 1, 100, False), (2, 3, 102, False)]
    assert missing(mapped(100, 0, "o.o", "rw-p", False, inode=0), kind="heap") == [(1, 2, "untouched")]


def test_a_shared_mapping_has_no_pages_of_its_own():
    assert read(mapped(100, 0, "o", "rw-s")) == [(0, 1, 100, False)]


def test_pages_that_became_the_process_s_own_are_named():
    piece = Piece(PAGE, 4 * PAGE, 100 * PAGE, private=True)
    assert image.own_pages(piece, [Run(0, 1, "file"), Run(1, 3, "anonymous")], PAGE) == [
        Own(2 * PAGE, 4 * PAGE, 101 * PAGE)]
    assert image.own_pages(piece._replace(own=True), [Run(0, 3, "file")], PAGE) == [Own(PAGE, 4 * PAGE, 100 * PAGE)]
    assert image.own_pages(piece._replace(private=False), [Run(0, 3, "anonymous")], PAGE) == []


def test_neighbours_are_one_range():
    assert image.joined([Own(2, 3, 12), Own(1, 2, 11), Own(3, 4, 99)]) == [Own(1, 3, 11), Own(3, 4, 99)]
    assert image.merged([Hole(2, 3, "absent"), Hole(1, 2, "absent"), Hole(3, 4, "unmapped")]) == [
        Hole(1, 3, "absent"), Hole(3, 4, "unmapped")]


PARTS = st.lists(st.tuples(st.integers(0, 12), st.text("fo.", min_size=1, max_size=8),
                           st.sampled_from(["r--p", "r--s"]), st.booleans()), min_size=1, max_size=6)


def rank(state: str, perms: str, fault: bool) -> int | None:
    if state == ".":
        return 1 if fault else None
    return 2 if state == "o" and perms.endswith("p") else 0


@given(PARTS)
def test_every_page_of_the_file_is_read_once_from_the_best_of_its_mappings(parts):
    made = [mapped(1000 * number, offset, pages, perms, fault)
            for number, (offset, pages, perms, fault) in enumerate(parts)]
    best: dict[int, int] = {}
    ranks: dict[tuple[int, int], int] = {}
    for number, (offset, pages, perms, fault) in enumerate(parts):
        for at, state in enumerate(pages, offset):
            found = rank(state, perms, fault)
            if found is not None:
                ranks[at, 1000 * number + at - offset] = found
                best[at] = min(best.get(at, found), found)
    pieces = image.pieces(made, PAGE)
    taken = [(piece.start // PAGE + step, piece.address // PAGE + step) for piece in pieces
             for step in range((piece.end - piece.start) // PAGE)]
    assert [page for page, _ in taken] == sorted(best)
    assert all(ranks[page, address] == best[page] for page, address in taken)
    gone = [hole.start // PAGE + step for hole in image.holes(made, "file", pieces)
            for step in range((hole.end - hole.start) // PAGE)]
    end = max(offset + len(pages) for offset, pages, _, _ in parts)
    assert sorted([*best, *gone]) == list(range(end))
