"""Memory that is given back, and what the collector of garbage need not look at."""

import ctypes
import gc

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_LONG = 1 << 20  # bytes: a usual answer is shorter, and fresh pages would cost it a fifth of its time
_SPARE = 4 << 20  # bytes at the end of a heap, for the next answer


def give_back() -> None:
    """Have long blocks given back to the kernel as soon as they are free. See mallopt(3).

    For glibc "long" would grow up to 32 MiB with the blocks that are freed, and long answers leave holes between what
    is kept. Other C libraries do not have this call.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LONG)
        mallopt(_M_TRIM_THRESHOLD, _SPARE)


def trim() -> None:
    """Give back what is free in between, which takes milliseconds. See malloc_trim(3), which is glibc's."""
    found = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if found is not None:
        found(ctypes.c_size_t(_SPARE))


def settle() -> None:
    """Take all that there is now for what stays: collecting garbage takes no time for it any more."""
    gc.collect()
    gc.freeze()
