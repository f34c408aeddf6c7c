"""When the machine and its processes were started, by the clock that files have their times from."""

import os
import time

_INITIAL = "time:[4026531834]"  # PROC_TIME_INIT_INO, include/linux/proc_ns.h


def started(ticks: int) -> int:
    """Return a start time of stat in nanoseconds since the epoch (clock ticks since boot, proc_pid_stat(5))."""
    boot = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return boot + ticks * 10**9 // os.sysconf("SC_CLK_TCK")


def booted() -> int:
    """Return when the machine was started in nanoseconds since the epoch, 0 where that may not be seen.

    In a time namespace (Linux 5.6) it seems to have been started at another time. See time_namespaces(7).
    """
    try:
        spaces = os.listdir("/proc/self/ns")
        return started(0) if "time" not in spaces or os.readlink("/proc/self/ns/time") == _INITIAL else 0
    except OSError:
        return 0
