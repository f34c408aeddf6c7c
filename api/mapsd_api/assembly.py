"""The parts of the daemon put together: what answers, for whom, and what is counted of it."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial

import anyio.to_thread
import psutil
from fastapi import FastAPI

from mapsd import Session, __version__
from mapsd.linux.doctor import examined
from mapsd.linux.elsewhere.host import host
from mapsd.linux.processes import running, there
from mapsd.linux.rights.authority import established
from mapsd.model import Host, ProcessAnswer
from mapsd_api.answers.fragments import Fragments
from mapsd_api.app import create_app
from mapsd_api.asker.guard import Guard
from mapsd_api.asker.identity import Identity, of_token
from mapsd_api.asker.tokens import Tokens
from mapsd_api.events.sight import Means, Running
from mapsd_api.events.watcher import Watcher
from mapsd_api.life import memory
from mapsd_api.life.daemon import Application
from mapsd_api.lookups.apart import Apart
from mapsd_api.lookups.examination import Examination
from mapsd_api.lookups.flights import Flights
from mapsd_api.lookups.listings import Listings
from mapsd_api.lookups.pool import Pool
from mapsd_api.lookups.roster import Roster
from mapsd_api.lookups.service import Look, Service
from mapsd_api.lookups.worker import Worker
from mapsd_api.records import audit
from mapsd_api.records.counted import CountedAuthority, CountedRequests
from mapsd_api.records.metrics import Metrics
from mapsd_api.routes.asked import Daemon
from mapsd_api.settings.settings import Settings

PATIENCE = 30.0  # seconds that a question waits for a lookup
# Of packages: what one process's may take, how long another question waits for that, and how many do. A client waits
# for 30 seconds until something comes.
PACKAGE_SECONDS, PACKAGE_PATIENCE, PACKAGES_WAITING = 15.0, 10.0, 8
_SPARE_THREADS = 16  # for questions that need no lookup


def application(settings: Settings, tokens: Tokens | None) -> Application:
    """Return what answers as *settings* say.

    Raises NoAuthority where who may see what cannot be asked of this kernel, NoHost where the machine that is meant
    cannot be seen, and UsageError for an unknown token_user or an audit that cannot be written.
    """
    return _Assembly(settings, tokens, _host(settings)).application()


def _host(settings: Settings) -> Host:
    procfs = None if settings.procfs == "/proc" else os.fsencode(settings.procfs)
    return host(procfs, None if settings.host_root is None else os.fsencode(settings.host_root))


def _users_are_theirs(host: Host) -> bool:
    """Return whether our user database is that of the machine: its root is ours."""
    if host.root is None:
        return True
    root, ours = os.stat(host.root), os.stat("/")
    return (root.st_dev, root.st_ino) == (ours.st_dev, ours.st_ino)


class _Assembly:
    """The parts, and what a reload changes in them."""

    def __init__(self, settings: Settings, tokens: Tokens | None, host: Host) -> None:
        self._settings, self._tokens, self._host = settings, tokens, host
        self._holder = _holder(settings, tokens)
        self._draining = False
        self._metrics = Metrics(__version__)
        # Tried before there is any thread: it forks.
        self._authority = CountedAuthority(established(host.procfs), self._metrics)
        self._audit = audit.to(settings.audit, self._metrics.audit_lines_lost)
        self._pool = Pool(self._worker, settings.lookups, PATIENCE)
        self._flights = Flights(self._pool, settings.waiting)
        self._plain = Session("lookup", host)
        self._service = Service(self._authority, self._flights, self._plain.who, self._told)
        # One takes half of the memory that deploy/systemd lets us have.
        self._packages = Flights(Apart(self._pool, 1, PACKAGE_PATIENCE, memory.trim), PACKAGES_WAITING)
        self._slowly = Service(self._authority, self._packages, self._plain.who, self._told)
        self._watcher = Watcher(Means(self._running, self._service.visible, self._service.processes, self._look),
                                settings.watch_interval)
        self._metrics.watch(waiting=lambda: self._flights.waiting + self._packages.waiting,
                            running=lambda: self._flights.running, subscribers=lambda: self._watcher.subscribers)
        psutil.PROCFS_PATH = os.fsdecode(host.procfs)

    def application(self) -> Application:
        """Return the application and what the daemon does with it."""
        roster = Roster(self._service, self._plain.pids, ours=_users_are_theirs(self._host))
        daemon = Daemon(self._service, self._slowly, roster, Listings(), self._watcher, self._metrics,
                        Examination(partial(examined, self._host)), Fragments(self._there), self._settings.page_size,
                        self._plain.pids, self._plain.root, self._ready)
        app = CountedRequests(create_app(daemon, self._lifespan), self._metrics)
        return Application(Guard(app, lambda: self._settings, self._owner), self._reload, self._drain)

    def _worker(self) -> Worker:
        return Worker(lambda proof: Session(proof, self._host, keep=True, frame_numbers=False,
                                            package_seconds=PACKAGE_SECONDS))

    def _told(self, look: Look) -> None:
        if look.pid is not None:
            self._metrics.looked(look.outcome, look.seconds)
        if self._audit is not None:
            self._audit.noted(look)

    def _running(self) -> Iterator[Running]:
        for pid, line in running(self._host):
            yield Running(pid, line.start_time, line.name)

    def _there(self, pid: int) -> bool:
        return there(b"%b/%d" % (self._host.procfs, pid))

    def _look(self, identity: Identity, pid: int) -> ProcessAnswer:
        return self._service.look(identity, pid, lambda worker: worker.by("auto").lookup(pid), "lookup", "auto", None)

    def _owner(self, token: bytes) -> Identity | None:
        return self._holder if self._tokens is not None and self._tokens.holds(token) else None

    def _ready(self) -> bool:
        return not self._draining and self._flights.waiting < self._settings.waiting

    def _reload(self, settings: Settings, tokens: Tokens | None) -> None:
        holder = _holder(settings, tokens)
        self._settings, self._tokens, self._holder = settings, tokens, holder
        if self._audit is not None:
            self._audit.reopen()

    def _drain(self) -> None:
        self._draining = True
        self._watcher.drain()

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        # Every question that may wait has a thread, and those that need no lookup find one all the same.
        anyio.to_thread.current_default_thread_limiter().total_tokens = (
            self._settings.lookups + self._settings.waiting + PACKAGES_WAITING + _SPARE_THREADS)
        yield
        await anyio.to_thread.run_sync(self._close)

    def _close(self) -> None:
        self._watcher.close()
        self._pool.close(Worker.close)
        self._plain.close()
        if self._audit is not None:
            self._audit.close()


def _holder(settings: Settings, tokens: Tokens | None) -> Identity | None:
    """Return whom a token makes of its bearer. Raises UsageError for a token_user that there is not."""
    return None if tokens is None else of_token(settings.token_user, settings.group)
