"""Whether a procfs numbers processes as our own pid namespace does: what status says of ourselves."""

import os

import pytest

from mapsd.linux.elsewhere.pidnamespace import numbers_as_ours


@pytest.mark.parametrize(("status", "alike"), [
    ("Name:\tmapsd\nNSpid:\t412\n", True),
    ("Name:\tmapsd\nNSpid:\t412\t7\n", False),
    ("Name:\tmapsd\nNSpid:\t412\t412\n", False),
    ("Name:\tmapsd\nNSpid:\t9000\t412\t1\n", False),
    ("Name:\tmapsd\nPid:\t412\n", True)], ids=["ours", "below", "the same number by chance", "further below", "none"])
def test_there_is_one_number_where_both_are_one_namespace(tmp_path, status, alike):
    (tmp_path / "self").mkdir()
    (tmp_path / "self/status").write_text(status)
    assert numbers_as_ours(os.fsencode(tmp_path)) is alike


def test_a_procfs_that_does_not_show_us_is_of_another(tmp_path):
    assert not numbers_as_ours(os.fsencode(tmp_path))


def test_our_own_proc_is_ours():
    assert numbers_as_ours(b"/proc")
