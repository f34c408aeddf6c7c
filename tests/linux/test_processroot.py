"""The files below a process's root: read where nobody has to be waited for."""

import os
from pathlib import Path

import pytest

from mapsd.linux.processroot import root
from mapsd.linux.procfs import ProcFs
from mapsd.linux.tree import Files
from mapsd.model import Mount, Refused


class Served(ProcFs):
    """A process whose mount table says of some mount points that a server is behind them."""

    def __init__(self, *mount_points: bytes, lacking: bytes = b"") -> None:
        super().__init__(os.getpid())
        self._served, self._lacking = mount_points, lacking

    def mounts(self) -> list[Mount]:
        return [one._replace(fs_type=b"fuse.theirs") if one.mount_point in self._served else one
                for one in super().mounts() if one.mount_point != self._lacking]


def asked(process: ProcFs, *, ours: bool = False, alone: bool = False) -> tuple[object, object]:
    """Return what the root is, and what of a file on another mount can be read."""
    found = root(process, ours=ours, alone=alone)
    try:
        return found, found.read(b"proc/version", 1 << 16) if isinstance(found, Files) else None
    finally:
        process.close()
        if isinstance(found, Files):
            found.close()


@pytest.mark.parametrize(("served", "ours", "alone", "crosses"), [
    ((), True, False, True), ((), False, False, True), ((b"/sys",), False, False, False),
    ((b"/sys",), True, False, True), ((b"/proc",), True, False, False), ((b"/",), True, False, True),
    ((), True, True, False), ((), False, True, False)])
def test_other_mounts_are_entered_unless_somebody_has_to_be_waited_for(served, ours, alone, crosses):
    found, text = asked(Served(*served), ours=ours, alone=alone)
    assert isinstance(found, Files)
    assert (text == Path("/proc/version").read_bytes()) == crosses
    assert isinstance(text, bytes if crosses else Refused)


def test_beside_a_server_no_link_leads_to_another_mount():
    process = Served(b"/sys")
    found = root(process, ours=True)
    assert isinstance(found, Files)
    try:
        assert isinstance(found.read(b"proc/self/mounts", 1 << 20), Refused)
        assert isinstance(found.read(b"bin/sh", 1 << 24), bytes)
        for name in (b"proc/version", b"proc//version", b"proc/../proc/version"):
            assert isinstance(found.read(name, 1 << 16), bytes)
        for name in (b"sys/kernel", b"sys//kernel", b"proc/../sys/kernel", b"sys"):
            assert isinstance(found.listed(name), Refused)
        assert found.link(b"proc/mounts") == b"self/mounts"
    finally:
        process.close()
        found.close()


def test_a_served_root_is_not_read():
    found, _ = asked(Served(b"/"))
    assert found == Refused("its root is served by a process, which may not answer")


def test_a_root_that_the_process_does_not_list_is_found_among_ours():
    assert isinstance(asked(Served(lacking=b"/"))[0], Files)
