"""A file that is held, mapped once more by us: such a mapping gets the data that a read through a descriptor gets.

Both ask the overlay for its real file at that moment (fs/overlayfs/file.c: ovl_open, ovl_real_file). So a means that
tells what a mapping holds tells what a descriptor reads. The file is opened for reading, its access time stays, and
pages are only looked at where they are in memory already.
"""

import os

from mapsd.errors import ParseError
from mapsd.light import Sequence
from mapsd.linux import syscalls
from mapsd.linux.bpf.iterator import VmFileIterator
from mapsd.linux.descriptors import Descriptors
from mapsd.linux.files import opened, unless_exhausted
from mapsd.linux.machine import LiveMachine
from mapsd.linux.pageframes import PAGE, LivePageFrames, open_regular
from mapsd.linux.procfs import ProcFs
from mapsd.linux.shows import mappings
from mapsd.linux.vmfiles import LiveVmFiles
from mapsd.model import Refused, Vma
from mapsd.model.held import Held
from mapsd.ports import ByVma, FileRef

PAGES = 64  # from the start of the file
_PRESENT = 4
_NEEDS = {1: "CAP_FOWNER", 13: "CAP_DAC_READ_SEARCH"}  # EPERM: O_NOATIME is the owner's right


class OpenMachine(LiveMachine):
    """The port Machine, for which "what a mapping's link opens" is what is held."""

    def __init__(self, process: ProcFs, descriptors: Descriptors) -> None:
        """Look at the machine that *process* runs on."""
        super().__init__(process)
        self._descriptors = descriptors

    def open(self, ref: FileRef, flags: int) -> int:
        """Return a descriptor of *ref*; raises OSError."""
        return self._descriptors.reopen(flags) if isinstance(ref, ByVma) else super().open(ref, flags)


class _Ourselves(LiveMachine):
    """Our own process, of whose mapping the means are asked; candidates are opened as another machine does."""

    def __init__(self, process: ProcFs, machine: LiveMachine) -> None:  # it opens nothing itself
        self.process, self._others = process, machine

    def open(self, ref: FileRef, flags: int) -> int:
        return self._others.open(ref, flags)


class Remapped:
    """The mapping of what is held, made when it is first asked for; close() and forget() remove it."""

    def __init__(self, machine: OpenMachine, iterator: VmFileIterator, *, numbered: bool = True) -> None:
        """Map what *machine* holds; *numbered* is that of LivePageFrames."""
        self._own = ProcFs(int(os.readlink("/proc/self")))
        self._ourselves, self._sees_frames = _Ourselves(self._own, machine), machine.reads_trusted()
        self._frames = LivePageFrames(self._ourselves, numbered=numbered)
        self._iterator = iterator
        self._vm_files: LiveVmFiles | None = None
        self._mapped: Vma | Refused | None = None
        self._at: tuple[int, int] | None = None

    def close(self) -> None:
        """Give everything back."""
        self.forget()
        self._own.close()

    def forget(self) -> None:
        """Remove the mapping: something else is held from now on."""
        if self._at is not None:
            syscalls.munmap(*self._at)
        self._at = self._mapped = self._vm_files = None

    def printed(self) -> Vma | Refused:
        """Return the line of our own maps, refused where the file cannot be mapped."""
        if self._mapped is None:
            try:
                self._mapped = self._map()
            except OSError as error:
                unless_exhausted(error)
                reason = f"the file cannot be opened: {error.strerror}"
                self._mapped = Refused(reason, _NEEDS.get(error.errno or 0, ""))
            except ParseError as error:
                self._mapped = Refused(str(error))
        return self._mapped

    def _map(self) -> Vma | Refused:
        with (opened(self._ourselves.open(ByVma(0, 0), os.O_PATH | os.O_CLOEXEC)) as found,
              opened(open_regular(found)) as fd):
            pages = min(max(-(-os.fstat(fd).st_size // PAGE), 1), PAGES)
            self._at = syscalls.mmap_page(fd, 0, pages * PAGE), pages * PAGE
        for vma in mappings():
            if (vma.start, vma.end - vma.start) == self._at:
                return vma
        return Refused("maps does not list a mapping of our own")

    def compare(self, _: Vma, candidate: FileRef) -> tuple[str, str]:
        """Return "same", "different" or "silent", and what was seen: the port PageFrames."""
        if not self._sees_frames:
            return "silent", "page frames are hidden (they need CAP_SYS_ADMIN)"
        vma = self.printed()
        if isinstance(vma, Refused):
            return "silent", vma.reason
        if not self._populated(vma):
            return "silent", "no page of the file is present in memory"
        return self._frames.compare(vma, candidate)

    def contents(self, _: Vma, __: FileRef) -> tuple[str, str]:
        """Return "silent": to read a file that is served by a process may wait for it."""
        return "silent", "its bytes are not read"

    def vm_files(self) -> LiveVmFiles:
        """Return what the kernel says of our own mappings, which is read once."""
        if self._vm_files is None:
            self._vm_files = LiveVmFiles(self._ourselves, self._iterator)
        return self._vm_files

    def _populated(self, vma: Vma) -> bool:
        """Bring pages into the mapping that are in memory already, and return whether there are any."""
        found = 0
        for address in range(vma.start, vma.end, PAGE):
            if found == _PRESENT:
                break
            if syscalls.mincore(address):
                try:
                    syscalls.populate_read(address, PAGE)
                except OSError as error:
                    unless_exhausted(error)
                    break  # the file became shorter
                found += 1
        return found > 0


class RemappedVmFiles:
    """The port VmFiles: what the kernel's own structures say of the mapping."""

    def __init__(self, remapped: Remapped) -> None:
        """Ask about the mapping."""
        self._remapped = remapped

    def of(self, _: Vma) -> Held | Refused:
        """Return what the mapping holds."""
        vma = self._remapped.printed()
        return vma if isinstance(vma, Refused) else self._remapped.vm_files().of(vma)

    def compare(self, _: Vma, candidate: FileRef, together: Sequence[FileRef] = ()) -> tuple[str, str]:
        """Return "same", "different" or "silent": whether a candidate, mapped by us, is the mapping's inode."""
        vma = self._remapped.printed()
        if isinstance(vma, Refused):
            return "silent", vma.reason
        return self._remapped.vm_files().compare(vma, candidate, together)
