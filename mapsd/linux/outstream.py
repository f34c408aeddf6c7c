"""A descriptor that takes bytes as they come: what was written stays written."""

import os

from mapsd.linux.outfile import translated

HEAD = 1 << 20  # bytes that can be read again
_ZEROS = bytes(1 << 18)


class OutStream:
    """An output that is no file of ours, as stdout."""

    def __init__(self, fd: int, name: bytes) -> None:
        """Write to *fd*; *name* is for messages."""
        self._fd, self._name, self._head = fd, name, bytearray()

    def close(self) -> None:
        """Leave the descriptor open: it is the caller's."""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._head += data[:HEAD - len(self._head)]
        with translated(self._name):
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._fd, rest):]

    def skip(self, size: int) -> None:
        """Write zeros."""
        for at in range(0, size, len(_ZEROS)):
            self.write(_ZEROS[:size - at])

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes that were taken, of the first MiB only."""
        return bytes(self._head[offset:offset + size])

    def commit(self) -> None:
        """Do nothing: it is written."""
