"""Replies of which neither the size nor the time is left to whoever sends them."""

import io
import time
from http.client import HTTPResponse, IncompleteRead
from socket import socket

from mapsd.light import NamedTuple


class Bounds(NamedTuple):
    """How long nothing may come and how long a reply may take, in seconds, and its size in bytes, head included."""

    silence: float = 30.0
    whole: float = 300.0
    size: int = 256 << 20


class Exceeded(Exception):
    """A reply is larger or slower than any daemon's is."""


class _Bounded(io.RawIOBase):
    """The bytes of one reply as they come."""

    def __init__(self, raw: io.RawIOBase, connection: socket, bounds: Bounds) -> None:
        self._raw, self._connection, self._bounds = raw, connection, bounds
        self._until, self._left = time.monotonic() + bounds.whole, bounds.size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]  # (a buffer of the reader's)
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise Exceeded(f"a reply takes longer than {self._bounds.whole:g} seconds")
        self._connection.settimeout(min(self._bounds.silence, seconds))
        count = self._raw.readinto(buffer) or 0
        self._left -= count
        if self._left < 0:
            raise Exceeded(f"a reply is larger than {self._bounds.size >> 20} MiB")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class BoundedResponse(HTTPResponse):
    """A response that raises Exceeded, or TimeoutError where nothing comes."""

    bounds = Bounds()

    def __init__(self, sock: socket, debuglevel: int = 0, method: str | None = None, url: str | None = None) -> None:
        """Read from a connection."""
        super().__init__(sock, debuglevel, method, url)
        self.fp = io.BufferedReader(_Bounded(self.fp.detach(), sock, self.bounds))

    def whole(self) -> bytes:
        """Return the body. Raises what a read raises, and IncompleteRead for one that ends early."""
        parts = []
        # In pieces: a length that is only claimed is not made room for.
        while part := self.read(1 << 16):
            parts.append(part)
        if self.length:
            raise IncompleteRead(b"", self.length)
        return b"".join(parts)


def responses(bounds: Bounds) -> type[BoundedResponse]:
    """Return the class of responses within *bounds*: http.client makes them itself."""
    return type("Response", (BoundedResponse,), {"bounds": bounds})
