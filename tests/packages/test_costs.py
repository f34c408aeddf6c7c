"""What a container's databases may cost whoever asks: bytes, time and memory."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import mapsd
from mapsd.answer.databases import Asked, ByTime
from mapsd.answer.roots import KEPT, ROOTS, Roots
from mapsd.answer.spent import Budget, OutOfTime, Spending
from mapsd.linux.live import Live
from mapsd.linux.tree import tree_at
from mapsd.model import Refused
from mapsd.model.packages import NotOwned, Owned
from mapsd.packages.databases import Databases
from mapsd.packages.dpkgfiles import DIVERSIONS
from tests.cli.command import child, mapped
from tests.packages.trees import Files

STATUS = b"Package: one\nStatus: install ok installed\nVersion: 1\n\n"
DPKG = {"var/lib/dpkg/status": STATUS, "var/lib/dpkg/info/one.list": b"/usr/lib/one\n"}


def questions(tree: Spending) -> list[Callable[[], object]]:
    return [lambda: tree.read(b"a", 9), lambda: tree.head(b"a", 9), lambda: tree.listed(b""),
            lambda: tree.entry(b"a"), lambda: tree.link(b"a")]


def test_when_the_time_is_over_nothing_is_asked_any_more():
    now = [0.0]
    tree = Spending(Files({"a": b"x"}), Budget(5, clock=lambda: now[0]))
    for ask in questions(tree):
        ask()
    now[0] = 5.1
    for ask in questions(tree):
        with pytest.raises(OutOfTime, match="not found within 5 seconds"):
            ask()


def test_without_a_limit_there_is_time():
    tree = Spending(Files({"a": b"x"}), Budget(None, clock=lambda: 1e9))
    assert tree.read(b"a", 9) == b"x"


def test_not_more_is_read_than_the_budget_has_whichever_files_it_is():
    budget = Budget(None, 2 << 20)
    tree = Spending(Files({"a": bytes(1 << 20), "b": bytes(1 << 20)}), budget)
    assert budget.spent is None
    assert len(tree.read(b"a", 1 << 20)) == len(tree.head(b"b", 1 << 20)) == 1 << 20
    assert tree.read(b"a", 1 << 20) == tree.head(b"a", 1) == budget.spent
    assert budget.spent == Refused("more than 2 MiB would have to be read")
    assert not isinstance(tree.entry(b"a"), Refused)


def test_changes_that_dpkg_never_writes_down_are_not_read_without_an_end():
    updates = {f"var/lib/dpkg/updates/{number:04}": STATUS + b"\n" * (1 << 20) for number in range(40)}
    budget = Budget(None, 8 << 20)
    found = Databases(Spending(Files({**DPKG, **updates}), budget)).owner(b"/usr/lib/one")
    assert isinstance(found, Refused)
    assert "more than 8 MiB would have to be read" in found.reason


def test_what_a_few_bytes_each_would_make_large_is_refused():
    diversions = b"".join(b"/%x\n/y\n:\n" % number for number in range(DIVERSIONS + 1))
    found = Databases(Files({**DPKG, "var/lib/dpkg/diversions": diversions})).owner(b"/usr/lib/one")
    assert isinstance(found, Refused)
    assert found.reason == f"var/lib/dpkg/diversions: more than {DIVERSIONS} diversions"


def test_the_databases_of_a_few_roots_are_kept_and_of_each_reader_its_own():
    roots, trees = Roots(), [Files(DPKG) for _ in range(2)]
    for reader, tree in zip(("root", "nobody"), trees, strict=True):
        assert isinstance(roots.databases((reader, 1), tree).owner(b"/usr/lib/one"), Owned)
    asked = [tree.asked for tree in trees]
    roots.settle()
    for reader, tree in zip(("root", "nobody"), trees, strict=True):
        assert isinstance(roots.databases((reader, 1), tree).owner(b"/usr/lib/two"), NotOwned)
    # No list is read again; that it is the same was looked at.
    assert all(tree.asked < 2 * before for tree, before in zip(trees, asked, strict=True))
    for number in range(2 * ROOTS):
        roots.databases(("root", number), trees[0])
        roots.settle()
    assert len(roots) == ROOTS


def test_what_is_large_is_not_kept():
    large = {**DPKG, "var/lib/dpkg/info/one.list": b"/usr/lib/one\n" * ((12 << 20) // 13)}
    roots, whole = Roots(), 12 << 20
    for number in range(5):
        roots.databases((number,), Files(large)).owner(b"/usr/lib/two")
        roots.settle()
    assert len(roots) == KEPT // whole
    roots.forget((4,))
    assert len(roots) == KEPT // whole - 1
    # What is too large by itself drives nothing else out.
    twice = {**DPKG, **{f"var/lib/dpkg/status.d/{number}": bytes(12 << 20) for number in range(3)}}
    roots.databases((9,), Files(twice)).owner(b"/usr/lib/two")
    roots.settle()
    assert len(roots) == KEPT // whole - 1


def test_what_is_read_again_and_again_beside_the_databases_is_not_kept_and_does_not_count():
    sums = {**DPKG, "var/lib/dpkg/info/one.md5sums": b"0" * 32 + b"  usr/lib/one\n" + b"\n" * (12 << 20)}
    roots, tree = Roots(), Files(sums)
    for _ in range(5):
        assert isinstance(roots.databases((1,), tree).owner(b"/usr/lib/one"), Owned)
        roots.settle()
    assert len(roots) == 1


def test_of_a_process_that_takes_too_long_every_package_is_unknown_and_the_next_lookup_is_whole():
    with child(lambda: mapped(os.path.realpath("/bin/sh").encode())) as pid:
        with mapsd.Session(package_seconds=-1.0) as session:
            late = session.lookup(pid, packages=True)
        with mapsd.Session(package_seconds=1000.0) as session:
            whole = session.lookup(pid, packages=True)
    found = [one.package for one in late.mappings if one.kind == "file"]
    assert found
    assert {(one.state, one.package, one.reason) for one in found} == {
        ("unknown", None, "its packages were not found within -1 seconds")}
    assert late.packages
    assert [one._replace(package=None) for one in late.mappings] == [
        one._replace(package=None) for one in whole.mappings]
    assert all(one.package is None or "within" not in (one.package.reason or "") for one in whole.mappings)


def test_a_file_whose_server_may_not_answer_is_not_read(tmp_path: Path):
    path = os.fsencode(tmp_path / "file")
    (tmp_path / "file").write_bytes(b"x" * 4096)
    with child(lambda: mapped(path)) as pid, mapsd.Session() as session:
        plain = next(one.backing for one in session.lookup(pid).mappings if one.user_path == path)
    seen = Live()(os.getpid())
    by_time = ByTime(seen, Roots(), Asked(None, Budget(None)), ours=False)
    try:
        assert by_time.size(plain) == 4096
        for asked in (by_time.size, lambda one: by_time.digest(one, "md5")):
            found = asked(plain._replace(fs_type=b"fuse.theirs"))
            assert isinstance(found, Refused)
            assert "served" in found.reason
    finally:
        by_time.close()
        seen.close()


def test_a_real_root_is_read_within_the_budget(tmp_path: Path):
    for name, data in DPKG.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    files, budget = tree_at(os.fsencode(tmp_path), os.open), Budget(None, len(STATUS))
    try:
        found = Databases(Spending(files, budget)).owner(b"/usr/lib/one")
    finally:
        files.close()
    assert isinstance(found, Refused)
    assert "more than 0 MiB" in found.reason
