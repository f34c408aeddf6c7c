#!/usr/bin/env python3
"""How many addresses of one process are located in a second, by one thread: each with its mapping and file offset.

bench/addresses.py [ADDRESSES]: as root, needs gcc. Whatever it mounts is in a private mount namespace.
"""

import os
import random
import shutil
import sys
import time
from pathlib import Path

import scene

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mapsd import Session

ROUNDS = 5


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    if os.geteuid() != 0 or shutil.which("gcc") is None:
        sys.exit("bench/addresses.py: needs root, to mount an overlay, and gcc")
    with scene.container() as pid, Session() as session:
        files = [one.vma for one in session.lookup(pid).mappings if one.kind == "file"]
        chosen = random.Random(1).choices(files, k=count)
        addresses = [random.randrange(vma.start, vma.end) for vma in chosen]
        print(f"{len(files)} file mappings, {count} addresses, {ROUNDS} batches, each with a lookup of its own")
        for _ in range(ROUNDS):
            began = time.perf_counter()
            found = session.locate(pid, addresses)
            seconds = time.perf_counter() - began
            right = all(one.mapping is not None and one.mapping.vma.start <= one.address < one.mapping.vma.end
                        for one in found)
            if not right or len(found) != count:
                sys.exit("bench/addresses.py: an address was located in another mapping")
            print(f"{count / seconds:10.0f} addresses a second")


if __name__ == "__main__":
    main()
