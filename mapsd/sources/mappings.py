"""What a process maps, and what is asked about it."""

from mapsd.light import Protocol
from mapsd.ports import BuildIds, PageFrames, VmFiles
from mapsd.sources.machine import Layers


class Maps(Protocol):
    """The maps of one program that a process runs: they stay with the memory that it had when they were opened."""

    def read(self) -> bytes:
        """Return the text, empty where that memory is gone. Raises ProcessGone, AccessDenied."""

    def close(self) -> None:
        """Give back what is held."""


class Attempt(Protocol):
    """What the rules ask about mappings, for one reading of the process; close() it."""

    @property
    def machine(self) -> Layers:
        """Return the observer's view."""

    @property
    def frames(self) -> PageFrames:
        """Return what compares page frames."""

    @property
    def build_ids(self) -> BuildIds:
        """Return what reads build ids."""

    @property
    def vm_files(self) -> VmFiles:
        """Return what the kernel's own structures say."""

    def close(self) -> None:
        """Give back what is held."""
