"""Which processes there are."""

import os


def pids() -> list[int]:
    """Return every process that /proc shows to the caller, in order. See the mount options of proc(5)."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
