"""vm_file, asked of the kernel by a BPF iterator: the port VmFiles on a live system."""

import os

from mapsd.errors import ParseError
from mapsd.light import Sequence
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
        self._together: Sequence[FileRef] = ()
        self._ours: dict[FileRef, Held | str] = {}

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

    def compare(self, vma: Vma, candidate: FileRef, together: Sequence[FileRef] = ()) -> tuple[str, str]:
        """Return "same", "different" or "silent": whether the candidate, mapped by us, is the mapping's inode.

        *together* are those that the mapping will be compared with: they are mapped and seen at once.
        """
        one = self.of(vma)
        if isinstance(one, Refused):
            return "silent", one.reason
        if candidate not in together:
            return _compared(one, self._seen((candidate,))[candidate])
        if self._together is not together:
            self._together, self._ours = together, self._seen(together)
        return _compared(one, self._ours[candidate])

    def _seen(self, candidates: Sequence[FileRef]) -> dict[FileRef, "Held | str"]:
        """Return what each candidate is to the kernel, or why it cannot be seen."""
        mapped: dict[FileRef, int | str] = {}
        try:
            for one in candidates:
                if one not in mapped:
                    mapped[one] = self._mapped(one)
            return self._read_own(mapped)
        finally:
            for address in mapped.values():
                if isinstance(address, int):
                    syscalls.munmap(address, PAGE)

    def _mapped(self, candidate: FileRef) -> int | str:
        try:
            with opened(self._machine.open(candidate, os.O_PATH | os.O_CLOEXEC)) as found, opened(
                    open_regular(found)) as fd:
                return syscalls.mmap_page(fd, 0, PAGE)
        except OSError as error:
            unless_exhausted(error)
            return f"the candidate cannot be opened: {error.strerror}"

    def _read_own(self, mapped: "dict[FileRef, int | str]") -> dict[FileRef, "Held | str"]:
        try:
            records = self._iterator.of(os.getpid())
            if isinstance(records, Refused):
                return dict.fromkeys(mapped, records.reason)
            return {one: address if isinstance(address, str) else records.at(address) or _UNSEEN
                    for one, address in mapped.items()}
        except ParseError as error:
            return dict.fromkeys(mapped, str(error))
        except OSError as error:
            unless_exhausted(error)
            return dict.fromkeys(mapped, f"the iterator cannot be read: {error.strerror}")


_UNSEEN = "the iterator did not see the candidate"


def _compared(one: Held, ours: "Held | str") -> tuple[str, str]:
    if isinstance(ours, str):
        return "silent", ours
    if (ours.key, ours.device, ours.inode) == (one.key, one.device, one.inode):
        return "same", f"inode {one.inode} of device {one.device} is mapped in both"
    return "different", (f"inode {one.inode} of device {one.device} is mapped, and the candidate is "
                         f"inode {ours.inode} of device {ours.device}")
