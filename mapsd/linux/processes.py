"""Which processes there are."""

import os

from mapsd.errors import AccessDenied, ProcessGone
from mapsd.light import Iterator
from mapsd.linux.procfs import ProcFs
from mapsd.model import HERE, Host
from mapsd.parse.stat import Stat


def pids(host: Host = HERE) -> list[int]:
    """Return every process that a machine's procfs shows, in order. See the mount options of proc(5)."""
    return sorted(int(name) for name in os.listdir(host.procfs) if name.isdigit())


def running(host: Host = HERE) -> Iterator[tuple[int, Stat]]:
    """Yield every process that is there and may be looked at, with its stat line, in order."""
    for pid in pids(host):
        try:
            process = ProcFs(pid, host=host)
        except (ProcessGone, AccessDenied):
            continue
        try:
            yield pid, process.stat()
        except (ProcessGone, AccessDenied):
            continue
        finally:
            process.close()


def there(path: bytes) -> bool:
    """Return whether a process's directory, or a thread's, is still there: it goes when the process is reaped."""
    return os.path.exists(path)
