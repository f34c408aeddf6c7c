"""Replies of which neither the size nor the time is left to whoever sends them."""

import io
import time
from http.client import HTTPResponse, IncompleteRead
from socket import socket

SILENCE = 30.0  # seconds without a byte
WHOLE = 300.0  # seconds for one reply
SIZE = 256 << 20  # bytes of one reply, its head included


class Exceeded(Exception):
    """A reply is larger or slower than any daemon's is."""


class _Bounded(io.RawIOBase):
    """The bytes of one reply as they come."""

    def __init__(self, raw: io.RawIOBase, connection: socket) -> None:
        self._raw, self._connection = raw, connection
        self._until, self._left = time.monotonic() + WHOLE, SIZE

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]  # (a buffer of the reader's)
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise Exceeded(f"a reply takes longer than {WHOLE:g} seconds")
        self._connection.settimeout(min(SILENCE, seconds))
        count = self._raw.readinto(buffer) or 0
        self._left -= count
        if self._left < 0:
            raise Exceeded(f"a reply is larger than {SIZE >> 20} MiB")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class BoundedResponse(HTTPResponse):
    """A response that raises Exceeded, or TimeoutError where nothing comes."""

    def __init__(self, sock: socket, debuglevel: int = 0, method: str | None = None, url: str | None = None) -> None:
        """Read from a connection."""
        super().__init__(sock, debuglevel, method, url)
        self.fp = io.BufferedReader(_Bounded(self.fp.detach(), sock))

    def whole(self) -> bytes:
        """Return the body. Raises what a read raises, and IncompleteRead for one that ends early."""
        parts = []
        # In pieces: a length that is only claimed is not made room for.
        while part := self.read(1 << 16):
            parts.append(part)
        if self.length:
            raise IncompleteRead(b"", self.length)
        return b"".join(parts)
