"""One question in a session of its own."""

from mapsd.light import TYPE_CHECKING
from mapsd.model import HERE, Host, ProcessAnswer
from mapsd.session import Session

if TYPE_CHECKING:
    from mapsd.model.layers import ProcessLayers, Which
    from mapsd.model.open import OpenAnswer
    from mapsd.model.translated import Translation, Wanted


def lookup(pid: int, proof: str = "auto", thread: int | None = None, host: Host = HERE) -> ProcessAnswer:
    """Return every mapping of one process, asked in a session of its own: see Session."""
    with Session(proof, host) as session:
        return session.lookup(pid, thread)


def fds(pid: int, proof: str = "auto", thread: int | None = None, host: Host = HERE) -> "OpenAnswer":
    """Return what one process has open, asked in a session of its own: see Session."""
    with Session(proof, host) as session:
        return session.fds(pid, thread)


def layers(pid: int, thread: int | None = None, host: Host = HERE) -> "ProcessLayers":
    """Return the overlays that one process sees, asked in a session of its own: see Session."""
    with Session(host=host) as session:
        return session.layers(pid, thread)


def which(pid: int, path: bytes, thread: int | None = None, host: Host = HERE) -> "Which":
    """Return which file a name of one process opens, asked in a session of its own: see Session."""
    with Session(host=host) as session:
        return session.which(pid, path, thread)


def translate(wanted: "Wanted", pid: int | None = None, host: Host = HERE, *,
              thread: int | None = None) -> "Translation":
    """Return by which names a machine's processes open a file, asked in a session of its own: see Session."""
    with Session(host=host) as session:
        return session.translate(wanted, pid, thread=thread)
