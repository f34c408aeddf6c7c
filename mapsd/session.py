"""Many questions that share what they may share: how another program embeds mapsd."""

from mapsd.light import TYPE_CHECKING, Sequence
from mapsd.linux.bpf.iterator import VmFileIterator
from mapsd.located import Located, located
from mapsd.model import ProcessAnswer
from mapsd.observe import Asking, checked, observe

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class Session:
    """Asks about processes; close() it, or use it in a `with` block.

    Every answer is asked fresh of the kernel. What is shared is what cannot change while the kernel runs: the loaded
    BPF program and what its test found. A session belongs to one thread at a time.
    """

    def __init__(self, proof: str = "auto") -> None:
        """Ask with *proof*, one of PROOFS.

        "auto" asks the cheapest means that is sufficient, "lookup" none, and the name of a means asks that one
        wherever it applies. Raises UsageError (no such proof).
        """
        self._asking = Asking(checked(proof), VmFileIterator())

    def __enter__(self) -> "Self":
        """Return the session itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: "TracebackType | None") -> None:
        """Close the session."""
        self.close()

    def close(self) -> None:
        """Give back what is shared; a session that is asked again loads it again."""
        self._asking.iterator.close()

    def lookup(self, pid: int, thread: int | None = None) -> ProcessAnswer:
        """Return every mapping of a process: user path, backing file, state and proof.

        *thread* is one of its threads, to be asked for where it has a mount namespace or a root of its own. Raises
        ProcessGone (no such process, or it exited meanwhile), AccessDenied (maps may not be read; *needs* names the
        capability) and ParseError (a text in a form nobody knows).
        """
        return observe(pid, thread, self._asking)

    def locate(self, pid: int, addresses: Sequence[int], thread: int | None = None) -> tuple[Located, ...]:
        """Return each address of a process, in the order given, with its mapping and its offset in the file.

        They are answered by one lookup of the mappings that hold them, so all are of one moment. Raises what lookup()
        raises.
        """
        return located(observe(pid, thread, self._asking, addresses).mappings, addresses)


def lookup(pid: int, proof: str = "auto", thread: int | None = None) -> ProcessAnswer:
    """Return every mapping of one process, asked in a session of its own: see Session."""
    with Session(proof) as session:
        return session.lookup(pid, thread)
