"""Questions to a daemon: what `mapsd --socket` and `mapsd --url` ask with, and what another program may."""

from mapsd.remote.endpoint import UnixSocket
from mapsd.remote.session import RemoteSession
from mapsd.remote.url import at_url

__all__ = ["RemoteSession", "UnixSocket", "at_url"]
