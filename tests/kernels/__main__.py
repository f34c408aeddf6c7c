"""Run scenes in the newest kernel of one suite, and print what became of each.

    python -m tests.kernels SUITE [PYTEST'S ARGUMENT…]

SUITE is Debian's: bullseye, bookworm, trixie, trixie-backports. Without arguments every scene of the test is run.
"""

import sys
import tempfile
from pathlib import Path

from tests.kernels.running import lacking, running
from tests.kernels.scenes import EVERY
from tests.kernels.verdict import faults, table
from tests.kernels.work import Scenes


def main(suite: str, *arguments: str) -> int:
    """Return the status: 1 where something is wrong."""
    if why := lacking():
        sys.exit(why)
    scenes = Scenes(arguments, {}) if arguments else EVERY
    with tempfile.TemporaryDirectory() as name, running([suite], scenes, Path(name), bound=24 * 3600) as futures:
        booted = futures[suite].result()
    for one in booted.scenes:
        print(f"{one['outcome']:8}{one.get('seconds', 0):6.1f} s  {one['scene']}")
    # What is asked for by hand need not see every proof.
    found = [one for one in faults(booted, scenes.needs) if arguments == () or "never seen" not in one]
    print(table(booted), *found, sep="\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if sys.argv[1:] else __doc__)
