"""Whether the caller has the capabilities that mapsd can use. See capabilities(7), user_namespaces(7)."""

import os

from mapsd.model.diagnosis import NUMBERS, Capabilities

# PROC_USER_INIT_INO, include/linux/proc_ns.h. A map of every id says nothing: a namespace below may have it as well.
_INITIAL = "user:[4026531837]"


def own() -> Capabilities:
    """Return the calling thread's. Raises OSError where /proc does not say."""
    with open("/proc/thread-self/status", "rb") as status:
        line = next(line for line in status if line.startswith(b"CapEff:"))
    initial = os.readlink("/proc/thread-self/ns/user") == _INITIAL
    effective = int(line.split()[1], 16)
    return Capabilities(tuple(name for name, number in NUMBERS.items() if effective >> number & 1), initial)
