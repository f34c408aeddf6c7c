"""Many questions to one daemon: what mapsd.Session is for the machine itself."""

import time
from base64 import b64encode
from functools import partial
from typing import Self, TypeVar

from mapsd.errors import BadReply, UsageError
from mapsd.light import TYPE_CHECKING, Callable, Sequence
from mapsd.model import ProcessAnswer
from mapsd.remote import problems
from mapsd.remote.bounded import Bounds
from mapsd.remote.connection import Connection, Query, Reply
from mapsd.remote.decode.fields import Fields, Malformed, loaded
from mapsd.remote.endpoint import Endpoint
from mapsd.remote.problems import Question

if TYPE_CHECKING:
    from types import TracebackType

    from mapsd.model.containers import Containers
    from mapsd.model.diagnosis import Diagnosis
    from mapsd.model.layers import ProcessLayers, Which
    from mapsd.model.open import OpenAnswer
    from mapsd.model.translated import Translation, Wanted
    from mapsd.remote.decode.explanation import Explained

PATIENCE = 10.0  # seconds in which a daemon that is busy is asked again
_SHORTEST = 0.1  # seconds between two questions to it
_BOUNDS = Bounds()
_NDJSON = "application/x-ndjson"
_CONTAINED: dict[bool, Query] = {False: (), True: (("container", "true"),)}
_PACKAGES: dict[bool, Query] = {False: (), True: (("packages", "true"),)}
Value = TypeVar("Value")


