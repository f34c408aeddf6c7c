"""TCP sockets for one name or address, see getaddrinfo(3)."""

import errno
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mapsd_api.listening.listener import Listener, NotListening
from mapsd_api.settings.values import Address

_TRIES = 16  # the free port of one address may be taken at another
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # ::1 is in the hosts file, and the machine has no IPv6


@contextmanager
def bound(address: Address, *, beyond: bool) -> Iterator[list[Listener]]:
    """Give a listening socket for each address that the name has, all with one port, and close them at the end.

    Of a name no address is left out: whoever listened at it would be sent our clients' tokens. Raises NotListening,
    also for an address that other machines reach unless *beyond* allows it.
    """
    with ExitStack() as stack:
        try:
            made = _listening(address, beyond=beyond)
        except OSError as error:
            raise NotListening(str(address), error.strerror or str(error)) from error
        for one in made:
            stack.enter_context(one)
        yield [Listener(one, "tcp", str(_address(one))) for one in made]


def _listening(address: Address, *, beyond: bool) -> list[socket.socket]:
    hosts = _hosts(address)
    for host in hosts:
        if not beyond and not ipaddress.ip_address(host).is_loopback:
            raise NotListening(str(address), f"other machines reach {host}")
    for _ in range(_TRIES if address.port == 0 else 1):
        with ExitStack() as stack:
            made, failure = _each(hosts, address.port, stack)
            if made and failure is None:
                stack.pop_all()
                return made
    raise failure or OSError(errno.EADDRNOTAVAIL, "no such address here")


def _hosts(address: Address) -> list[str]:
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def _each(hosts: list[str], port: int, stack: ExitStack) -> tuple[list[socket.socket], OSError | None]:
    made: list[socket.socket] = []
    for host in hosts:
        try:
            one = stack.enter_context(_socket(host, port))
        except OSError as error:
            if error.errno in _ABSENT:
                continue
            return made, error
        made.append(one)
        port = one.getsockname()[1]
    return made, None


def _socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, or asyncio sets no TCP_NODELAY: an answer would wait for the client's delayed acknowledgement, 40 ms.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # What old connections left behind at the port is in nobody's way; two listeners still are.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host, port))
        made.listen(socket.SOMAXCONN)
    except BaseException:
        made.close()
        raise
    return made


def _address(made: socket.socket) -> Address:
    return Address(*made.getsockname()[:2])
