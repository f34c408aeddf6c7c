"""One daemon, asked over HTTP. See RFC 9112."""

from http.client import HTTPConnection, HTTPException, IncompleteRead
from urllib.parse import urlencode

from mapsd import __version__
from mapsd.errors import BadReply, NoDaemon
from mapsd.light import NamedTuple, Sequence
from mapsd.remote.bounded import BoundedResponse, Bounds, Exceeded, responses
from mapsd.remote.endpoint import Endpoint, reason
from mapsd.views.render import printable

_SHOWN = 200  # characters of what is no HTTP
Query = Sequence[tuple[str, str]]


class Reply(NamedTuple):
    """What was answered: the status, the media type, the Retry-After field, and the body."""

    status: int
    kind: str
    retry_after: str
    body: bytes


class Connection:
    """Asks one question after the other over one connection, which is renewed where the daemon has closed it."""

    def __init__(self, endpoint: Endpoint, bounds: Bounds) -> None:
        """Ask the daemon at *endpoint* for replies within *bounds*; nothing is asked yet."""
        self._endpoint, self._bounds = endpoint, bounds
        self._http: _Http | None = None

    def close(self) -> None:
        """Close the connection; a further question opens another."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def get(self, route: str, query: Query = (), accept: str = "application/json") -> Reply:
        """Return what a daemon answers.

        Raises NoDaemon (none is there, or it is silent), BadReply (no HTTP, or no end of it) and UsageError (the token
        would be told to others).
        """
        words = urlencode(query)
        target = f"{self._endpoint.prefix}{route}{'?' if words else ''}{words}"
        kept = self._http is not None
        try:
            try:
                return self._exchanged(target, accept)
            except ConnectionError:
                if not kept:
                    raise
                # It was closed while nobody asked.
                self.close()
                return self._exchanged(target, accept)
        except (OSError, HTTPException, Exceeded, ValueError) as error:
            self.close()
            raise self._failure(error) from error
        except BaseException:
            self.close()
            raise

    def _exchanged(self, target: str, accept: str) -> Reply:
        http = self._http = self._http or _Http(self._endpoint, self._bounds)
        http.request("GET", target, headers={"Host": self._endpoint.host, "Accept": accept,
                                             "User-Agent": f"mapsd/{__version__}", **self._endpoint.headers})
        with http.getresponse() as response:
            assert isinstance(response, BoundedResponse)  # noqa: S101  (see _Http)
            return Reply(response.status, response.headers.get_content_type(), response.headers.get("Retry-After", ""),
                         response.whole())

    def _failure(self, error: Exception) -> NoDaemon | BadReply:
        name = self._endpoint.name
        match error:
            case TimeoutError():
                return NoDaemon(name, f"it says nothing for {self._bounds.silence:g} seconds")
            case OSError():
                return NoDaemon(name, reason(error))
            case IncompleteRead():
                return NoDaemon(name, "it ended in the middle of a reply")
            case Exceeded():
                return BadReply(name, str(error))
            case _:
                return BadReply(name, f"no HTTP: {printable(str(error))[:_SHOWN] or type(error).__name__}")


class _Http(HTTPConnection):
    def __init__(self, endpoint: Endpoint, bounds: Bounds) -> None:
        super().__init__("localhost")
        self._endpoint, self.response_class = endpoint, responses(bounds)

    def connect(self) -> None:
        self.sock = self._endpoint.connect()
