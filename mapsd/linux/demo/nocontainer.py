"""Why a container of our own could not be made, and what would help."""

import errno
import os

from mapsd.errors import NoContainer
from mapsd.linux.demo.contained import OVERLAY, USER_NAMESPACE, Failed

_FORBIDDEN = frozenset({errno.EPERM, errno.EACCES})
_USERS = "/proc/sys/user/max_user_namespaces"
_CLONE = "/proc/sys/kernel/unprivileged_userns_clone"  # Debian's kernels
_APPARMOR = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"  # Ubuntu 23.10


def error_of(failed: Failed) -> NoContainer:
    """Return the error of a step that failed."""
    return NoContainer(f"cannot {failed.step}", _reason(failed),
                       denied=failed.number in _FORBIDDEN)


def _reason(failed: Failed) -> str:
    if not failed.number:
        return "it ended by itself"
    if failed.step == USER_NAMESPACE:
        return _no_namespace(failed.number)
    said = os.strerror(failed.number)
    if failed.number in _FORBIDDEN and _setting(_APPARMOR) == "1":
        return f"{said}: AppArmor forbids it in a user namespace ({_name(_APPARMOR)} is 1): set it to 0, or run as root"
    if failed.step == OVERLAY:
        return f"{said}: {_no_overlay(failed.number)}"
    return said


def _no_namespace(number: int) -> str:
    said = os.strerror(number)
    if number == errno.ENOSPC:
        return f"there may be no more of them ({_name(_USERS)} is {_setting(_USERS)} here): raise the limit"
    if number in {errno.EINVAL, errno.ENOSYS}:
        return f"{said}: this kernel has none (CONFIG_USER_NS)"
    if number not in _FORBIDDEN:
        return said
    if _setting(_CLONE) == "0":
        return f"{said}: {_name(_CLONE)} is 0: set it to 1, or run as root"
    return f"{said}: a sandbox around mapsd forbids it (seccomp, an LSM or a chroot): run it outside, or as root"


def _no_overlay(number: int) -> str:
    if number == errno.ENODEV:
        return "this kernel has no overlayfs, or its module is not loaded: modprobe overlay"
    if number in _FORBIDDEN:
        return "before Linux 5.11 only root may, later a policy may forbid it: run as root"
    return "the filesystem can hold no upper layer: set TMPDIR to a directory on ext4, xfs, btrfs or tmpfs"


def _name(setting: str) -> str:
    return setting.removeprefix("/proc/sys/").replace("/", ".")


def _setting(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        # Not every kernel has it.
        return "unknown"
