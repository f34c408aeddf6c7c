"""Which processes there are."""

import os

from mapsd.model import HERE, Host


def pids(host: Host = HERE) -> list[int]:
    """Return every process that a machine's procfs shows, in order. See the mount options of proc(5)."""
    return sorted(int(name) for name in os.listdir(host.procfs) if name.isdigit())
