"""The means of proof, each tried on mappings of our own whose files are known."""

import errno
import os
import struct

from mapsd.light import NamedTuple, Sequence
from mapsd.linux import shows, syscalls
from mapsd.linux.bpf.iterator import VmFileIterator
from mapsd.linux.buildid import LiveBuildIds
from mapsd.linux.elsewhere.pidnamespace import numbers_as_ours
from mapsd.linux.files import opened
from mapsd.linux.machine import LiveMachine
from mapsd.linux.ownoverlay import Own
from mapsd.linux.pageframes import PAGE
from mapsd.linux.procfs import ProcFs
from mapsd.model import HERE, Host, Mount, Refused
from mapsd.model.diagnosis import Capabilities
from mapsd.parse import pagemap

BTF, LOCKDOWN = "/sys/kernel/btf/vmlinux", "/sys/kernel/security/lockdown"
_BUILD_ID = bytes(range(1, 21))
_TRIES = 3  # a page may be moved while it is looked at


class Asked(NamedTuple):
    """What the questions need: an overlay of our own or why there is none, our mounts and capabilities, a machine."""

    own: Own | str
    mounts: Sequence[Mount]
    held: Capabilities
    shows: shows.Shows
    host: Host = HERE


class Seen(NamedTuple):
    """Whether something works (None: not established), what was seen, the capabilities missing and what to do."""

    works: bool | None
    detail: str
    needs: tuple[str, ...] = ()
    advice: str = ""


def refused(asked: Asked, works: bool | None, detail: str, *names: str, otherwise: str = "") -> Seen:
    """Return what *names* would help with, or *otherwise* where none of them is missing."""
    return Seen(works, detail, asked.held.lacks(*names), asked.held.advice(*names) or otherwise)


def kernel_inode(asked: Asked) -> Seen:
    """Return whether maps alone names the backing file."""
    match asked.shows.what:
        case shows.BACKING_INODE:
            return Seen(True, "maps prints the layer file's own inode")
        case shows.OVERLAY_INODE:
            return Seen(False, "maps prints the overlay's inode: only files that are on no overlay are proven by it",
                        advice="let bpf, page-frame or build-id tell; Linux 6.7 and earlier print the layer file's")
        case _:
            return refused(asked, None, "what maps shows is not established: see the finding", "CAP_SYS_ADMIN")


def lookup(asked: Asked) -> Seen:
    """Return whether the overlay's own lookup can be repeated; what is `sole-candidate` rests on it as well."""
    if asked.held.lacks("CAP_SYS_ADMIN"):
        return refused(asked, False, "trusted.overlay attributes are hidden: what hangs on their absence is unknown",
                       "CAP_SYS_ADMIN")
    return Seen(True, "trusted.overlay attributes are readable")


def page_frame(asked: Asked) -> Seen:
    """Return whether page frames tell the layer files of an overlay of our own, else whether they can be read."""
    own = asked.own
    if isinstance(own, Own):
        agree, what = _agree(((own.before, own.lower), (own.after, own.upper))), "the files of an overlay of our own"
    else:
        with opened(_memfd()) as fd, _Page(fd, b"x") as one, _Page(fd, b"x") as other:
            agree, what = _agree(((one, other),)), "two mappings of a file of our own"
    if agree is None:
        return refused(asked, False, "the kernel hides page frames", "CAP_SYS_ADMIN")
    return Seen(agree, f"page frames {'were right' if agree else 'were wrong or not stable'} about {what}")


def _agree(pairs: Sequence[tuple[int, int]]) -> bool | None:
    """Return whether each pair of addresses is one page frame and no two pairs the same one; None: hidden."""
    for _ in range(_TRIES):
        frames = [(_frame(one), _frame(other)) for one, other in pairs]
        if not all(map(all, frames)):
            return None
        if all(one == other for one, other in frames) and len(set(frames)) == len(pairs):
            return True
    return False


