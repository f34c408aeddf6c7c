"""A throw-away container of our own with one process in it, for whoever may make a user namespace.

A keeper stands between us and that process: it makes the directory of the layers, and removes it when the process has
ended. The process ends when our end of a pipe is closed: so nothing is left where we are interrupted or killed, either.
"""

import os
import shutil
import signal
import tempfile

from mapsd.errors import NoContainer, ProcessGone
from mapsd.light import TYPE_CHECKING, Iterator, NamedTuple
from mapsd.linux.demo.contained import INHERITED, READY, Change, Failed, during, live, told, understood
from mapsd.linux.demo.nocontainer import error_of

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_VARIABLES = (b"TMPDIR", b"XDG_RUNTIME_DIR")
_PLACES = (b"/tmp", b"/dev/shm", b"/var/tmp")
_MESSAGE = 1 << 13  # bytes, more than a path has


class Plan(NamedTuple):
    """The files of the lower layer (path in the container, bytes), all of them mapped, and changes to be asked for."""

    files: tuple[tuple[bytes, bytes], ...]
    changes: tuple[Change, ...]


class Container:
    """One process in a container, for the time of a `with` block.

    *pid* is the process's; *store* the directory with the layers `lower` and `upper`, the user's own. Root can do
    without a user namespace: *refused* then says why there is none.
    """

    def __init__(self, plan: Plan) -> None:
        """Plan it: nothing is made yet."""
        self.pid, self.store, self.refused = 0, b"", ""
        self._plan = plan
        self._keeper = 0
        self._pipe: list[int] = []  # where changes are asked for, and where they are answered

    def __enter__(self) -> "Self":
        """Make it. Raises NoContainer."""
        failures = []
        for place, user in _ways():
            try:
                self._start(place, user=user)
            except NoContainer as error:
                failures.append(error)
            else:
                self.refused = "" if user else str(failures[0])
                return self
        nowhere = NoContainer("cannot make a directory", "none may be written to: set TMPDIR to one", denied=True)
        raise next(iter(failures), nowhere)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: "TracebackType | None") -> None:
        """End the process and remove its directory."""
        self._end()

    def do(self, number: int) -> None:
        """Make one of the planned changes. Raises NoContainer, ProcessGone."""
        try:
            os.write(self._pipe[0], bytes([number]))
        except BrokenPipeError as error:
            raise ProcessGone(self.pid, seen=True) from error
        self._answer()

    def _start(self, place: bytes, *, user: bool) -> None:
        try:
            self._fork(place, user=user)
            pid, _, self.store = self._answer().partition(b" ")
            self.pid = int(pid)
        except BaseException:
            self._end()
            raise

    def _fork(self, place: bytes, *, user: bool) -> None:
        (commands, asks), (answers, replies) = os.pipe(), os.pipe()
        self._pipe = [asks, answers]
        # The keeper must live on when the terminal interrupts us.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._keeper = os.fork()
            if not self._keeper:
                _keep(place, self._plan, (commands, replies), user=user)
        except OSError as error:
            raise error_of(Failed("start a process", error.errno or 0)) from error
        finally:
            os.close(commands)
            os.close(replies)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _answer(self) -> bytes:
        message = os.read(self._pipe[1], _MESSAGE)
        failed = understood(message)
        if failed is not None:
            raise error_of(failed)
        return message.removeprefix(READY)

    def _end(self) -> None:
        while self._pipe:
            os.close(self._pipe.pop())
        if self._keeper:
            _await(self._keeper)
            self._keeper = 0
        if self.store and os.path.exists(self.store):
            # Somebody ended the keeper.
            _remove(self.store)


def _await(pid: int) -> None:
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        # Where SIGCHLD is ignored nothing is left to be reaped: waitpid() waited for its end all the same.
        return


def _ways() -> Iterator[tuple[bytes, bool]]:
    """Yield the directories to try, each with whether to make a user namespace."""
    named = (os.environb.get(name, b"") for name in _VARIABLES)
    # What would have to be escaped in the options of a mount is passed over.
    places = [place for place in dict.fromkeys((*named, *_PLACES)) if place.startswith(b"/")
              and not set(place) & set(b",:\\") and os.access(place, os.W_OK | os.X_OK)]
    yield from ((place, True) for place in places)
    if os.geteuid() == 0:
        yield from ((place, False) for place in places)


def _keep(place: bytes, plan: Plan, pipe: tuple[int, int], *, user: bool) -> None:
    """Be the keeper: make the directory, start the process, wait for its end, remove the directory. Never returns."""
    status = 1
    try:
        os.setsid()
        os.umask(0o022)
        for fd, source in enumerate((*pipe, os.open(os.devnull, os.O_WRONLY))):
            os.dup2(source, fd)
        os.closerange(3, INHERITED)
        _kept(place, plan, user=user)
        status = 0
    except Failed as failed:
        os.write(1, told(failed))
    finally:
        os._exit(status)


def _kept(place: bytes, plan: Plan, *, user: bool) -> None:
    with during(f"make a directory in {os.fsdecode(place)}"):
        store = tempfile.mkdtemp(prefix=b"mapsd-", dir=place)
    try:
        with during("write the layers"):
            _lay(store, plan)
        with during("start a process"):
            child = os.fork()
        if not child:
            _ended(store, plan, user=user)
        os.close(0)
        os.close(1)
        _await(child)
    finally:
        _remove(store)


def _ended(store: bytes, plan: Plan, *, user: bool) -> None:
    """Be the process in the container. Never returns."""
    try:
        live(store, [path for path, _ in plan.files], plan.changes, user=user)
    finally:
        os._exit(0)


def _lay(store: bytes, plan: Plan) -> None:
    for name in (b"lower", b"upper", b"work", b"merged"):
        os.mkdir(store + b"/" + name)
    for path, data in plan.files:
        os.makedirs(store + b"/lower" + os.path.dirname(path), exist_ok=True)
        with open(store + b"/lower" + path, "wb") as file:
            file.write(data)


def _remove(store: bytes) -> None:
    work = store + b"/work/work"
    if os.path.isdir(work):
        # The overlay makes it with mode 000.
        os.chmod(work, 0o700)
    shutil.rmtree(store)
