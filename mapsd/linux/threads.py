"""Which thread answers for a process: the leader, unless it has exited and others go on."""

import os

from mapsd.errors import ProcessGone
from mapsd.linux.files import opened, unless_exhausted
from mapsd.linux.procfs import ProcFs
from mapsd.model import HERE, Host
from mapsd.parse import stat


def living_thread(process: ProcFs, line: stat.Stat) -> int | None:
    """Return a thread to ask where the leader, whose stat line is given, exits; None where the leader answers."""
    if not line.exiting:
        return None
    for thread in process.threads():
        if thread == process.pid:
            continue
        try:
            if not stat.parse(process.text(f"task/{thread}/stat")).exiting:
                return thread
        except ProcessGone:
            continue
    return None


def answering(pid: int, thread: int | None = None, host: Host = HERE) -> tuple[ProcFs, stat.Stat]:
    """Return a process to be closed, as its leader or the given thread sees it, and the leader's stat line.

    A thread may have a mount namespace and a root of its own (unshare(2)). Raises ProcessGone (also for a thread that
    is none of the process's), AccessDenied and NoHost.
    """
    process = ProcFs(pid, host=host)
    try:
        line = process.stat()
        chosen = thread or living_thread(process, line)
        other = None if chosen in {None, pid} else _of_process(process, chosen, asked=thread is not None)
    except BaseException:
        process.close()
        raise
    if other is None:
        return process, line
    process.close()
    return other, line


def apart(pid: int, host: Host = HERE) -> list[int]:
    """Return the threads that have another mount namespace or root than the one that answers for a process, in order.

    See unshare(2), CLONE_NEWNS and CLONE_FS. Raises ProcessGone, AccessDenied and NoHost.
    """
    process, _ = answering(pid, None, host)
    try:
        seen = {thread: _view(process, f"task/{thread}/") for thread in process.threads()}
        ours = _view(process, "")
    finally:
        process.close()
    return [thread for thread, view in seen.items() if view is not None and view != ours]


def _view(process: ProcFs, thread: str) -> tuple[object, ...] | None:
    """Return what tells views apart, None for a thread that is gone or may not be asked."""
    namespace, root = process.target(f"{thread}ns/mnt"), process.target(f"{thread}root")
    try:
        with opened(process.open(f"{thread}root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)) as fd:
            found = os.fstat(fd)
    except OSError as error:
        unless_exhausted(error)
        return None
    return namespace, root, found.st_dev, found.st_ino


def _of_process(process: ProcFs, thread: int, *, asked: bool) -> ProcFs:
    """Return a thread of a process; *asked* says that it was asked for and may be none of its threads."""
    gone = ProcessGone(process.pid, seen=not asked, thread=thread)
    try:
        # Below the process's task directory a thread has no map_files.
        other = ProcFs(process.pid, thread, process.host)
    except ProcessGone as error:
        raise gone from error
    try:
        # Below /proc it may be of another process by now.
        same = _thread_group(other) == _thread_group(process)
    except BaseException:
        other.close()
        raise
    if same:
        return other
    other.close()
    raise gone


def _thread_group(process: ProcFs) -> int | None:
    try:
        return stat.thread_group(process.text("status"))
    except ProcessGone:
        return None
