"""Where the daemon listens: what the service manager handed over, else what the settings say."""

from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager

from mapsd_api.listening import activation, tcpsocket, unixsocket
from mapsd_api.listening.listener import Listener, NotListening
from mapsd_api.settings.settings import Settings
from mapsd_api.settings.values import Address


@contextmanager
def opened(settings: Settings, environ: MutableMapping[str, str]) -> Iterator[list[Listener]]:
    """Give the listening sockets, close them at the end, and remove the file that was made.

    Sockets of the service manager take the place of ours. Raises NotListening.
    """
    with ExitStack() as stack:
        given = activation.taken(environ)
        for listener in given:
            stack.enter_context(listener.socket)
        for listener in given:
            _allow(listener, settings)
        yield given or list(_made(settings, stack))


def _allow(listener: Listener, settings: Settings) -> None:
    """Ask of a TCP socket that was handed over what is asked of one of ours."""
    if listener.kind != "tcp":
        return
    if not settings.token_file:
        raise NotListening(listener.address, "TCP needs token_file: whoever reaches the port could ask")
    if not Address(*listener.socket.getsockname()[:2]).loopback and not settings.beyond_loopback:
        raise NotListening(listener.address, "other machines reach this address: beyond_loopback must say so")


def _made(settings: Settings, stack: ExitStack) -> Iterator[Listener]:
    if settings.socket:
        yield stack.enter_context(unixsocket.bound(settings.socket, settings.socket_mode, settings.socket_group))
    if settings.listen:
        yield from stack.enter_context(tcpsocket.bound(settings.listen, beyond=settings.beyond_loopback))
