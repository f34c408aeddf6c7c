"""A tiny overlay of our own, to ask the kernel what it shows: mounted in a mount namespace that ends at once.

The mappings of its files outlive it. All is done by a thread, since a mount namespace is a thread's (unshare(2)).
"""

import _thread
import os

from mapsd.light import Callable, NamedTuple
from mapsd.linux import syscalls
from mapsd.linux.files import opened

_CLONE_NEWNS, _MS_REC, _MS_PRIVATE = 0x20000, 1 << 14, 1 << 18
_PLACES = (b"/tmp", b"/run", b"/var", b"/dev", b"/proc")  # covered by a tmpfs that only our thread sees
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Own(NamedTuple):
    """The addresses of four mappings: the overlay's file before and after its copy-up, the lower and upper file."""

    before: int
    after: int
    lower: int
    upper: int


def made() -> Own:
    """Return mappings of a page each, to be given back by forget(). Raises OSError where no overlay may be mounted."""
    outcome: list[Own | OSError] = []
    done = _thread.allocate_lock()
    done.acquire()
    _thread.start_new_thread(_in_thread, (outcome, done.release))
    done.acquire()
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]


def forget(own: Own) -> None:
    """Remove the mappings."""
    for address in own:
        syscalls.munmap(address, _PAGE)


def _in_thread(outcome: list[Own | OSError], done: Callable[[], None]) -> None:
    try:
        outcome.append(_mounted())
    except OSError as error:
        outcome.append(error)
    finally:
        if not outcome:
            outcome.append(OSError(0, "the overlay could not be tried"))
        done()


def _mounted() -> Own:
    syscalls.unshare(_CLONE_NEWNS)
    # Where the root is no mount point this fails, and nothing is mounted that others would see.
    syscalls.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE)
    base = next(place for place in (*_PLACES, b"/") if os.path.isdir(place))
    syscalls.mount(b"mapsd", base, b"tmpfs", 0, b"size=1m")
    lower, upper, work, merged = (base + b"/" + name for name in (b"lower", b"upper", b"work", b"merged"))
    for directory in (lower, upper, work, merged):
        os.mkdir(directory)
    _write(lower + b"/file", os.O_CREAT)
    options = b"lowerdir=%s,upperdir=%s,workdir=%s" % (lower, upper, work)
    syscalls.mount(b"mapsd", merged, b"overlay", 0, options)
    before = _map(merged + b"/file")
    _write(merged + b"/file", 0)
    return Own(before, _map(merged + b"/file"), _map(lower + b"/file"), _map(upper + b"/file"))


def _write(path: bytes, flags: int) -> None:
    with opened(os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, 0o600)) as fd:
        os.write(fd, b"x" * _PAGE)


def _map(path: bytes) -> int:
    with opened(os.open(path, os.O_RDONLY | os.O_CLOEXEC)) as fd:
        return syscalls.mmap_page(fd, 0, _PAGE)
