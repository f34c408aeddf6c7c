"""What is counted of requests and of questions of authority."""

from collections.abc import Callable, Collection, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mapsd.linux.rights.authority import Peer
from mapsd.sources import Tree
from mapsd_api.lookups.service import Authority
from mapsd_api.records.metrics import Metrics


class CountedRequests:
    """ASGI middleware: counts each request by the route that it took."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Count what *app* answers."""
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requested(scope["path"], scope["method"], message["status"])
            await send(message)
        await self._app(scope, receive, counting if scope["type"] == "http" else send)


class CountedAuthority:
    """Counts what an authority says."""

    def __init__(self, authority: Authority, metrics: Metrics) -> None:
        """Count what *authority* says."""
        self._authority, self._metrics = authority, metrics

    def may_see(self, peer: Peer, pid: int) -> bool:
        """Return whether the kernel would let a peer read a process's maps now. Raises OSError."""
        return pid in self.visible(peer, (pid,))

    def visible(self, peer: Peer, pids: Sequence[int]) -> Collection[int]:
        """Return those of *pids* that it would. Raises OSError."""
        seen = self._authority.visible(peer, pids)
        self._metrics.authority_asked(seen=len(seen), hidden=len(pids) - len(seen))
        return seen

    def reader(self, peer: Peer) -> Callable[[Tree], Tree] | None:
        """Return what gives files as a peer may read them, None for one that may read what we may."""
        return self._authority.reader(peer)
