#!/usr/bin/env python3
"""What a read of the taught file costs beside a read of every process's maps, as root: bench/teach.py [ROUNDS].

bpffs is mounted in a private mount namespace, so nothing stays. The mappings of a few hundred forked children stand
for a host: each has this Python's.
"""

import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

MAPSD = Path(__file__).resolve().parent.parent / "bin/mapsd"
CHILDREN = 200


def main() -> None:
    if os.geteuid() != 0:
        sys.exit("bench/teach.py: needs root")
    if os.environ.get("MAPSD_BENCH") != "inside":
        os.environ["MAPSD_BENCH"] = "inside"
        os.execvp("unshare", ["unshare", "-m", "--propagation", "private", sys.executable, *sys.argv])
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    subprocess.run(["mount", "-t", "bpf", "bpf", "/sys/fs/bpf"], check=True)
    subprocess.run([MAPSD, "teach"], check=True, stdout=subprocess.DEVNULL)
    children = [child() for _ in range(CHILDREN)]
    try:
        report(rounds)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def child() -> int:
    """Return a process that waits until it is ended."""
    pid = os.fork()
    if not pid:
        while True:
            signal.pause()
    return pid


def report(rounds: int) -> None:
    plain, taught = ["sh", "-c", "cat /proc/[0-9]*/maps 2>/dev/null; :"], ["cat", "/sys/fs/bpf/mapsd/maps"]
    lines = [run(command)[1] for command in (plain, taught)]
    pairs = [[run(command)[0] for command in (plain, taught)] for _ in range(rounds)]
    print(f"Linux {os.uname().release}, {rounds} rounds, {lines[0]} mappings, {lines[1]} of them of files")
    for name, seconds in zip(("cat /proc/*/maps", "cat the taught file"), zip(*pairs, strict=True), strict=True):
        print(f"{name:20} {1000 * statistics.median(seconds):7.2f} ms")
    print(f"ratio {statistics.median(taught / plain for plain, taught in pairs):.2f}")


def run(command: list[str]) -> tuple[float, int]:
    """Return the seconds that a command took, and how many lines it wrote."""
    began = time.perf_counter()
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return time.perf_counter() - began, text.count(b"\n")


if __name__ == "__main__":
    main()
