"""vm_file, asked of the kernel by a BPF iterator: the port VmFiles on a live system."""

import os

from mapsd.errors import ParseError
from mapsd.linux import syscalls
from mapsd.linux.bpf.iterator import PAGE, Records, VmFileIterator
from mapsd.linux.files import opened, unless_exhausted
from mapsd.linux.machine import LiveMachine
from mapsd.linux.pageframes import open_regular
from mapsd.model import Held, Refused, Vma
from mapsd.ports import FileRef


class LiveVmFiles:
    """What the mappings of one process hold; the process is read once."""

    def __init__(self, machine: LiveMachine, iterator: VmFileIterator) -> None:
        """Ask about the process that *machine* looks at."""
        self._machine, self._iterator = machine, iterator
        self._held: Records | Refused | None = None

    def of(self, vma: Vma) -> Held | Refused:
        """Return what a mapping holds: of this very line of maps, else refused."""
        if self._held is None:
            self._held = self._read()
        if isinstance(self._held, Refused):
            return self._held
        one = self._held.at(vma.start)
        if one is None or (one.end, one.offset, one.user_device, one.user_inode) != (
                vma.end, vma.offset, vma.device, vma.inode):
            return Refused("the iterator saw another mapping at these addresses")
        return one

    def _read(self) -> Records | Refused:
        try:
            return self._iterator.of(self._machine.process.pid)
        except (OSError, ParseError) as error:
            return Refused(f"the iterator cannot be read: {error}")

    def compare(self, vma: Vma, candidate: FileRef) -> tuple[str, str]:
        """Return "same", "different" or "silent": whether the candidate, mapped by us, is the mapping's inode."""
        one = self.of(vma)
        if isinstance(one, Refused):
            return "silent", one.reason
        try:
            with opened(self._machine.open(candidate, os.O_PATH | os.O_CLOEXEC)) as found:
                return self._compare(one, found)
        except OSError as error:
            unless_exhausted(error)
            return "silent", f"the candidate cannot be opened: {error.strerror}"
        except ParseError as error:
            return "silent", str(error)

    def _compare(self, one: Held, found: int) -> tuple[str, str]:
        with opened(open_regular(found)) as fd:
            address = syscalls.mmap_page(fd, 0, PAGE)
            try:
                seen = self._iterator.of(os.getpid())
            finally:
                syscalls.munmap(address, PAGE)
        ours = None if isinstance(seen, Refused) else seen.at(address)
        if ours is None:
            return "silent", "the iterator did not see the candidate"
        if (ours.key, ours.device, ours.inode) == (one.key, one.device, one.inode):
            return "same", f"inode {one.inode} of device {one.device} is mapped in both"
        return "different", (f"inode {one.inode} of device {one.device} is mapped, and the candidate is "
                             f"inode {ours.inode} of device {ours.device}")
