"""When the machine was started: as the kernel says it, and not as a time namespace shows it."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mapsd.linux import clock

SECOND = 10**9
ASKED = "from mapsd.linux import clock; print(clock.booted())"


def test_the_machine_was_started_when_the_kernel_says():
    line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    assert abs(clock.booted() - int(line.split()[1]) * SECOND) < 2 * SECOND


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
