#!/usr/bin/env python3
"""How long one lookup takes, as a multiple of starting the same Python to do nothing.

bench/lookup.py [ROUNDS]: as root, needs gcc. Whatever it mounts is in a private mount namespace.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import scene

MAPSD = Path(__file__).resolve().parent.parent / "bin/mapsd"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    if os.geteuid() != 0 or shutil.which("gcc") is None:
        sys.exit("bench/lookup.py: needs root, to mount an overlay, and gcc")
    python, version = interpreter()
    os.environ["PATH"] = f"{os.path.dirname(python)}:{os.environ['PATH']}"
    with scene.container() as pid:
        commands = [[python, "-S", "-I", "-c", "pass"], [str(MAPSD), "lookup", str(pid)], [str(MAPSD), "--help"]]
        print(f"{python} {version}, Linux {os.uname().release}, {rounds} rounds")
        print(f"process: {described(commands[1])}")
        times = measured(commands, rounds)
        names = "python3 -S -I -c pass", "mapsd lookup PID", "mapsd --help"
        for name, command, seconds in zip(names, commands, times, strict=True):
            print(f"{name:22} {1000 * statistics.median(seconds):7.2f} ms{system_calls(command)}")
        print(f"ratio {ratio(times[0], times[1]):.2f}")
        print(f"ratio of --help {ratio(times[0], times[2]):.2f}")


def ratio(bare: list[float], seconds: list[float]) -> float:
    """Return the median of the ratios of the rounds."""
    return statistics.median(b / a for a, b in zip(bare, seconds, strict=True))


def interpreter() -> list[str]:
    """Return path and version of the Python that bin/mapsd ends in: a version manager's python3 is a script."""
    code = "import os, sys; print(os.path.realpath(sys.executable), sys.version.split()[0])"
    return subprocess.check_output(["python3", "-S", "-I", "-c", code], text=True).split()


def measured(commands: list[list[str]], rounds: int) -> list[list[float]]:
    """Run the commands in turn, so that whatever else the machine does hits all of them; return seconds each."""
    times: list[list[float]] = [[] for _ in commands]
    for number in range(rounds + 1):
        for command, seconds in zip(commands, times, strict=True):
            elapsed = run(command)
            if number:  # the first round only warms the caches
                seconds.append(elapsed)
    return times


def run(command: list[str]) -> float:
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ,
                         file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    status = os.waitpid(pid, 0)[1]
    elapsed = time.perf_counter() - began
    if status:
        sys.exit(f"bench/lookup.py: {' '.join(command)} failed")
    return elapsed


def described(lookup: list[str]) -> str:
    """Count the answers by state and confidence: a fast wrong answer is worth nothing."""
    rows = [line.split() for line in subprocess.check_output(lookup, text=True).splitlines()[1:]]
    kinds = [f"{row[2]} {row[4]}" for row in rows if row[2] != "-"]
    return f"{len(rows)} mappings, " + ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))


def system_calls(command: list[str]) -> str:
    """Return how many system calls a command makes, empty without strace."""
    if shutil.which("strace") is None:
        return ""
    with tempfile.NamedTemporaryFile() as file:
        traced = ["strace", "-f", "-qq", "-o", file.name, *command]
        done = subprocess.run(traced, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lines = file.read().count(b"\n")
    return f" {lines:6} system calls" if done.returncode == 0 else ""


if __name__ == "__main__":
    main()
