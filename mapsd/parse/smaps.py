"""/proc/PID/smaps: a line of maps, then lines `Name: value`; VmFlags is the last. See proc_pid_smaps(5)."""

from mapsd.light import Iterator

_DIGITS = frozenset(b"0123456789abcdef")


def vm_flags(text: bytes) -> Iterator[tuple[int, int, frozenset[bytes]]]:
    """Yield start, end and the two-letter flags of each mapping: `io` and `pf` are a device's, `ht` huge pages."""
    addresses = b""
    for line in text.split(b"\n"):
        # Names begin with a capital, and maps escapes the newlines of a path.
        if line[:1] and line[0] in _DIGITS:
            addresses = line.split(b" ", 1)[0]
        elif line.startswith(b"VmFlags:"):
            start, _, end = addresses.partition(b"-")
            yield int(start, 16), int(end, 16), frozenset(line.split()[1:])
