"""What the service manager is told, and what is taken from the environment so that nobody else speaks for us."""

import os
import socket
import time

import pytest

from mapsd_api.life.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """Give a socket as the manager's, and its name in the environment."""
    name = f"@mapsd-{os.getpid()}-{tmp_path.name}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(name.replace("@", "\0"))
        told.settimeout(10)
        yield told, name


def test_the_manager_is_told_each_state(manager):
    told, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    assert notifier.ready("listening at /s")
    assert told.recv(4096) == b"READY=1\nSTATUS=listening at /s"
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert notifier.reloading()
    state, _, usec = told.recv(4096).decode().partition("\nMONOTONIC_USEC=")
    assert state == "RELOADING=1"
    assert before <= int(usec) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert notifier.stopping("draining")
    assert told.recv(4096) == b"STOPPING=1\nSTATUS=draining"
    assert notifier.alive()
    assert told.recv(4096) == b"WATCHDOG=1"


def test_a_program_that_we_start_does_not_speak_for_us():
    environ = {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    Notifier(environ)
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize("address", [None, "", "relative", "vsock:2:1234"])
def test_without_a_manager_nobody_is_told(address):
    notifier = Notifier({} if address is None else {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
    assert (notifier.ready(""), notifier.alive(), notifier.watchdog_seconds) == (False, False, 0)


def test_a_manager_that_has_gone_is_no_failure(tmp_path):
    assert not Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(tmp_path / "dead"))
    assert not Notifier({"NOTIFY_SOCKET": str(tmp_path / "dead")}).stopping("")
    assert not Notifier({"NOTIFY_SOCKET": "/" + "n" * 200}).alive()


@pytest.mark.parametrize(("said", "seconds"), [
    ({"WATCHDOG_USEC": "3000000"}, 3), ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3),
    ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, 0), ({}, 0), ({"WATCHDOG_USEC": "soon"}, 0),
    ({"WATCHDOG_USEC": "0"}, 0)])
def test_the_watchdog_is_ours_when_it_names_us_or_nobody(said, seconds):
    assert Notifier({"NOTIFY_SOCKET": "/n", **said}).watchdog_seconds == seconds
