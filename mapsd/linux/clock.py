"""When the machine and its processes were started, by the clock that files have their times from."""

import os
import time

_INITIAL = "time:[4026531834]"  # PROC_TIME_INIT_INO, include/linux/proc_ns.h


def started(ticks: int) -> int:
    """Return a start time of stat in nanoseconds since the epoch (clock ticks since boot, proc_pid_stat(5))."""
    boot = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return boot + ticks * 10**9 // os.sysconf("SC_CLK_TCK")


def booted(oldest: int | None) -> int:
    """Return when the machine was started in nanoseconds since the epoch, 0 where that is not known.

    *oldest* is the birth of the root of devtmpfs, which is made before anything can be mounted (devtmpfs_init(),
    drivers/base/devtmpfs.c). The clocks alone may say a later time: a machine that its host had stopped has not counted
    that, but was set right. One that was set back has files of before with later times. A time namespace (Linux 5.6)
    shows another time since the start: time_namespaces(7).
    """
    return 0 if oldest is None or _is_shifted() else min(oldest, started(0))


def _is_shifted() -> bool:
    try:
        return "time" in os.listdir("/proc/self/ns") and os.readlink("/proc/self/ns/time") != _INITIAL
    except OSError:
        return True
