"""Which thread answers for a process: the leader, unless it has exited and others go on."""

from mapsd.errors import ProcessGone
from mapsd.linux.procfs import ProcFs
from mapsd.parse import stat


def living_thread(process: ProcFs, line: stat.Stat) -> int | None:
    """Return a thread to ask where the leader, whose stat line is given, has exited; None where the leader answers."""
    if line.state not in "ZX":
        return None
    for thread in process.threads():
        if thread == process.pid:
            continue
        try:
            if stat.parse(process.text(f"task/{thread}/stat")).state not in "ZX":
                return thread
        except ProcessGone:
            continue
    return None


def answering(pid: int, thread: int | None = None) -> tuple[ProcFs, stat.Stat]:
    """Return a process to be closed, as its leader or the given thread sees it, and the leader's stat line.

    A thread may have a mount namespace and a root of its own (unshare(2)). Raises ProcessGone (also for a thread that
    is none of the process's) and AccessDenied.
    """
    process = ProcFs(pid)
    try:
        line = process.stat()
        if thread is not None:
            process.text(f"task/{thread}/stat")
        chosen = thread or living_thread(process, line)
        other = ProcFs(pid, chosen) if chosen not in {None, pid} else None
    except BaseException:
        process.close()
        raise
    if other is None:
        return process, line
    process.close()
    return other, line
