"""What a process has open, and what is asked about it."""

from mapsd.light import Protocol, Sequence
from mapsd.model import Absent, FileFacts, Found, Refused, Vma
from mapsd.model.open import Entry
from mapsd.ports import PageFrames, Process, VmFiles
from mapsd.sources.machine import Layers


class Open(Process, Protocol):
    """The port Process of one held entry: its only "mapping" is what the entry opens."""

    def names(self) -> Sequence[str] | Refused:
        """Return the numbers of the descriptors, in order. Raises ProcessGone."""

    def entry(self, fd: str) -> Entry | Absent | Refused:
        """Return what a link and fdinfo say of an entry, absent where nothing is open there (any more)."""

    def hold(self, fd: str) -> Found:
        """Hold what an entry opens now, until release(), and return what it is."""

    def release(self) -> None:
        """Let go of what is held."""

    def held(self) -> Found:
        """Return what is held, as it is now."""

    def kind(self) -> str:
        """Return which kind of file is held."""

    def is_shmem(self, seen: FileFacts) -> bool:
        """Return whether a file is on one of the kernel's own mounts, where memfd_create(2) makes its files."""


class OpenAttempt(Protocol):
    """What the rules ask about what is held, for one reading of the process; close() it."""

    @property
    def machine(self) -> Layers:
        """Return the observer's view."""

    @property
    def frames(self) -> PageFrames:
        """Return what compares page frames."""

    @property
    def vm_files(self) -> VmFiles:
        """Return what the kernel's own structures say."""

    def printed(self) -> Vma | Refused:
        """Return what our own maps say of a mapping of what is held."""

    def forget(self) -> None:
        """Something else is held from now on."""

    def close(self) -> None:
        """Give back what is held."""
