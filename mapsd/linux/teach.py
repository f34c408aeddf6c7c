"""A procfs that was taught: the iterator over all mappings, pinned in bpffs for every reader.

An iterator checks no access to the processes that it shows (a read of /proc/PID/maps does, ptrace(2)), so its file is
root's alone.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from mapsd.errors import AccessDenied, MapsdError
from mapsd.linux import capabilities, syscalls
from mapsd.linux.bpf import bpf, skeleton
from mapsd.linux.files import opened
from mapsd.linux.taught import Examiner
from mapsd.linux.trials import BTF, LOCKDOWN, text
from mapsd.parse import mountinfo

BPFFS, DIRECTORY, FILE = b"/sys/fs/bpf", b"/sys/fs/bpf/mapsd", b"/sys/fs/bpf/mapsd/maps"
_NAME, _NEW = b"maps", b"maps_new"  # a name in bpffs has no dot
_PAGE_SHIFT = os.sysconf("SC_PAGE_SIZE").bit_length() - 1


class NotTaught(MapsdError):
    """The kernel could not be taught, or what it was taught not removed; the text says why."""


def teach() -> bool:
    """Pin the iterator as FILE, in place of an older one, and return whether bpffs had to be mounted for it.

    Raises AccessDenied, and NotTaught where the kernel refuses the program or the program fails its test.
    """
    # The overlay first: the kernel looks for the types of its module when the program is loaded.
    with _translated("the kernel cannot be taught", "CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN"), Examiner() as examiner:
        program = _loaded()
        with opened(program):
            wrong = examiner.wrong(program)
            if wrong:
                raise NotTaught(f"the kernel cannot be taught: the program failed its test: {wrong}")
            mounted = _mount_bpffs()
            with opened(bpf.link_create(program)) as link, _directory(make=True) as directory:
                _pin(link, directory)
    return mounted


def unteach() -> bool:
    """Remove what teach() pinned, and return whether there was anything. Raises AccessDenied, NotTaught."""
    with _translated("what was taught cannot be removed"):
        try:
            with _directory(make=False) as directory:
                removed = [name for name in (_NEW, _NAME) if _removed(name, directory)]
        except FileNotFoundError:
            return False
        if not os.listdir(DIRECTORY):
            os.rmdir(DIRECTORY)
    return bool(removed)


@contextmanager
def _translated(what: str, *names: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        needs = " and ".join(capabilities.own().lacks(*names)) or ("" if os.geteuid() == 0 else "root")
        # Without CAP_PERFMON the verifier knows no helper that reads kernel memory, and says EINVAL.
        if needs and error.errno in {errno.EPERM, errno.EACCES, errno.EINVAL}:
            raise AccessDenied(what, needs) from error
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        raise NotTaught(f"{what}: {where}{error.strerror or error}") from error


def _loaded() -> int:
    try:
        return skeleton.load(skeleton.read("maps"), _PAGE_SHIFT)
    except OSError as error:
        reason = f"the kernel refuses the program: {error.strerror}"
        if "[confidentiality]" in text(LOCKDOWN):
            reason = "lockdown=confidentiality forbids a program to read the kernel's memory"
        elif not os.path.exists(BTF):
            reason = f"the kernel does not describe its structures: there is no {BTF}"
        raise OSError(error.errno, reason) from error


def _mount_bpffs() -> bool:
    """Mount bpffs in its usual place, for root alone, unless it is there; return whether that was done."""
    with opened(os.open(BPFFS, os.O_PATH | os.O_CLOEXEC)) as fd, open("/proc/self/mountinfo", "rb") as file:
        number = syscalls.statx(fd).mount_id
        # None: a root that is no mount point is not listed.
        mount = next((mount for mount in mountinfo.parse(file.read()) if mount.id == number), None)
    if mount is not None and mount.fs_type == b"bpf":
        return False
    if mount is not None and mount.mount_point == BPFFS:
        raise OSError(errno.EBUSY, "something else is mounted there", os.fsdecode(BPFFS))
    syscalls.mount(b"bpf", BPFFS, b"bpf", 0, b"mode=0700")
    return True


@contextmanager
def _directory(*, make: bool) -> Iterator[int]:
    """Give a descriptor of the directory, locked; one that somebody else made is not used: bpffs may be anybody's."""
    if make and not os.path.lexists(DIRECTORY):
        os.mkdir(DIRECTORY, 0o700)
    try:
        fd = os.open(DIRECTORY, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except NotADirectoryError as error:
        raise _not_ours() from error
    with opened(fd):
        seen = os.fstat(fd)
        if seen.st_uid != os.geteuid() or seen.st_mode & 0o077:
            raise _not_ours()
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd


def _not_ours() -> NotTaught:
    return NotTaught(f"{os.fsdecode(DIRECTORY)} is not a directory of mapsd's own")


def _pin(link: int, directory: int) -> None:
    """Give the link its name in one step, so that a reader finds the old one or the new one."""
    _removed(_NEW, directory)
    bpf.obj_pin(link, b"/proc/self/fd/%d/%s" % (directory, _NEW))
    os.chmod(_NEW, 0o400, dir_fd=directory)
    os.rename(_NEW, _NAME, src_dir_fd=directory, dst_dir_fd=directory)


def _removed(name: bytes, directory: int) -> bool:
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return False
    return True
