"""Who serves a FUSE filesystem, and what it has open: asked of the kernel, never of the server.

/proc/PID/fdinfo names the connection of each open /dev/fuse since Linux 6.16: 514d9210bf45 "fs: fuse: add dev id to
/dev/fuse fdinfo". It is the device number of the filesystem.
"""

import os

from mapsd.errors import AccessDenied, NoHost, ParseError, ProcessGone
from mapsd.light import Iterator, NamedTuple, Sequence
from mapsd.linux import clock, processes
from mapsd.linux.files import opened, unless_exhausted
from mapsd.linux.procfs import ProcFs
from mapsd.linux.runner import runner_of
from mapsd.linux.views import SERVED
from mapsd.model import DeviceId, Host, Mount, Refused
from mapsd.model.open import FdInfo
from mapsd.model.served import ServedFrom, Server
from mapsd.parse import fdinfo
from mapsd.parse.fuse_overlayfs import Told, told

PROGRAMS = (b"fuse-overlayfs",)  # whose way to serve files is known
FILES = 1 << 16  # descriptors of one server
_CONNECTION = b"\nfuse_connection:\t"
_ALL = 0xFFFFFFFF  # users of the initial user namespace
_DELETED = b" (deleted)"
_MINORS = 20  # bits of the minor number in the kernel's dev_t: <linux/kdev_t.h>
_LACKS = "this kernel does not say which process serves it (Linux 6.16)"


class _Fd(NamedTuple):
    name: str
    text: bytes
    info: bytes


def servers(device: DeviceId, host: Host, mounts: Sequence[Mount]) -> tuple[Server, ...] | Refused:
    """Return the known programs that serve a filesystem; *mounts* are the observer's."""
    found: list[Server] = []
    lacking = False
    for pid in processes.pids(host):
        try:
            process = ProcFs(pid, host=host)
        except (ProcessGone, AccessDenied, NoHost):
            continue
        try:
            program = _program(process)
            if program in PROGRAMS:
                fds = list(_fds(process))
                lacking = lacking or not any(_CONNECTION in fd.info for fd in fds)
                if any(_connection(fd.info) == device for fd in fds):
                    found.append(_server(process, program, fds, mounts))
        except (ProcessGone, ParseError):
            continue
        except AccessDenied as error:
            return Refused("what its server has open may not be read", error.needs)
        except _TooMany:
            return Refused("its server has more files open than are looked at")
        finally:
            process.close()
    return Refused(_LACKS) if lacking and not found else tuple(found)


class _TooMany(Exception):
    pass


def _program(process: ProcFs) -> bytes:
    return (process.target("exe") or b"").removesuffix(_DELETED).rpartition(b"/")[2]


def _fds(process: ProcFs) -> Iterator[_Fd]:
    """Yield what a process has open. Raises AccessDenied, ProcessGone."""
    try:
        with opened(process.open("fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) as fd:
            names = os.listdir(fd)
    except PermissionError as error:
        raise AccessDenied(f"{process.pid}: fd", "CAP_SYS_PTRACE") from error
    except OSError as error:
        unless_exhausted(error)
        raise ProcessGone(process.pid, seen=True) from error
    if len(names) > FILES:
        raise _TooMany
    for name in names:
        text = process.target(f"fd/{name}")
        try:
            info = process.text(f"fdinfo/{name}")
        except ProcessGone:
            # It was closed meanwhile.
            continue
        if text is not None:
            yield _Fd(name, text, info)


def _connection(info: bytes) -> DeviceId | None:
    number = info.partition(_CONNECTION)[2].partition(b"\n")[0]
    if not number.isdigit():
        return None
    return DeviceId(int(number) >> _MINORS, int(number) & ((1 << _MINORS) - 1))


def _server(process: ProcFs, program: bytes, fds: Sequence[_Fd], mounts: Sequence[Mount]) -> Server:
    runner, theirs = runner_of(process), process.mounts()
    named = [(fd, fdinfo.parse(fd.info)) for fd in fds if fd.text.startswith(b"/")]
    believed = _Believed(process, runner.uid)
    by_id = {mount.id: mount for mount in theirs}
    files = (_file(fd, info, by_id.get(info.mount_id), believed) for fd, info in named
             if not info.flags & os.O_DIRECTORY)
    directories = (fd.text for fd, info in named if info.flags & os.O_DIRECTORY)
    layers = told(runner.arguments) or Told((), None)
    outside = None not in {_root(theirs), _root(mounts)} and _root(theirs) == _root(mounts)
    return Server(process.pid, program, clock.started(process.stat().start_time), outside, layers.lowers, layers.upper,
                  tuple(directories), tuple(files))


def _file(fd: _Fd, info: FdInfo, mount: Mount | None, believed: "_Believed") -> ServedFrom:
    if mount is None:
        return ServedFrom(fd.text, None, info.inode, None, believed=False)
    return ServedFrom(fd.text, mount.device, info.inode, mount.fs_type, believed.of(fd.name, mount.fs_type))


class _Believed:
    """Whose files a server may speak of: root of all, another user of his own.

    In a user namespace that is his, he may be each user that root lets him be there. See user_namespaces(7).
    """

    def __init__(self, process: ProcFs, uid: int) -> None:
        self._process, self._uid = process, uid
        ranges = [tuple(map(int, line.split()[1:])) for line in process.text("uid_map").splitlines()]
        self._ranges = [(uid, 1)] if (0, _ALL) in ranges else [(first, count) for first, count in ranges]

    def of(self, fd: str, fs_type: bytes) -> bool:
        """Return whether its word on an open file counts; no server behind the file is asked."""
        if self._uid == 0:
            return True
        if fs_type.startswith(SERVED):
            return False
        try:
            with opened(self._process.open(f"fd/{fd}", os.O_PATH | os.O_CLOEXEC)) as found:
                owner = os.fstat(found).st_uid
        except OSError as error:
            unless_exhausted(error)
            return False
        return owner != 0 and any(first <= owner < first + count for first, count in self._ranges)


def _root(mounts: Sequence[Mount]) -> tuple[DeviceId, bytes] | None:
    return next(((mount.device, mount.root) for mount in reversed(mounts) if mount.mount_point == b"/"), None)
