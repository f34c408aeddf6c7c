"""vm_file, asked of the kernel by a BPF iterator: the port VmFiles on a live system."""

import os

from mapsd.errors import ParseError
from mapsd.light import TYPE_CHECKING, Callable, Sequence
from mapsd.linux import syscalls
from mapsd.linux.bpf.iterator import VmFileIterator
from mapsd.linux.files import opened, unless_exhausted
from mapsd.linux.machine import LiveMachine
from mapsd.linux.pageframes import PAGE, open_regular
from mapsd.model import HERE, Host, Refused, Vma
from mapsd.model.held import Held
from mapsd.parse.same import is_at
from mapsd.ports import FileRef

if TYPE_CHECKING:
    from typing import TypeVar

    from mapsd.linux.bpf.held import Records
    from mapsd.linux.bpf.same import Identities
    from mapsd.parse.same import Identity

    _Read = TypeVar("_Read")


class LiveVmFiles:
    """What the mappings of one process hold; the process is read once by each program that is needed."""

    def __init__(self, machine: LiveMachine, iterator: VmFileIterator) -> None:
        """Ask about the process that *machine* looks at."""
        self._machine, self._iterator = machine, iterator
        self._held: Records | Refused | None = None
        self._identities: Identities | Records | Refused | None = None
        self._together: Sequence[FileRef] = ()
        self._ours: dict[FileRef, Identity | Held | str] = {}

    @property
    def loaded(self) -> bool:
        """Return whether a program of the iterator is loaded, so that it costs one reading of the process to ask."""
        return self._iterator.loaded

    def of(self, vma: Vma) -> Held | Refused:
        """Return what a mapping holds: of this very line of maps, else refused."""
        if self._held is None:
            self._held = self._asked(self._iterator.of)
        if isinstance(self._held, Refused):
            return self._held
        one = self._held.at(vma.start)
        return one if one is not None and is_at(one, vma) else _ANOTHER

    def _asked(self, ask: "Callable[[int], _Read | Refused]") -> "_Read | Refused":
        """Return what the iterator says of the process, which it numbers as our own pid namespace does."""
        process = self._machine.process
        try:
            return ask(process.pid) if process.host is HERE or _numbers_alike(process.host) else _NUMBERED
        except (OSError, ParseError) as error:
            return Refused(f"the iterator cannot be read: {error}")

    def identity(self, vma: Vma) -> "Identity | Held | Refused":
        """Return which file a mapping holds: of this very line of maps, else refused."""
        found = self._every_identity()
        if isinstance(found, Refused):
            return found
        one = found.at(vma.start)
        return one if one is not None and is_at(one, vma) else _ANOTHER

    def mark(self, vma: Vma) -> object:
        """Return what is equal as long as a mapping holds this file by this mount, None where that is not known."""
        found = self._every_identity()
        return None if isinstance(found, Refused) else found.mark(vma)

    def _every_identity(self) -> "Identities | Records | Refused":
        if self._held is not None and not isinstance(self._held, Refused):
            return self._held
        if self._identities is None:
            found: Identities | Records | Refused = self._asked(self._iterator.identities)
            self._identities = found
        return self._identities

    def compare(self, vma: Vma, candidate: FileRef, together: Sequence[FileRef] = ()) -> tuple[str, str]:
        """Return "same", "different" or "silent": whether the candidate, mapped by us, is the mapping's inode.

        *together* are those that the mapping will be compared with: they are mapped and seen at once.
        """
        one = self.identity(vma)
        if isinstance(one, Refused):
            return "silent", one.reason
        if candidate not in together:
            return _compared(one, self._seen((candidate,))[candidate])
        if self._together is not together:
            self._together, self._ours = together, self._seen(together)
        return _compared(one, self._ours[candidate])

    def _seen(self, candidates: Sequence[FileRef]) -> dict[FileRef, "Identity | Held | str"]:
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

    def _read_own(self, mapped: "dict[FileRef, int | str]") -> dict[FileRef, "Identity | Held | str"]:
        try:
            records = self._iterator.identities(os.getpid())
            if isinstance(records, Refused):
                return dict.fromkeys(mapped, records.reason)
            return {one: address if isinstance(address, str) else records.at(address) or _UNSEEN
                    for one, address in mapped.items()}
        except ParseError as error:
            return dict.fromkeys(mapped, str(error))
        except OSError as error:
            unless_exhausted(error)
            return dict.fromkeys(mapped, f"the iterator cannot be read: {error.strerror}")


_NUMBERED = Refused("its procfs numbers the process in another pid namespace than the iterator")
_UNSEEN = "the iterator did not see the candidate"
_ANOTHER = Refused("the iterator saw another mapping at these addresses")


def _numbers_alike(host: Host) -> bool:
    from mapsd.linux.elsewhere.pidnamespace import numbers_as_ours  # noqa: PLC0415  (the iterator tests our own /proc)
    return numbers_as_ours(host.procfs)


def _compared(one: "Identity | Held", ours: "Identity | Held | str") -> tuple[str, str]:
    if isinstance(ours, str):
        return "silent", ours
    if (ours.key, ours.device, ours.inode) == (one.key, one.device, one.inode):
        return "same", f"inode {one.inode} of device {one.device} is mapped in both"
    return "different", (f"inode {one.inode} of device {one.device} is mapped, and the candidate is "
                         f"inode {ours.inode} of device {ours.device}")
