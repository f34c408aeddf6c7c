"""A socket at which the daemon listens."""

import socket
from typing import Literal, NamedTuple

from mapsd.errors import MapsdError

Kind = Literal["unix", "tcp"]


class NotListening(MapsdError):
    """The daemon cannot listen where it was told to."""

    def __init__(self, address: str, reason: str) -> None:
        """Keep the address and what stood in the way."""
        super().__init__(f"{address}: cannot listen: {reason}")
        self.address, self.reason = address, reason


class Listener(NamedTuple):
    """A listening stream socket: *address* is its path, or `HOST:PORT` as it came out."""

    socket: socket.socket
    kind: Kind
    address: str
