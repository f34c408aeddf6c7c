"""When the machine was started: no later than the kernel says, and not as a time namespace shows it."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mapsd.linux import clock
from mapsd.linux.machine import LiveMachine
from mapsd.linux.procfs import ProcFs

SECOND = 10**9
ASKED = "from mapsd.linux import clock; print(clock.booted(1))"


def boot() -> int:
    line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    return int(line.split()[1]) * SECOND


def test_the_machine_was_started_when_devtmpfs_was_made_or_before():
    process = ProcFs(os.getpid())
    machine = LiveMachine(process)
    try:
        found = machine.booted()
    finally:
        machine.close()
        process.close()
    kinds = [line.split(" - ")[1].split()[0] for line in Path("/proc/self/mountinfo").read_text().splitlines()
             if line.split()[3:5] == ["/", "/dev"]]
    birth = int(subprocess.check_output(["stat", "-c", "%W", "/dev"])) * SECOND
    if kinds[-1:] != ["devtmpfs"] or not birth:
        assert found == 0
    else:
        assert abs(found - min(boot(), birth)) < 2 * SECOND


def test_the_earlier_of_two_times_counts():
    assert clock.booted(None) == 0
    assert clock.booted(1) == 1
    assert abs(clock.booted(time.time_ns() + SECOND) - boot()) < 2 * SECOND


def test_a_process_was_started_between_two_looks_at_the_clock():
    before = time.time_ns()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        ticks = int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()[19])
        process.communicate()
    # A clock tick of stat is 10 ms.
    assert before - SECOND // 50 <= clock.started(ticks) <= time.time_ns()


@pytest.mark.usefixtures("root")
def test_in_a_time_namespace_it_is_not_known():
    words = [shutil.which("unshare"), "--time", "--boottime", "-1000", "--fork", sys.executable, "-c", ASKED]
    assert subprocess.run(words, capture_output=True, check=True, cwd=Path(__file__).parents[2]).stdout == b"0\n"
