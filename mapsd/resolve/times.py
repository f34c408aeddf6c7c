"""What a time of change tells, as exact as its filesystem keeps it.

ext4 keeps whole seconds where its inodes have 128 bytes, ext3 and images of squashfs always; most others keep what the
clock has.
"""

_SECOND, _EXACT = 10**9, 10**6  # nanoseconds


def grain(time: int) -> int:
    """Return how much may be left out of a time (nanoseconds): as much as the zeros at its end, a second at most."""
    found = 1
    while time % (found * 10) == 0 and found < _SECOND:
        found *= 10
    return found


def is_exact(time: int) -> bool:
    """Return whether a time is one that hardly two files have which were changed at different times."""
    return grain(time) < _EXACT


def is_before(changed: int, since: int) -> bool:
    """Return whether a change was before a moment (nanoseconds since the epoch), whatever was left out of its time."""
    return changed + grain(changed) <= since
