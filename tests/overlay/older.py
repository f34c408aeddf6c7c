"""Ask as on an older kernel: a forked child whose system calls fail as they do where they are not known yet."""

import errno
import os
from collections.abc import Callable
from zlib import crc32

from mapsd.linux import namespaces, numbers, procmap, syscalls
from tests.overlay.capabilities import BPF, PERFMON, SYS_ADMIN, drop
from tests.overlay.child import told
from tests.schema import answered
from tests.seccomp import Forbidden, forbid

_NAME_TO_HANDLE_AT, _IOCTL = {0: (303, 16), 1: (264, 29)}[numbers._HERE]
_OPENAT2 = Forbidden(numbers.of("openat2"), errno.ENOSYS)
_BPF = Forbidden(numbers.of("bpf"), errno.ENOSYS)
_HANDLE_FID = Forbidden(_NAME_TO_HANDLE_AT, errno.EINVAL, argument=4, mask=syscalls.AT_HANDLE_FID,
                        value=syscalls.AT_HANDLE_FID)
_HANDLES = Forbidden(_NAME_TO_HANDLE_AT, errno.ENOSYS)
PIDFD_OPEN = Forbidden(434, errno.ENOSYS)


def _ioctl(request: int) -> Forbidden:
    return Forbidden(_IOCTL, errno.ENOTTY, argument=1, value=request)


_PROCMAP_QUERY = _ioctl(procmap._PROCMAP_QUERY)
_NAMESPACES = (Forbidden(numbers.of("statmount"), errno.ENOSYS), _ioctl(namespaces._NS_MNT_GET_INFO),
               _ioctl(namespaces._NS_MNT_GET_NEXT), _ioctl(namespaces._NS_MNT_GET_PREV))
_UUID = _ioctl(0x80111500)  # FS_IOC_GETFSUUID, Linux 6.9


def _without_mount_ids() -> None:
    """Let statx say nothing of mounts, as before Linux 5.8: no filter can do that."""
    asked, ids = syscalls.statx_fields, syscalls.STATX_MNT_ID | syscalls.STATX_MNT_ID_UNIQUE

    def fields(dirfd: int, path: bytes = b"", mask: int = syscalls.STATX_MNT_ID, flags: int = 0) -> syscalls.Fields:
        found = asked(dirfd, path, mask & ~ids, flags)
        return (found[0] & ~ids, *found[1:13], 0)
    syscalls.statx_fields = fields


def _forbidding(*calls: Forbidden) -> Callable[[], None]:
    return lambda: forbid(*calls)


def _linux_4_18() -> None:
    _without_mount_ids()
    forbid(_OPENAT2, _BPF, _HANDLE_FID, _PROCMAP_QUERY, PIDFD_OPEN, _UUID, *_NAMESPACES)


LAYERS_SHOWN = (_HANDLE_FID, _PROCMAP_QUERY, PIDFD_OPEN, _UUID, *_NAMESPACES)  # no kernel that shows them has these
LACKING: dict[str, Callable[[], None]] = {
    "no openat2": _forbidding(_OPENAT2),
    "openat2 by a filter": _forbidding(_OPENAT2._replace(error=errno.EPERM)),
    "no STATX_MNT_ID": _without_mount_ids,
    "no PROCMAP_QUERY": _forbidding(_PROCMAP_QUERY),
    "no BPF": _forbidding(_BPF),
    "BPF by a filter": _forbidding(_BPF._replace(error=errno.EPERM)),
    "no AT_HANDLE_FID": _forbidding(_HANDLE_FID),
    "no name_to_handle_at": _forbidding(_HANDLES),
    "no pidfd_open": _forbidding(PIDFD_OPEN),
    "no statmount": _forbidding(*_NAMESPACES),
    "as Linux 4.18": _linux_4_18,
}
LESS = (SYS_ADMIN, BPF, PERFMON)
# As whom every scene is asked about, where everything is missing at once; where one call is, as one of the others.
ALWAYS = [("as Linux 4.18", ()), ("as Linux 4.18", LESS)]
_ONE = [(name, ()) for name in LACKING if (name, ()) not in ALWAYS]
ALL = "all" in os.environ.get("MAPSD_LACKING", "")


def observers(scene: str) -> list[tuple[str, tuple[int, ...]]]:
    """Return as whom a scene is asked about: of those that lack one call by one, MAPSD_LACKING=all: by all."""
    return [*ALWAYS, *(_ONE if ALL else [_ONE[crc32(scene.encode()) % len(_ONE)]])]


def named(lacking: str, capabilities: tuple[int, ...]) -> str:
    """Return what an observer is called."""
    return f"{lacking}{', no SYS_ADMIN, no BPF' * bool(capabilities)}, outside"


def asked_on(pid: int, lacking: str, capabilities: tuple[int, ...] = ()) -> dict[int, dict]:
    """Return the answer of a child to which the kernel is older and which gave capabilities up, by start address."""
    found = told(lambda: LACKING[lacking]() or drop(capabilities) or answered(pid))
    return {int(mapping["start"], 16): mapping for mapping in found["mappings"]}
