"""Questions from inside: a forked child in the process's mount namespace and root asks and looks."""

import json
import os
import traceback
from collections.abc import Callable

from tests.overlay import kernel
from tests.overlay.capabilities import drop
from tests.overlay.files import identity
from tests.overlay.target import PAGE
from tests.schema import answered

Opened = dict[str, tuple[str, int, str] | None]


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
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            namespace, root = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY), os.open(f"/proc/{pid}/root", os.O_PATH)
            if user:
                kernel.setns(os.open(f"/proc/{pid}/ns/user", os.O_RDONLY), kernel.CLONE_NEWUSER)
                os.setresgid(0, 0, 0)
                os.setresuid(0, 0, 0)
            kernel.setns(namespace, kernel.CLONE_NEWNS)
            os.fchdir(root)
            os.chroot(".")
            with os.fdopen(writer, "w") as file:
                json.dump(work(), file)
            status = 0
        except BaseException:  # noqa: BLE001  (a forked child must not return into the test runner)
            traceback.print_exc()
        os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    assert os.waitpid(child, 0)[1] == 0
    return json.loads(text)
