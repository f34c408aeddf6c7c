"""The machine beside one process: directories of engines, and the processes that may have made its container."""

import errno
import os
from typing import TypeVar

from mapsd.errors import AccessDenied, NoHost, ParseError, ProcessGone
from mapsd.light import Callable, Iterator, Sequence
from mapsd.linux import processes, userns
from mapsd.linux.files import unless_exhausted
from mapsd.linux.observer import observer
from mapsd.linux.procfs import ProcFs
from mapsd.linux.runner import runner_of
from mapsd.linux.tree import Files, tree_at
from mapsd.model import Absent, DeviceId, Host, Mount, Refused
from mapsd.model.containers import MountedElsewhere, Runner
from mapsd.parse import mountinfo, stat

_Answer = TypeVar("_Answer")
_GENERATIONS = 64


class LiveBeside:
    """The port Beside; close() gives every descriptor back."""

    def __init__(self, host: Host) -> None:
        """Look at a machine. Raises NoHost."""
        self._host = host
        self._view, self._mounts, self._root = observer(host)
        self._trees: dict[bytes, Files | Absent | Refused] = {}

    def close(self) -> None:
        """Give the descriptors back."""
        while self._trees:
            tree = self._trees.popitem()[1]
            if isinstance(tree, Files):
                tree.close()
        if self._root is not None:
            self._root.close()
            self._root = None

    def tree(self, path: bytes) -> Files | Absent | Refused:
        """Return the files below a directory as the observer names it, without symbolic links on the way to it."""
        if path not in self._trees:
            self._trees[path] = tree_at(path, self._open)
        return self._trees[path]

    def owner(self, path: bytes) -> int | Absent | Refused:
        """Return the user id that owns a directory, named as for tree()."""
        found = self.tree(path)
        return found.owner if isinstance(found, Files) else found

    def _open(self, path: bytes, flags: int) -> int:
        pid, below = _through(path, self._host.procfs)
        if pid is None:
            return self._view.open_plainly(path, flags)
        try:
            process = ProcFs(pid, host=self._host)
        except ProcessGone as error:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
        try:
            return process.open_plainly(below, flags)
        finally:
            process.close()

    def ancestors(self, pid: int) -> Sequence[Runner]:
        """Return a process's parent, the parent's, and so on."""
        found: list[Runner] = []
        while pid and len(found) < _GENERATIONS:
            parent = self._asked(pid, _parent)
            runner = self._asked(parent, runner_of) if parent else None
            if parent is None or runner is None:
                break
            found.append(runner)
            pid = parent
        return found

    def mounted(self, device: DeviceId) -> Sequence[MountedElsewhere]:
        """Return where other mount namespaces have a superblock, once for each place and user."""
        found: dict[tuple[int, bytes], MountedElsewhere] = {}
        mark, seen = b" %d:%d " % (device.major, device.minor), set()
        for pid in processes.pids(self._host):
            space = self._asked(pid, _space)
            if space is None or space in seen:
                continue
            seen.add(space)
            points = self._asked(pid, lambda process: list(_points(process, mark)))
            runner = self._asked(pid, runner_of) if points else None
            if runner is not None:
                found |= {(runner.uid, point): MountedElsewhere(runner, point) for point in points or ()
                          if (runner.uid, point) not in found}
        return list(found.values())

    def servers(self, uid: int, mount_point: bytes) -> Sequence[Runner]:
        """Return the processes of a user that have a mount point among their arguments."""
        runners = (self._asked(pid, runner_of) for pid in processes.pids(self._host))
        return [one for one in runners if one is not None and one.uid == uid and mount_point in one.arguments]

    def is_outside(self, pid: int) -> bool:
        """Return whether a process has the machine's root: no container's inhabitant has, whatever it calls itself."""
        theirs = self._asked(pid, lambda process: _roots(process.mounts())) or []
        ours = _roots(self._mounts)
        return bool(theirs) and theirs[-1:] == ours[-1:]

    def owners(self, pid: int) -> Sequence[int] | None:
        """Return who made a process's user namespace and those that it is in, up to ours; None where it is hidden."""
        return self._asked(pid, userns.owners)

    def process(self, pid: int) -> tuple[int, bytes | None] | None:
        """Return when a process started (clock ticks since boot) and its mount namespace, None where it is gone."""
        return self._asked(pid, lambda process: (process.stat().start_time, process.target("ns/mnt")))

    def first(self, link: str) -> bytes | None:
        """Return the text of a link (`ns/mnt`) of the machine's first process, of ours where that is hidden."""
        text = self._asked(1, lambda process: process.target(link))
        return os.readlink(f"/proc/self/{link}".encode()) if text is None and self._host.root is None else text

    def _asked(self, pid: int, ask: Callable[[ProcFs], _Answer]) -> _Answer | None:
        try:
            process = ProcFs(pid, host=self._host)
        except (ProcessGone, AccessDenied, NoHost):
            return None
        try:
            return ask(process)
        except (ProcessGone, AccessDenied, ParseError):
            return None
        except OSError as error:
            # It ended meanwhile, or may not be read.
            unless_exhausted(error)
            return None
        finally:
            process.close()


def _space(process: ProcFs) -> tuple[int, bytes | None]:
    return stat.real_uid(process.text("status")), process.target("ns/mnt")


def _parent(process: ProcFs) -> int:
    return stat.parent(process.text("stat"))


def _points(process: ProcFs, mark: bytes) -> Iterator[bytes]:
    for line in process.mountinfo().split(b"\n"):
        if mark in line:
            yield mountinfo.parse_line(line).mount_point


def _roots(mounts: Sequence[Mount]) -> list[tuple[DeviceId, bytes]]:
    return [(mount.device, mount.root) for mount in mounts if mount.mount_point == b"/"]


def _through(path: bytes, procfs: bytes) -> tuple[int | None, bytes]:
    """Return the process through whose root a path leads, and the path there."""
    number, mark, below = path.removeprefix(procfs + b"/").partition(b"/root/")
    return (int(number), b"/" + below) if mark and number.isdigit() and len(number) < 10 else (None, path)