class RemoteSession:
    """Asks a daemon about processes; close() it, or use it in a `with` block.

    Beside what each question says it raises NoDaemon (none can be asked), BadReply (what answers is no mapsd) and
    DaemonFailed. A session belongs to one thread at a time.
    """

    def __init__(self, endpoint: Endpoint, proof: str = "auto", bounds: Bounds = _BOUNDS,
                 wait: Callable[[float], object] = time.sleep) -> None:
        """Ask the daemon at *endpoint* with *proof*, as mapsd.Session has it; *wait* for a busy one, in seconds."""
        self._endpoint, self._connection, self._wait = endpoint, Connection(endpoint, bounds), wait
        self._proof: Query = () if proof == "auto" else (("proof", proof),)

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: "TracebackType | None") -> None:
        """Close the session."""
        self.close()

    def close(self) -> None:
        """Close the connection; a session that is asked again opens another."""
        self._connection.close()

    def lookup(self, pid: int, thread: int | None = None, addresses: Sequence[int] | None = None, *,
               contained: bool = False, packages: bool = False) -> ProcessAnswer:
        """Return every mapping of a process, or only those that hold one of *addresses*.

        *contained* asks for the container as well, *packages* for the package of each file's bytes. Raises NotShown
        (there is no such process, or not for us), ProcessGone (it exited meanwhile) and AccessDenied (the daemon may
        not read it).
        """
        from mapsd.remote.decode.mappings import process_answer  # noqa: PLC0415  (other questions need none of it)
        held = [("address", f"{one:#x}") for one in addresses or ()]
        return self._of(pid, "mappings", [*self._proof, *held, *_CONTAINED[contained], *_PACKAGES[packages]],
                        process_answer, thread)

    def explain(self, pid: int, wanted: Sequence[int | bytes]) -> "Explained":
        """Return the mappings that hold an address or have a path, with how each answer was reached.

        Raises NotShown, ProcessGone and AccessDenied.
        """
        from mapsd.remote.decode.explanation import explained  # noqa: PLC0415  (as above)
        return self._of(pid, "explain", [*self._proof, *map(_meant, wanted)], explained)

    def containers(self) -> "Containers":
        """Return the containers of the processes that the daemon shows us."""
        from mapsd.remote.decode.containers import containers  # noqa: PLC0415  (as above)
        asked = Question("/v1/containers")
        return self._read(asked, self._asked(asked).body, containers)

    def fds(self, pid: int, thread: int | None = None, *, contained: bool = False) -> "OpenAnswer":
        """Return what a process has open. Raises NotShown, ProcessGone and AccessDenied."""
        from mapsd.remote.decode.openfiles import open_answer  # noqa: PLC0415  (as above)
        return self._of(pid, "fds", (*self._proof, *_CONTAINED[contained]), open_answer, thread)

    def layers(self, pid: int, thread: int | None = None, *, contained: bool = False) -> "ProcessLayers":
        """Return the overlays that a process sees, *contained* with the container and its image's layers.

        Raises NotShown, ProcessGone and AccessDenied.
        """
        from mapsd.remote.decode.overlays import process_layers  # noqa: PLC0415  (as above)
        return self._of(pid, "layers", _CONTAINED[contained], process_layers, thread)

    def which(self, pid: int, path: bytes, thread: int | None = None, *, contained: bool = False) -> "Which":
        """Return which file an absolute path opens inside a process's root; *contained* is that of layers().

        Raises UsageError (the path is not absolute), NotShown, ProcessGone and AccessDenied.
        """
        from mapsd.remote.decode.named import which  # noqa: PLC0415  (as above)
        return self._of(pid, "which", (_path(path), *_CONTAINED[contained]), which, thread)

    def translate(self, wanted: "Wanted", pid: int | None = None, thread: int | None = None, *,
                  contained: bool = False) -> "Translation":
        """Return by which names a process, or all that the daemon shows us, open a file that somebody else named.

        *thread* is one of the process's; *contained* asks for the container of each that was asked as well. Raises
        UsageError (a path that is not absolute, a thread of no process); for *pid* also NotShown, ProcessGone and
        AccessDenied.
        """
        from mapsd.remote.decode.translated import translation  # noqa: PLC0415  (as above)
        query = [*_sought(wanted), *_CONTAINED[contained]]
        if pid is not None:
            return self._of(pid, "translate", query, translation, thread)
        if thread is not None:
            raise UsageError("a thread is of one process")
        asked = Question("/v1/translate")
        return self._read(asked, self._asked(asked, query).body, translation)

    def doctor(self) -> "Diagnosis":
        """Return what the daemon's machine and its privileges let it establish."""
        from mapsd.remote.decode.diagnosis import diagnosis  # noqa: PLC0415  (as above)
        asked = Question("/v1/kernel")
        return self._read(asked, self._asked(asked).body, diagnosis)

    def pids(self) -> list[int]:
        """Return every process that the daemon shows us, in order."""
        asked = Question("/v1/processes")
        reply = self._asked(asked, accept=_NDJSON)
        if reply.kind != _NDJSON:
            raise self._bad(asked, f"it answers {reply.kind}")
        return sorted(self._read(asked, line, _pid) for line in reply.body.splitlines())

    def _of(self, pid: int, what: str, query: Query, read: Callable[[Fields], Value],
            thread: int | None = None) -> Value:
        """Return what is answered about a process."""
        more = () if thread is None else (("thread", str(thread)),)
        asked = Question(f"/v1/processes/{pid}/{what}", pid, thread)
        return self._read(asked, self._asked(asked, (*query, *more)).body, read)

    def _asked(self, asked: Question, query: Query = (), accept: str = "application/json") -> Reply:
        """Return the reply to a question; a daemon that is busy is asked again for a while."""
        left = PATIENCE
        while True:
            reply = self._connection.get(asked.route, query, accept)
            problem = self._checked(asked, partial(problems.of, reply))
            if problem is None:
                return reply
            if problem.kind != "busy" or left <= 0:
                raise problems.failure(problem, self._endpoint, asked)
            seconds = min(left, _seconds(reply.retry_after))
            left -= seconds
            self._wait(seconds)

    def _read(self, asked: Question, body: bytes, read: Callable[[Fields], Value]) -> Value:
        return self._checked(asked, lambda: read(Fields(loaded(body))))

    def _checked(self, asked: Question, read: Callable[[], Value]) -> Value:
        try:
            return read()
        except (Malformed, RecursionError) as error:
            raise self._bad(asked, "too deep" if isinstance(error, RecursionError) else str(error)) from error

    def _bad(self, asked: Question, what: str) -> BadReply:
        return BadReply(self._endpoint.name, f"{asked.route}: {what}")


def _seconds(retry_after: str) -> float:
    """Return how long to wait, in seconds; one where it is not said in seconds. See RFC 9110, 10.2.3."""
    known = retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 6
    return max(float(retry_after), _SHORTEST) if known else 1.0


def _meant(wanted: int | bytes) -> tuple[str, str]:
    return ("address", f"{wanted:#x}") if isinstance(wanted, int) else _path(wanted)


def _sought(wanted: "Wanted") -> Query:
    """Return a file that is meant as a query has it."""
    from mapsd.model.translated import Inside, OnHost  # noqa: PLC0415  (as above)
    match wanted:
        case OnHost(path):
            return [_path(path)]
        case Inside(path):
            return [_path(path, "inside")]
        case _:
            return [("device", str(wanted.device)), ("inode", str(wanted.inode))]


def _path(path: bytes, name: str = "path") -> tuple[str, str]:
    """Return a path as a query has it: text, or exact bytes where it is no harmless text."""
    text = path.decode("utf-8", "replace")
    if text.encode() == path and text.isprintable():
        return name, text
    return f"{name}_base64", b64encode(path).decode("ascii")


def _pid(line: Fields) -> int:
    pid = line.number("pid")
    if pid <= 0:
        raise line.wrong("pid", "none of a process")
    return pid
