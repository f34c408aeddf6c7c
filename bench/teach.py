#!/usr/bin/env python3
"""What a read of the taught file costs beside a read of every process's maps, as root: bench/teach.py [ROUNDS].

A few hundred forked children of a Python stand for a host, once with its files on no overlay and once with all of them
on one, which is this root as a lower layer. All is mounted in a private mount namespace, so nothing stays.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAPSD = Path(__file__).resolve().parent.parent / "bin/mapsd"
CHILDREN = 200
MOTHER = f"""
import os, signal
for _ in range({CHILDREN}):
    if not os.fork():
        signal.pause()
os.write(1, b".")
signal.pause()
"""
PLAIN, TAUGHT = ["sh", "-c", "cat /proc/[0-9]*/maps 2>/dev/null; :"], ["cat", "/sys/fs/bpf/mapsd/maps"]


def main() -> None:
    if os.geteuid() != 0:
        sys.exit("bench/teach.py: needs root")
    if os.environ.get("MAPSD_BENCH") != "inside":
        os.environ["MAPSD_BENCH"] = "inside"
        os.execvp("unshare", ["unshare", "-m", "--propagation", "private", sys.executable, *sys.argv])
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    subprocess.run(["mount", "-t", "bpf", "bpf", "/sys/fs/bpf"], check=True)
    subprocess.run([MAPSD, "teach"], check=True, stdout=subprocess.DEVNULL)
    print(f"Linux {os.uname().release}, medians of {rounds} rounds")
    with host([]):
        report("files on no overlay", rounds)
    with overlaid() as root, host(["chroot", root]):
        report("files on an overlay", rounds)


@contextmanager
def overlaid() -> Iterator[str]:
    """Give the place where this root is mounted as the lowest layer of an overlay, read-only."""
    where = tempfile.mkdtemp()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "bench", where], check=True)
        top, merged = Path(where, "top"), Path(where, "merged")
        top.mkdir()
        merged.mkdir()
        subprocess.run(["mount", "-t", "overlay", "-o", f"lowerdir={top}:/", "bench", merged], check=True)
        yield str(merged)
    finally:
        # Never a recursive removal: what lies there is this root.
        subprocess.run(["umount", "-l", where], check=False)
        os.rmdir(where)


@contextmanager
def host(before: list[str]) -> Iterator[None]:
    """Keep the processes for the time of the block; *before* is a command that starts another one."""
    words = [*before, os.path.realpath(sys.executable), "-c", MOTHER]
    with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True) as mother:
        try:
            if mother.stdout is None or mother.stdout.read(1) != b".":
                sys.exit("bench/teach.py: the processes did not start")
            yield
        finally:
            os.killpg(mother.pid, signal.SIGKILL)


def report(what: str, rounds: int) -> None:
    pairs = [(run(PLAIN), run(TAUGHT)) for _ in range(rounds)]
    for number, name in enumerate(("cat /proc/*/maps", "cat the taught file")):
        seconds, lines = (statistics.median(column) for column in zip(*(pair[number] for pair in pairs), strict=True))
        print(f"{what}: {name:20} {1000 * seconds:7.2f} ms, {1e9 * seconds / lines:5.0f} ns a line of {lines:.0f}")
    print(f"{what}: ratio {statistics.median(taught[0] / plain[0] for plain, taught in pairs):.2f}")


def run(command: list[str]) -> tuple[float, int]:
    """Return the seconds that a command took, and how many lines it wrote."""
    began = time.perf_counter()
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return time.perf_counter() - began, text.count(b"\n")


if __name__ == "__main__":
    main()
