"""A procfs that was taught: the iterator over all mappings, pinned in bpffs for every reader.

An iterator checks no access to the processes that it shows (a read of /proc/PID/maps does, ptrace(2)), so its file is
root's alone.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from mapsd.errors import AccessDenied, MapsdError
from mapsd.linux import capabilities, ownoverlay, syscalls
from mapsd.linux.bpf import bpf, skeleton
from mapsd.linux.files import opened

BPFFS, DIRECTORY = b"/sys/fs/bpf", b"/sys/fs/bpf/mapsd"
FILE, _NEW = DIRECTORY + b"/maps", DIRECTORY + b"/maps_new"  # a name in bpffs has no dot
_FORBIDDEN = {errno.EPERM, errno.EACCES}


class NotTaught(MapsdError):
    """The kernel could not be taught; the text says why."""


def teach() -> bool:
    """Pin the iterator as FILE, in place of an older one, and return whether bpffs had to be mounted for it.

    Raises AccessDenied, and NotTaught where the kernel refuses the program or the program fails its test.
    """
    with _translated():
        program = skeleton.load(skeleton.read("maps"))
        with opened(program), opened(bpf.link_create(program)) as link:
            _test(link)
            mounted = not _is_bpffs()
            if mounted:
                syscalls.mount(b"bpf", BPFFS, b"bpf")
            _pin(link)
    return mounted


def unteach() -> bool:
    """Remove what teach() pinned, and return whether there was anything. Raises AccessDenied, NotTaught."""
    found = False
    with _translated():
        for name, remove in ((_NEW, os.unlink), (FILE, os.unlink), (DIRECTORY, os.rmdir)):
            try:
                remove(name)
            except FileNotFoundError:
                continue
            found = True
    return found


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        lacking = capabilities.own().lacks("CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN")
        if lacking and error.errno in {*_FORBIDDEN, errno.EINVAL}:
            raise AccessDenied("the kernel cannot be taught", " and ".join(lacking)) from error
        raise NotTaught(f"the kernel cannot be taught: {error}") from error


def _is_bpffs() -> bool:
    with open("/proc/self/mountinfo", "rb") as file:
        return any(line.split(b" ")[4] == BPFFS and b" - bpf " in line for line in file)


def _pin(link: int) -> None:
    """Give the link its name in one step, so that a reader finds the old one or the new one."""
    old = os.umask(0o077)
    try:
        _make_directory()
        if os.path.lexists(_NEW):
            os.unlink(_NEW)
        bpf.obj_pin(link, _NEW)
        os.chmod(_NEW, 0o400)
        os.rename(_NEW, FILE)
    finally:
        os.umask(old)


def _make_directory() -> None:
    """Make the directory; one that somebody else made is not used (bpffs may be anybody's to write)."""
    try:
        os.mkdir(DIRECTORY, 0o700)
    except FileExistsError:
        seen = os.lstat(DIRECTORY)
        if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.geteuid() or seen.st_mode & 0o077:
            raise NotTaught(f"{os.fsdecode(DIRECTORY)} is not a directory of our own") from None


def _test(link: int) -> None:
    """Read the lines about an overlay of our own. Raises NotTaught."""
    own = ownoverlay.made()
    try:
        with opened(bpf.iter_create(link)) as fd, os.fdopen(os.dup(fd), "rb") as file:
            lines = {fields[1].split(b"-")[0]: fields for fields in (line.rstrip(b"\n").split(b"\t") for line in file)}
    finally:
        ownoverlay.forget(own)
    before, after, lower, upper = (lines.get(b"%08x" % address, []) for address in own)
    # The layer's file shows its own inode as maps does; the overlay's shows it as what backs it.
    wrong = [len(one) != len(COLUMNS) for one in (before, after, lower, upper)]
    if any(wrong) or before[8:] != [*lower[4:6], b"1", b"/file"] or after[8:] != [*upper[4:6], b"0", b"/file"]:
        raise NotTaught("the kernel cannot be taught: the program failed its test on an overlay of our own")


COLUMNS = ("pid", "address", "perms", "pgoff", "dev", "inode", "name", "path", "backing dev", "backing inode", "layer",
           "path in layer")
