"""What a mount of layers shows, printed as JSON: run in a mount namespace of its own. `shown.py DIRECTORY COMMAND …`.

The command mounts at DIRECTORY. Of each name: what it is, and the digest of its bytes.
"""

import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path


def described(path: bytes) -> str:
    mode = os.lstat(path).st_mode
    if stat.S_ISREG(mode):
        return hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest()
    return {stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}.get(stat.S_IFMT(mode), "other")


if __name__ == "__main__":
    top, command = os.fsencode(sys.argv[1]), sys.argv[2:]
    os.mkdir(top)
    subprocess.run(command, check=True)
    names = [os.path.join(directory, name) for directory, below, files in os.walk(top) for name in below + files]
    print(json.dumps({os.fsdecode(one[len(top):]): described(one) for one in names}))
    subprocess.run(["umount", top], check=True)
