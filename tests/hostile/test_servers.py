"""Filesystems whose server never answers, mounted where a lookup may pass: it must not wait for them."""

import errno
import os
import signal

import pytest

from mapsd.linux.machine import LiveMachine
from mapsd.linux.procfs import ProcFs
from tests.hostile.cli import cli
from tests.hostile.scenes import overlay
from tests.hostile.servers import server_of, silent_server
from tests.overlay import older
from tests.overlay.child import told
from tests.overlay.target import Target
from tests.seccomp import forbid


@pytest.mark.parametrize("over", ["dir", "dir/deep"])
def test_a_silent_server_over_the_mapped_file_covers_it(base, mapper, over):
    merged = overlay(base)
    with Target(mapper) as target:
        address = target.map(merged / "dir" / "deep")
        with silent_server(merged / over):
            found = cli(target.pid)[address]
        assert found["state"] in {"covered", "unknown"}, found
        assert found["backing"] is None or found["backing"]["path"] == str(base / "lower/dir/deep"), found


def test_a_silent_server_in_the_target_namespace_is_not_asked(base, mapper):
    merged = overlay(base)
    (merged / "trap").mkdir()
    with silent_server(base / "elsewhere"), Target(mapper) as target:
        address = target.map(merged / "dir" / "deep")
        target.ask("newns")
        target.ask("bind", base / "elsewhere", merged / "trap")
        found = cli(target.pid)[address]
    assert (found["state"], found["backing"]["path"]) == ("current", str(base / "lower/dir/deep")), found


def test_a_silent_server_behind_a_symlink_at_the_name_is_not_asked(base, mapper):
    merged = overlay(base)
    with Target(mapper) as target:
        address = target.map(merged / "one")
        (merged / "one").unlink()
        with silent_server(base / "elsewhere"):
            (merged / "one").symlink_to(base / "elsewhere" / "x")
            found = cli(target.pid)[address]
        assert found["state"] in {"replaced", "deleted", "unknown"}, found


def test_a_silent_server_over_a_layer_is_not_asked(base, mapper):
    merged = overlay(base)
    with Target(mapper) as target:
        address = target.map(merged / "one")
        with silent_server(base / "lower"):
            found = cli(target.pid)[address]
        assert found["user_path"] == str(merged / "one"), found
        assert found["backing"] is None or found["backing"]["inode"] == os.stat(merged / "one").st_ino, found


@pytest.mark.parametrize("stopped", [False, True])
def test_a_mapped_file_whose_server_has_stopped_is_answered(base, mapper, stopped):
    with server_of(base / "served") as server, Target(mapper) as target:
        address = target.map(base / "served/f")
        if stopped:
            os.kill(server, signal.SIGSTOP)
        found = cli(target.pid)[address]
        os.kill(server, signal.SIGCONT)
    assert (found["kind"], found["backing"]) == ("file", None), found
    assert found["state"] in {"current", "unknown"}, found
    assert stopped or found["state"] == "current", found


def test_before_linux_5_3_a_silent_server_is_told_from_one_that_answers_too(base):
    """There are no pidfds: see pidfd_open(2)."""
    (base / "silent").mkdir()

    def opens(path) -> str:
        forbid(older.PIDFD_OPEN)
        try:
            os.close(LiveMachine(ProcFs(os.getpid())).open_plainly(bytes(path), os.O_PATH))
        except OSError as error:
            return errno.errorcode[error.errno]
        return "opened"
    with server_of(base / "served"), silent_server(base / "silent"):
        assert told(lambda: opens(base / "served/f")) == "opened"
        assert told(lambda: opens(base / "silent/f")) == "ETIMEDOUT"
