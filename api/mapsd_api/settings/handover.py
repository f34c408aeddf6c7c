"""Whether the service manager handed sockets over, see sd_listen_fds(3)."""

import os
from collections.abc import Mapping


def handed_over(environ: Mapping[str, str]) -> int:
    """Return how many descriptors were handed to this very process, not to one from which it has the environment."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return 0
    text = environ.get("LISTEN_FDS", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
