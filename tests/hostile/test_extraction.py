"""Nothing is waited for, and nothing acts, while bytes are extracted of a hostile process."""

import os
import signal
import subprocess
import time

import pytest

from tests.cli.command import MAPSD
from tests.hostile.scenes import overlay
from tests.hostile.servers import server_of
from tests.overlay import kernel
from tests.overlay.target import PAGE, Target

BOUND = 20  # seconds


def extracted(pid: int, address: int, *words: str) -> tuple[int, bytes, str]:
    command = [MAPSD, "extract", str(pid), hex(address), "-o", "-", *words]
    done = subprocess.run(command, capture_output=True, timeout=BOUND, check=False)
    assert b"Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.fixture
def served(base, mapper):
    """A FUSE filesystem with the file `f`, its server, and a process that may map it."""
    with server_of(base / "served") as server, Target(mapper) as target:
        yield base / "served/f", server, target
        os.kill(server, signal.SIGCONT)


def test_pages_in_memory_are_read_while_the_server_is_silent_and_no_other(served):
    path, server, target = served
    # In this order: to open the file once more drops its pages.
    untouched, resident = target.map(path, "n"), target.map(path, "s")
    os.kill(server, signal.SIGSTOP)
    assert extracted(target.pid, resident)[:2] == (0, b"f" * PAGE)
    assert extracted(target.pid, untouched) == (
        1, b"", f"mapsd: {target.pid}: no page of the mapping at {untouched:#x} can be read\n")


def test_a_server_that_answers_is_asked_only_on_demand(served):
    path, _, target = served
    untouched = target.map(path, "n")
    assert extracted(target.pid, untouched)[0] == 1
    assert extracted(target.pid, untouched, "--fault=always")[:2] == (0, b"f" * PAGE)


def test_a_mapping_far_behind_the_end_of_a_sparse_file_is_refused_at_once(base, mapper):
    path = base / "far"
    path.touch()
    os.truncate(path, 1 << 60)
    with Target(mapper) as target:
        address = target.map(path, "s", (1 << 60) // PAGE - 1)
        for _ in range(2):
            start = time.monotonic()
            status, data, told = extracted(target.pid, address)
            assert (status, data, time.monotonic() - start < BOUND / 2) == (70, b"", True)
            assert "bytes are more than --max-size=4294967296" in told
            path.unlink(missing_ok=True)


def test_thousands_of_mappings_of_one_file_are_put_together_in_time(base, mapper):
    path = overlay(base) / "fresh"
    path.write_bytes(b"".join((b"%d" % number).ljust(PAGE, b".") for number in range(16)))
    with Target(mapper) as target:
        addresses = [target.map(path, "sp"[number % 2], number % 16) for number in range(3000)]
        held = path.read_bytes()
        path.unlink()
        status, data, told = extracted(target.pid, addresses[0])
    assert (status, data == held) == (0, True), told
    kernel.umount(base / "merged", kernel.MNT_DETACH)
