"""One process that answers ask about."""

from mapsd.light import Callable, Protocol
from mapsd.model.layers import Way
from mapsd.parse.stat import Stat
from mapsd.ports import Process
from mapsd.sources.held import Open, OpenAttempt
from mapsd.sources.mappings import Attempt, Maps


class Texts(Process, Protocol):
    """A process with the texts of its /proc directory, which is *path*."""

    @property
    def pid(self) -> int:
        """Return its number."""

    @property
    def path(self) -> bytes:
        """Return its directory, or that of the thread that answers for it."""

    def stat(self) -> Stat:
        """Return its stat line. Raises ProcessGone, AccessDenied, ParseError."""

    def mountinfo(self) -> bytes:
        """Return the text of mountinfo, empty for a process that has left its namespace. Raises ProcessGone."""

    def text(self, name: str) -> bytes:
        """Return a whole file of the directory. Raises ProcessGone, AccessDenied."""

    def target(self, name: str) -> bytes | None:
        """Return the text of a magic link, None where it is hidden or empty."""


class Observed(Protocol):
    """One process that is asked about, as its leader or one of its threads sees it; close() it."""

    @property
    def process(self) -> Texts:
        """Return the process."""

    @property
    def line(self) -> Stat:
        """Return the leader's stat line, as it was first read."""

    def maps(self) -> Maps:
        """Return its maps. Raises ProcessGone, AccessDenied."""

    def attempt(self) -> Attempt:
        """Return what is asked about its mappings. Raises ProcessGone, NoHost."""

    def open(self) -> Open:
        """Return what it has open."""

    def open_attempt(self) -> OpenAttempt:
        """Return what is asked about what open() holds. Raises ProcessGone, NoHost."""

    def walk(self, path: bytes) -> Way:
        """Return where an absolute name leads inside its root. Raises ProcessGone, AccessDenied."""

    def release(self) -> str:
        """Return the kernel's release."""

    def now(self) -> float:
        """Return the time in seconds since the epoch."""

    def close(self) -> None:
        """Give back what is held."""


Source = Callable[[int, int | None], Observed]  # opens a process, or a thread of it
