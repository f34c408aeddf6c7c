"""The benchmark runs and says what it measured; how fast it is depends on the machine and is not asserted."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.conftest import missing


def test_the_benchmark_of_one_lookup_prints_the_ratio(checkout):
    if os.geteuid() != 0 or shutil.which("gcc") is None:
        missing("overlay", "needs root to mount overlays, and gcc")
    before = Path("/proc/self/mountinfo").read_text()
    done = subprocess.run([checkout / "bench/lookup.py", "2"], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^ratio \d+\.\d\d$", done.stdout, re.MULTILINE)
    assert re.search(r"^process: 2[45]\d mappings, 20 copied-up proven, 225 current proven", done.stdout, re.MULTILINE)
    assert Path("/proc/self/mountinfo").read_text() == before


def test_the_benchmark_of_the_taught_file_prints_the_ratio(checkout):
    if os.geteuid() != 0:
        missing("overlay", "needs root to mount bpffs")
    before = Path("/proc/self/mountinfo").read_text()
    done = subprocess.run([checkout / "bench/teach.py", "2"], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"^(files on .*): ratio \d+\.\d\d$", done.stdout, re.MULTILINE) == [
        "files on no overlay", "files on an overlay"]
    assert Path("/proc/self/mountinfo").read_text() == before


def test_the_benchmark_of_addresses_locates_each_of_them(checkout):
    if os.geteuid() != 0 or shutil.which("gcc") is None:
        missing("overlay", "needs root to mount overlays, and gcc")
    done = subprocess.run([checkout / "bench/addresses.py", "500"], capture_output=True, text=True, check=False,
                          timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(re.findall(r"^ +\d+ addresses a second$", done.stdout, re.MULTILINE)) == 5
