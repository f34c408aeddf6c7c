"""Sockets that the service manager listens at for us, see sd_listen_fds(3)."""

import os
import socket
from collections.abc import MutableMapping

from mapsd_api.listening.listener import Listener, NotListening
from mapsd_api.settings.handover import handed_over
from mapsd_api.settings.values import Address

_FIRST = 3  # SD_LISTEN_FDS_START
_VARIABLES = ("LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES")


def taken(environ: MutableMapping[str, str]) -> list[Listener]:
    """Return the sockets, and remove them from the environment: no program that we start inherits them.

    Raises NotListening for a descriptor that is no listening stream socket of Unix or TCP.
    """
    count = handed_over(environ)
    for name in _VARIABLES:
        environ.pop(name, None)
    return [_listener(fd) for fd in range(_FIRST, _FIRST + count)]


def _listener(fd: int) -> Listener:
    name = f"descriptor {fd} of the service manager"
    try:
        os.set_inheritable(fd, False)
        given = socket.socket(fileno=fd)
        listens = given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise NotListening(name, error.strerror or str(error)) from error
    if given.type != socket.SOCK_STREAM or not listens:
        raise NotListening(name, "it is no listening stream socket")
    match given.family:
        case socket.AF_UNIX:
            return Listener(given, "unix", _path(given.getsockname()))
        case socket.AF_INET | socket.AF_INET6:
            return Listener(given, "tcp", str(Address(*given.getsockname()[:2])))
        case _:
            raise NotListening(name, "it is neither Unix nor TCP")


def _path(address: str | bytes) -> str:
    # An abstract address is bytes and begins with a null byte.
    return f"@{os.fsdecode(address[1:])}" if isinstance(address, bytes) else address
