"""Questions from inside: a forked child in the process's mount namespace and root asks and looks."""

import os
import pkgutil
from collections.abc import Callable
from importlib import import_module

import mapsd
from tests.overlay import kernel
from tests.overlay.capabilities import drop
from tests.overlay.child import told
from tests.overlay.files import identity
from tests.overlay.target import PAGE
from tests.schema import answered

Opened = dict[str, tuple[str, int, str] | None]

# The root of a process that is asked about has no module that is imported late.
for module in pkgutil.walk_packages(mapsd.__path__, "mapsd."):
    if not module.name.endswith("__main__"):
        import_module(module.name)


def answers(pid: int, numbers: tuple[int, ...]) -> dict[int, dict]:
    """Return mapsd's answer in this very process, by start address."""
    if numbers:
        drop(numbers)
    found = answered(pid)
    return {int(mapping["start"], 16): mapping for mapping in found["mappings"]}


def opened(paths: list[str]) -> Opened:
    """Return what the paths open here: device, inode, the first pages; None for nothing."""
    found: Opened = {}
    for path in paths:
        found[path] = None
        if os.path.exists(path):
            data = ""
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    data = file.read(2 * PAGE).hex()
            found[path] = (*identity(path), data)
    return found


def within(pid: int, work: Callable[[], object], *, user: bool = False) -> dict:
    """Return what a child finds in the process's mount namespace and root, and in its user namespace."""
    return told(lambda: _entered(pid, work, user=user))


def _entered(pid: int, work: Callable[[], object], *, user: bool) -> object:
    namespace, root = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY), os.open(f"/proc/{pid}/root", os.O_PATH)
    if user:
        kernel.setns(os.open(f"/proc/{pid}/ns/user", os.O_RDONLY), kernel.CLONE_NEWUSER)
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    kernel.setns(namespace, kernel.CLONE_NEWNS)
    os.fchdir(root)
    os.chroot(".")
    return work()
