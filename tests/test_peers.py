"""The table of the peers: what memory holds is true, and mapsd says it; what other tools print is theirs."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import missing

HELD = {
    "current": "lower/lib/current.so", "copied-up": "lower/lib/copied-up.so", "replaced": "lower/lib/replaced.so",
    "deleted": "lower/lib/deleted.so", "copied-up, deleted": "lower/lib/copied-up-deleted.so",
    "covered": "lower/lib/covered.so", "detached": "away/detached.so", "nested": "deep/nested.so",
    "nested, copied-up": "deep/nested-copied-up.so",
}
CELLS = ("right", "same bytes", "**wrong**: ", "nothing", "not listed", "not installed", "unknown, says why")


def test_the_table_of_the_peers_knows_what_memory_holds_and_nothing_is_left(checkout):
    if os.geteuid() != 0:
        missing("overlay", "needs root to mount overlays")
    before = Path("/proc/self/mountinfo").read_text()
    done = subprocess.run([sys.executable, checkout / "bench/peers.py"], capture_output=True, text=True, check=False,
                          timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert Path("/proc/self/mountinfo").read_text() == before
    heading, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()
                         if line.startswith("|")]
    assert heading == ["case", "memory holds", "maps, its path", "map_files", "lsof", "lsfd", "psutil", "pmap", "mapsd"]
    assert {row[0]: row[1].strip("`") for row in rows} == HELD
    assert all(cell.startswith(CELLS) for row in rows for cell in row[2:])
    assert not [row for row in rows if row[-1].startswith("**wrong**")]
