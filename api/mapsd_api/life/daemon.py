"""The life of the daemon: it starts, reads its settings again, and ends when it has answered."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, MutableMapping
from contextlib import ExitStack
from typing import NamedTuple

from starlette.types import ASGIApp

from mapsd.errors import MapsdError
from mapsd_api.asker.tokens import Tokens
from mapsd_api.connection.connections import Limits
from mapsd_api.connection.server import Door, Protocols, Server
from mapsd_api.life import descriptors, logs, memory
from mapsd_api.life.notify import Notifier
from mapsd_api.listening import tls
from mapsd_api.listening.sockets import opened
from mapsd_api.settings.settings import Settings, reloaded

_OVERRUN = 5.0  # seconds after the last moment to answer

_log = logging.getLogger("mapsd")


class Application(NamedTuple):
    """What the daemon needs of an application.

    *reload* takes what may change while it runs, or raises MapsdError and goes on as before; *drain* ends its streams,
    which would else never be answered.
    """

    asgi: ASGIApp
    reload: Callable[[Settings, Tokens | None], None]
    drain: Callable[[], None]


Make = Callable[[Settings, Tokens | None], Application]


def serve(read: Callable[[], Settings], make: Make, protocols: Callable[[Settings], Protocols],
          environ: MutableMapping[str, str]) -> int:
    """Serve until a signal ends it, and return the exit status.

    SIGTERM and SIGINT end it when what was asked is answered, told again at once; SIGHUP has *read* called again.
    *make* and *protocols* are called once, before there is any thread. Raises MapsdError where nothing can be served.
    """
    logs.to_stderr()
    memory.give_back()
    settings = read()
    notifier = Notifier(environ)
    tokens, context = _tokens(settings), tls.context(settings)
    with ExitStack() as sockets:
        listeners = sockets.enter_context(opened(settings, environ))
        descriptors.allow(settings.connections)
        application = make(settings, tokens)
        door = Door(listeners, protocols(settings), context)
        daemon = _Daemon(settings, application, door, notifier, sockets.close)
        with asyncio.Runner() as runner:
            runner.run(daemon.live(read))
        daemon.ended()
    return 0


def _tokens(settings: Settings) -> Tokens | None:
    return Tokens.of_file(settings.token_file) if settings.token_file else None


class _Daemon:
    def __init__(self, settings: Settings, application: Application, door: Door, notifier: Notifier,
                 close: Callable[[], None]) -> None:
        self._settings, self._application, self._door = settings, application, door
        self._notifier, self._close = notifier, close
        self._server = Server(application.asgi, door, self._started, self._stopping)
        self._at = ", ".join(listener.address for listener in door.listeners)
        self._overrun: threading.Timer | None = None

    async def live(self, read: Callable[[], Settings]) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._server.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload, read)
        self._use(self._settings)
        alive = asyncio.ensure_future(self._keep_alive())
        try:
            await self._server.serve()
        finally:
            alive.cancel()

    def ended(self) -> None:
        if self._overrun is not None:
            self._overrun.cancel()
        _log.info("ended")

    def _use(self, settings: Settings) -> None:
        self._settings = settings
        self._server.bound(Limits(settings.connections), settings.drain)

    def _started(self) -> None:
        memory.settle()
        _log.info("listening", extra={"fields": {"addresses": [one.address for one in self._door.listeners]}})
        self._warn()
        self._notifier.ready(f"listening at {self._at}")

    def _warn(self) -> None:
        if self._settings.beyond_loopback and self._door.tls is None:
            _log.warning("tokens and answers cross the network as they are: there is no tls_certificate")

    async def _keep_alive(self) -> None:
        while self._notifier.watchdog_seconds:
            self._notifier.alive()
            await asyncio.sleep(self._notifier.watchdog_seconds / 2)

    def _reload(self, read: Callable[[], Settings]) -> None:
        if not self._server.started or self._server.should_exit:
            return
        self._notifier.reloading()
        try:
            self._changed(read())
        except MapsdError as error:
            _log.error("not reloaded: what was said before stays", extra={"fields": {"reason": str(error)}})
        finally:
            self._notifier.ready(f"listening at {self._at}")

    def _changed(self, new: Settings) -> None:
        settings, fixed = reloaded(self._settings, new)
        tokens = _tokens(settings)
        tls.renew(self._door.tls, settings)
        self._application.reload(settings, tokens)
        self._use(settings)
        _log.info("reloaded", extra={"fields": {"needs_restart": fixed}})

    def _stopping(self) -> None:
        """See to it that nobody waits for us in vain: neither the manager nor a stream, nor who starts the next one."""
        self._notifier.stopping("answering what was asked")
        _log.info("ending")
        self._close()
        self._application.drain()
        # A lookup that hangs in the kernel cannot be cancelled.
        self._overrun = threading.Timer(self._settings.drain + _OVERRUN, os._exit, (0,))
        self._overrun.daemon = True
        self._overrun.start()