def _frame(address: int) -> int:
    syscalls.populate_read(address, PAGE)
    with opened(os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)) as fd:
        return pagemap.parse(os.pread(fd, 8, address // PAGE * 8))[0].frame


def _memfd() -> int:
    # A Python that was built for an old C library lacks it.
    if not hasattr(os, "memfd_create"):
        raise OSError(errno.ENOSYS, "this Python has no memfd_create")
    return os.memfd_create("mapsd")


class _Page:
    """A mapping of the first page of a file of our own that holds *content*."""

    def __init__(self, fd: int, content: bytes) -> None:
        os.pwrite(fd, content.ljust(PAGE, b"\0"), 0)
        self._address = syscalls.mmap_page(fd, 0, PAGE)

    def __enter__(self) -> int:
        return self._address

    def __exit__(self, *_: object) -> None:
        syscalls.munmap(self._address, PAGE)


def build_id(_: Asked) -> Seen:
    """Return whether the kernel reads the build id of an ELF file of our own."""
    with opened(_memfd()) as fd, _Page(fd, _elf()) as address:
        found = _mapped_id(address)
    if isinstance(found, Refused):
        return Seen(False, found.reason, advice="Linux 6.11 or later")
    right = found == _BUILD_ID
    return Seen(right, f"PROCMAP_QUERY returned {'the' if right else 'another'} build id of a file of our own")


def _mapped_id(address: int) -> bytes | Refused:
    # /proc may number us otherwise than getpid() does.
    process = ProcFs(int(os.readlink("/proc/self")))
    try:
        machine = LiveMachine(process)
        ids = LiveBuildIds(machine, process.open_maps)
        try:
            [vma] = (vma for vma in shows.mappings() if vma.start == address)
            return ids.mapped(vma)
        finally:
            ids.close()
            machine.close()
    finally:
        process.close()


def _elf() -> bytes:
    """Return a 64-bit ELF file of one note, in the machine's byte order: the kernel looks at no more. See elf(5)."""
    note = struct.pack("=3I4s20s", 4, len(_BUILD_ID), 3, b"GNU", _BUILD_ID)
    program = struct.pack("=2I6Q", 4, 4, 120, 0, 0, len(note), len(note), 4)
    header = struct.pack("=16s2HI3QI6H", b"\x7fELF\2\1\1", 3, 62, 1, 0, 64, 0, 0, 64, len(program), 1, 0, 0, 0)
    return header + program + note


def bpf(asked: Asked) -> Seen:
    """Return whether the iterator over vm_file loads, passes its test and reads our own mappings."""
    if asked.host is not HERE and not numbers_as_ours(asked.host.procfs):
        return Seen(False, f"{os.fsdecode(asked.host.procfs)} numbers processes in another pid namespace than ours, in "
                           "which the iterator looks for them",
                    advice="share its pid namespace (docker run --pid=host, hostPID: true in Kubernetes)")
    iterator = VmFileIterator()
    try:
        found = iterator.of(os.getpid())
    finally:
        iterator.close()
    if not isinstance(found, Refused):
        return Seen(True, "the iterator loads, passed its test and reads our own mappings")
    return refused(asked, False, found.reason, "CAP_BPF", "CAP_PERFMON", otherwise=_kernel_of_bpf())


def _kernel_of_bpf() -> str:
    if not numbers_as_ours(b"/proc"):
        return "mount the /proc of your own pid namespace"
    if "[confidentiality]" in text(LOCKDOWN):
        return "boot without lockdown=confidentiality, which forbids it"
    if not os.path.exists(BTF):
        return f"a kernel with CONFIG_DEBUG_INFO_BTF, and sysfs: there is no {BTF}"
    # v6.1 has iterators over one process. The layer's path beside the user's is of v6.7 (def3ae83da02 "fs: store real
    # path instead of fake path in backing file f_path"): before, the iterator fails its test.
    return "Linux 6.7 or later; see the reason"


def text(path: str) -> str:
    """Return a small file of the kernel's, empty where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(4096).decode("ascii", "backslashreplace").strip()
    except OSError:
        return ""
