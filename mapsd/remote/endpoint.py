"""Where a daemon can be reached."""

import socket
from typing import Protocol

from mapsd.errors import NoDaemon
from mapsd.light import Mapping
from mapsd.views.render import escaped, printable

CONNECT = 5.0  # seconds


class Endpoint(Protocol):
    """A place where a daemon may be."""

    @property
    def is_here(self) -> bool:
        """Return whether the daemon and we number processes alike, unless we are in another pid namespace."""

    @property
    def name(self) -> str:
        """Return the place for messages, harmless to a terminal."""

    @property
    def host(self) -> str:
        """Return what the Host field of a request says."""

    @property
    def prefix(self) -> str:
        """Return what comes before every route."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Return what every request has besides: a token, where there is one."""

    def connect(self) -> socket.socket:
        """Return a new connection. Raises NoDaemon, UsageError and OSError."""


class UnixSocket:
    """A Unix socket, which tells the daemon who asks. See unix(7)."""

    is_here, host, prefix = True, "localhost", ""

    def __init__(self, path: bytes, seconds: float = CONNECT) -> None:
        """Reach a daemon by the socket at *path* within so many *seconds*."""
        self._path, self._seconds = path, seconds
        self.name = printable(escaped(path))
        self.headers: Mapping[str, str] = {}

    def connect(self) -> socket.socket:
        """Return a new connection. Raises NoDaemon."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.settimeout(self._seconds)
            made.connect(self._path)
        except (OSError, ValueError) as error:
            made.close()
            raise NoDaemon(self.name, reason(error, self._seconds)) from error
        return made


def reason(error: OSError | ValueError, seconds: float = CONNECT) -> str:
    """Return why a connection failed."""
    if isinstance(error, TimeoutError):
        return f"no connection within {seconds:g} seconds"
    # What went wrong with TLS has a name (ssl.SSLError), and what is wrong with a host's name as well (UnicodeError).
    named = getattr(error, "reason", None)
    if isinstance(named, str):
        return named.replace("_", " ").lower()
    return getattr(error, "strerror", None) or str(error)
