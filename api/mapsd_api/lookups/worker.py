"""What one thread at a time asks with."""

from collections.abc import Callable

from mapsd import Session


class Worker:
    """A session for each proof that was asked for, kept."""

    def __init__(self, session: Callable[[str], Session]) -> None:
        """Make sessions by *session*, which is given a proof."""
        self._session, self._sessions = session, dict[str, Session]()

    def by(self, proof: str) -> Session:
        """Return the session that asks with a proof."""
        if proof not in self._sessions:
            self._sessions[proof] = self._session(proof)
        return self._sessions[proof]

    def close(self) -> None:
        """Give back what the sessions have loaded."""
        for session in self._sessions.values():
            session.close()
