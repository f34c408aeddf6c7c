"""`mapsd teach`: a file that says of every mapping of every process which file it really holds."""

import os

from mapsd.cli.command import Asked, Command
from mapsd.cli.output import FOUND
from mapsd.linux import teach

COMMAND = Command(
    "teach", "",
    f"Pin an iterator in bpffs, so that `cat {os.fsdecode(teach.FILE)}` prints a line for every mapping of every "
    "process: what maps says, and which file the mapping really holds. docs/teach.md describes the fields. It "
    "checks no access to the processes, so only root may read it. An older one is replaced; `mapsd unteach` "
    "removes it.",
    (), ((0, "done"), (3, "not permitted"), (70, "the kernel cannot be taught")))


def run(_: Asked) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print."""
    mounted = teach.teach()
    also = [f"bpffs was mounted on {os.fsdecode(teach.BPFFS)}"] if mounted else []
    return FOUND, [*also, f"{os.fsdecode(teach.FILE)} is there, for root to read"]
