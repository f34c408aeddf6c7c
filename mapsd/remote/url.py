"""A daemon on TCP, by http or https. See RFC 3986, RFC 9110."""

import os
import socket
from ipaddress import ip_address
from urllib.parse import SplitResult, quote, urlsplit

from mapsd.errors import NoDaemon, UsageError
from mapsd.light import TYPE_CHECKING, Mapping, Sequence
from mapsd.remote import token
from mapsd.remote.endpoint import CONNECT, reason
from mapsd.views.render import escaped, printable

if TYPE_CHECKING:
    from ssl import SSLContext

PORTS = {"http": 80, "https": 443}


class Web:
    """A daemon on TCP; with a *context* the connection is one of TLS."""

    is_here = False

    def __init__(self, url: SplitResult, secret: str | None, context: "SSLContext | None") -> None:
        """Reach the daemon of a *url*, which has a host; *secret* is a token."""
        self._hostname, self._port = url.hostname or "", url.port or PORTS[url.scheme]
        self._secret, self._context = secret is not None, context
        self.name, self.host = printable(escaped(url.geturl().encode())), url.netloc
        self.prefix = quote(url.path.rstrip("/"), safe="/%")
        self.headers: Mapping[str, str] = {} if secret is None else {"Authorization": f"Bearer {secret}"}

    def connect(self) -> socket.socket:
        """Return a new connection. Raises NoDaemon, and UsageError where it would tell others the token."""
        try:
            found = socket.getaddrinfo(self._hostname, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NoDaemon(self.name, reason(error)) from error
        if self._secret and self._context is None and not all(_is_loopback(address) for *_, address in found):
            raise UsageError(f"{self.name}: a token is sent by https only, or to a loopback address")
        try:
            return self._secured(_first(found))
        except (OSError, ValueError) as error:
            raise NoDaemon(self.name, _why(error)) from error

    def _secured(self, made: socket.socket) -> socket.socket:
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is None:
                return made
            return self._context.wrap_socket(made, server_hostname=self._hostname)
        except BaseException:
            made.close()
            raise


def at_url(url: str, token_file: str | None = None, ca_file: str | None = None, cert_file: str | None = None,
           key_file: str | None = None) -> Web:
    """Return the daemon of a URL: `http://HOST:PORT` or `https://HOST:PORT`.

    The token of *token_file* is sent with every question. *ca_file* are the certificates that are trusted instead of
    the system's, *cert_file* and *key_file* say who we are. Raises UsageError for what cannot be used.
    """
    parts = _parted(url)
    if parts.scheme == "http" and (ca_file or cert_file or key_file):
        raise UsageError("a certificate is for https")
    if (cert_file is None) != (key_file is None):
        raise UsageError("a certificate goes with its key")
    context = None if parts.scheme == "http" else _context(ca_file, cert_file, key_file)
    return Web(parts, None if token_file is None else token.read(token_file), context)


def _parted(url: str) -> SplitResult:
    if "@" in url:
        raise UsageError("a URL holds no user and no password here: a token is given by a file")
    shown = printable(escaped(os.fsencode(url)))
    try:
        parts = urlsplit(url)
        known = parts.scheme in PORTS and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise UsageError(f"not a URL: {shown}: {error}") from error
    if not known or parts.query or parts.fragment or not (url.isascii() and url.isprintable()):
        raise UsageError(f"not a URL of a daemon: {shown} (http://HOST:PORT or https://HOST:PORT)")
    return parts


def _context(ca_file: str | None, cert_file: str | None, key_file: str | None) -> "SSLContext":
    import ssl  # noqa: PLC0415  (20 ms that http does not need)
    try:
        context = ssl.create_default_context(cafile=ca_file)
        if cert_file is not None:
            # Nobody is asked for the password of a key that has one.
            context.load_cert_chain(cert_file, key_file, password="")
    except (OSError, ValueError) as error:
        raise UsageError(f"the certificates cannot be used: {reason(error)}") from error
    return context


Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]  # as getaddrinfo(3) gives it
Addresses = Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, Address]]


def _first(addresses: Addresses) -> socket.socket:
    """Return a connection to the first address that takes one. Raises OSError."""
    failed = OSError("no address of this name")
    for family, kind, protocol, _, address in addresses:
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(CONNECT)
            made.connect(address)
        except OSError as error:
            made.close()
            failed = error
        else:
            return made
    raise failed


def _is_loopback(address: Address) -> bool:
    # A scope (%eth0) is none of the address.
    found = ip_address(str(address[0]).partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return (found if mapped is None else mapped).is_loopback


def _why(error: OSError | ValueError) -> str:
    told = getattr(error, "verify_message", "")
    return f"its certificate is not accepted: {told}" if told else reason(error)
