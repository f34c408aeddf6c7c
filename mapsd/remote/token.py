"""The token by which a daemon on TCP knows who asks. See RFC 6750."""

import os
import stat

from mapsd.errors import UsageError
from mapsd.views.render import escaped

_LONGEST = 4096  # bytes


def read(path: str) -> str:
    """Return the token of a file that only its owner may read. Raises UsageError for any other file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            seen = os.fstat(fd)
            text = file.read(_LONGEST + 1) if stat.S_ISREG(seen.st_mode) else b""
    except (OSError, ValueError) as error:
        raise _unusable(path, getattr(error, "strerror", None) or str(error)) from error
    if seen.st_mode & 0o077:
        raise _unusable(path, f"others may use it (mode {stat.S_IMODE(seen.st_mode):04o}): chmod 600")
    token = text.rstrip(b"\r\n")
    if not token or len(text) > _LONGEST or not all(0x21 <= byte <= 0x7E for byte in token):
        raise _unusable(path, "it is not one line of printable ASCII without blanks")
    return token.decode("ascii")


def _unusable(path: str, why: str) -> UsageError:
    return UsageError(f"the token file {escaped(os.fsencode(path))} cannot be used: {why}")
