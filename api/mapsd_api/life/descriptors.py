"""As many file descriptors as connections and lookups may need, see RLIMIT_NOFILE in getrlimit(2)."""

import logging
import resource

from mapsd_api.connection.connections import SPARE

_OTHERS = 256  # lookups, listening sockets, the library's own

_log = logging.getLogger("mapsd")


def allow(connections: int) -> None:
    """Raise our limit as far as we may; where that is too low the log says so."""
    needed = connections + 2 * SPARE + _OTHERS  # SPARE refused, and as many TLS handshakes
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        if most < needed:
            _log.warning("there may not be as many connections: descriptors are fewer",
                         extra={"fields": {"descriptors": most, "needed": needed}})
