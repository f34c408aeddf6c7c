"""What this machine and the daemon's privileges let it establish, found out once."""

import threading
from collections.abc import Callable

from mapsd.model.diagnosis import Diagnosis


class Examination:
    """Examines when it is first asked: neither the kernel nor the daemon's privileges change while it runs."""

    def __init__(self, examine: Callable[[], Diagnosis]) -> None:
        """Examine by *examine*."""
        self._examine, self._lock = examine, threading.Lock()
        self._found: Diagnosis | None = None

    def found(self) -> Diagnosis:
        """Return what was found. Raises MapsdError, OSError."""
        with self._lock:
            if self._found is None:
                self._found = self._examine()
            return self._found
